"""Looks at the children that a waiting thread waits for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..core import events as e
from ..core.links import is_child_in
from ..core.state import State
from ..core.waits import find_tree_waits
from .account import Account, account_of_turn
from .log import Log, open_log

if TYPE_CHECKING:
    from .settings import RunSettings

RAISED_ABOVE = "the limit above"
"""As `by`: the thread only tries again."""


async def refresh_children(log: Log, settings: "RunSettings") -> bool:
    """Append what the children wait for now, where it isn't what the log says.

    A child that nothing keeps waiting any more, since somebody has decided, goes on then; so does
    this thread itself, where a limit above it was raised. Returns whether anything was appended.
    Raises as `Log.append`, and StoreErrors.
    """
    if was_raised(log.state, log.paid_by.accounts):
        await log.append(e.LimitRaised(RAISED_ABOVE))
        return True
    found = await read_waiting_children(log)
    own = account_of_turn(log, settings)
    accounts = (own, *log.paid_by.accounts) if own else log.paid_by.accounts
    states = {name: _try_again(state, accounts) for name, state in found.items()}
    changed: list[e.Event] = []
    for call in log.state.turn.calls.values() if log.state.turn else ():
        if call.status == "child" and call.child and call.child.thread_id in states:
            waiting = find_tree_waits(call.child.thread_id, states, now=log.world.now())
            if waiting != call.waiting:
                changed.append(e.ChildWaits(call.id, waiting))
    if changed:
        await log.append(*changed, after=log.state.seq)
    return bool(changed)


def was_raised(state: State, accounts: Sequence[Account]) -> bool:
    """Whether the limit of a thread above, for which this one waits, is higher by now."""
    held = state.turn.held if state.turn else None
    if held is None:
        return False
    for account in accounts:
        if account.name == held.account:
            ceiling = account.find_ceiling()
            most = ceiling.usd if held.limit == "cost_usd" else ceiling.tokens
            return most is None or most > held.allowed
    return False


def _try_again(state: State, accounts: Sequence[Account]) -> State:
    """The state of a thread that is to try again, where the limit that it waits for was raised."""
    if state.turn is None or not was_raised(state, accounts):
        return state
    return replace(state, turn=replace(state.turn, held=None))


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
