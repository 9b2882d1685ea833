"""Looks at the children that a waiting thread waits for."""

from ..core import events as e
from ..core.state import State
from ..core.waits import find_tree_waits
from ..stores.store import Store
from .log import Log, open_log
from .world import World


async def refresh_children(log: Log) -> bool:
    """Append what the children wait for now, where it isn't what the log says.

    A child that nothing keeps waiting any more, since somebody has decided, goes on then. Returns
    whether anything was appended. Raises as `Log.append`, and StoreErrors.
    """
    states = await read_waiting_children(log.state, log.store, log.world)
    changed: list[e.Event] = []
    for call in log.state.turn.calls.values() if log.state.turn else ():
        if call.status == "child" and call.child:
            waiting = find_tree_waits(call.child.thread_id, states)
            if waiting != call.waiting:
                changed.append(e.ChildWaits(call.id, waiting))
    if changed:
        await log.append(*changed, after=log.state.seq)
    return bool(changed)


async def read_waiting_children(state: State, store: Store, world: World) -> dict[str, State]:
    """By thread id, the children at every depth that this thread's open turn waits for."""
    states: dict[str, State] = {}
    open_calls = [state.turn.calls] if state.turn and not state.turn.ended else []
    while open_calls:
        for call in open_calls.pop().values():
            if call.status == "child" and call.child and call.child.thread_id not in states:
                child = await open_log(call.child.thread_id, store, world)
                states[child.thread_id] = child.state
                if child.state.turn and not child.state.turn.ended:
                    open_calls.append(child.state.turn.calls)
    return states
