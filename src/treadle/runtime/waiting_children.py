"""Looks at the children that a waiting thread waits for."""

from ..core import events as e
from ..core.links import is_child_in
from ..core.state import State
from ..core.waits import find_tree_waits
from .log import Log, open_log


async def refresh_children(log: Log) -> bool:
    """Append what the children wait for now, where it isn't what the log says.

    A child that nothing keeps waiting any more, since somebody has decided, goes on then. Returns
    whether anything was appended. Raises as `Log.append`, and StoreErrors.
    """
    states = await read_waiting_children(log)
    changed: list[e.Event] = []
    for call in log.state.turn.calls.values() if log.state.turn else ():
        if call.status == "child" and call.child and call.child.thread_id in states:
            waiting = find_tree_waits(call.child.thread_id, states, now=log.world.now())
            if waiting != call.waiting:
                changed.append(e.ChildWaits(call.id, waiting))
    if changed:
        await log.append(*changed, after=log.state.seq)
    return bool(changed)


async def read_waiting_children(top: Log) -> dict[str, State]:
    """By thread id, the children at every depth that this thread's open turn waits for."""
    states: dict[str, State] = {}
    logs = [top]
    while logs:
        log = logs.pop()
        turn = log.state.turn
        for call in turn.calls.values() if turn and not turn.ended else ():
            if call.status == "child" and call.child and call.child.thread_id not in states:
                child = await open_log(call.child.thread_id, log.store, log.world)
                if is_child_in(log.records, call.child, child.records):
                    states[child.thread_id] = child.state
                    logs.append(child)
    return states
