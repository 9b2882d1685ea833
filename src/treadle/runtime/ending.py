"""How the end of a turn, or of a call, reaches the children that work for it. Writes to logs; drives nothing.

1. The children are ended first, the deepest before all others. Then the parent's log is told of the end, together with
   what they have used. So a crash in between leaves the parent open, and whoever resumes it comes to that end again.
2. A driver that has lost its thread leaves the children alone: they are another driver's now.
"""

import contextlib
from collections.abc import Iterator

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.errors import Fenced, IllegalEvent, SeqTaken, TreadleError, UsageError
from ..core.result import read_result
from ..core.state import OPEN_PHASES, State
from ..stores.store import Store
from .log import Log, open_log, require_log
from .world import World

PARENT_ENDED = "what it worked for has ended"
CUT_OFF = "stopped before it had an answer: the turn has ended, or has come to a limit"


async def end_turn(log: Log, *facts: e.Event, after: int | None = None) -> None:
    """Append facts that end the turn or bring it to a limit, after the ends of all that works for it.

    Raises as `Log.append` does; SeqTaken only where `after` is given.
    """
    why = _why(facts[-1])
    while True:
        seq = log.state.seq
        settled = [await settle(log, call, _cut_off(call), why) for call in _with_child(log.state)]
        try:
            await log.append(*settled, *facts, after=seq if after is None else after)
            return
        except SeqTaken:  # a call below has come to its own end, say
            if after is not None:
                raise


async def append_decided(log: Log, facts: tuple[e.Event, ...], after: int) -> None:
    """Append what `decide` says. Raises as `Log.append` does."""
    if any(isinstance(fact, e.LimitReached | e.TurnEnded) for fact in facts):
        await end_turn(log, *facts, after=after)
    else:
        await log.append(*facts, after=after)


async def give_up(log: Log, call: CallState, why: str) -> None:
    """Append that nobody waits for this call any more, after the end of its child."""
    fact = await settle(log, call, e.ToolFailed(call.id, "cancelled", why), why)
    with contextlib.suppress(IllegalEvent):  # its result came in the same moment
        await log.append(fact)


async def settle(
    log: Log, call: CallState, fact: e.ToolFailed, why: str = PARENT_ENDED
) -> e.ToolFailed:
    """End the turn of this call's child; the fact, with what that turn has used. Raises Fenced, and StoreErrors."""
    if call.child is None:
        return fact
    await log.refresh()
    if log.lost:
        raise Fenced(log.lost)
    child = await open_log(call.child.thread_id, log.store, log.world)
    if child.state.phase in OPEN_PHASES:
        with contextlib.suppress(IllegalEvent):  # it came to its own end in the same moment
            await end_turn(child, e.TurnEnded("cancelled", why))
    if child.state.turn is None:  # it had yet to begin
        return fact
    done = read_result(child.records, child.state)
    return replace(fact, usage=done.usage, cost_usd=done.summary().cost_usd)


async def open_to_resume(thread_id: str, store: Store, world: World) -> Log:
    """The thread's log; what its last turn has left at work is ended.

    Raises UnknownThread; UsageError for a child at work, which only its parent's driver may drive.
    """
    log = await require_log(thread_id, store, world)
    if log.state.depth and log.state.phase in OPEN_PHASES:
        raise UsageError(
            f"thread {log.thread_id} works for another, and goes on when that one is resumed"
        )
    await _sweep(log)
    return log


async def _sweep(log: Log) -> None:
    """End the turns that work for calls which are over, at any depth.

    By rule 1 there are none; but an older version left such, and so does a driver that begins a child too late.
    """
    why = _why(log.state.turn.ended if log.state.turn else None)
    waited_for = {call.child.thread_id for call in _with_child(log.state) if call.child}
    for thread_id in _children(log):
        child = await open_log(thread_id, log.store, log.world)
        first = child.records[0].event if child.records else None
        if not isinstance(first, e.ThreadStarted) or first.parent_thread_id != log.thread_id:
            continue  # a fork's records name its parent's children
        if thread_id not in waited_for and child.state.phase in OPEN_PHASES:
            with contextlib.suppress(IllegalEvent):
                await end_turn(child, e.TurnEnded("cancelled", why))
        await _sweep(child)


async def cancel_turn(log: Log) -> None:
    """End the turn, and those below. A child is left alone: its end is for its parent's driver to write.

    It may not be the end: where that driver is fenced, or its store breaks, the turn goes on in another process.
    """
    if not log.below:
        with contextlib.suppress(
            TreadleError
        ):  # whatever keeps it from being written, the cancelling goes on
            await end_turn(log, e.TurnEnded("cancelled"))


def _with_child(state: State) -> tuple[CallState, ...]:
    """The open calls of the turn under way that run as a child."""
    if state.turn is None or state.turn.ended:
        return ()
    return tuple(call for call in state.turn.calls if call.child and call.status != "done")


def _children(log: Log) -> Iterator[str]:
    """All threads that have worked for the last turn."""
    opened_seq = log.state.turn.opened_seq if log.state.turn else 0
    for record in log.records[opened_seq:]:
        if isinstance(record.event, e.ChildStarted):
            yield record.event.thread_id


def _why(fact: e.Event | None) -> str:
    """Why the children end, where this is what ends the parent's turn."""
    return (
        fact.reason
        if isinstance(fact, e.TurnEnded) and fact.status == "cancelled"
        else PARENT_ENDED
    )


def _cut_off(call: CallState) -> e.ToolFailed:
    return e.ToolFailed(call.id, "cancelled", CUT_OFF)
