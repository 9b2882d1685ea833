"""How the end of a turn reaches the threads that work for it. Writes to logs; drives nothing."""

import contextlib
from collections.abc import Iterable

from . import events as e
from .errors import TreadleError
from .log import Log, opened
from .state import OPEN, State


def below(state: State) -> tuple[e.ChildStarted, ...]:
    """The threads that work for the turn under way, wherever they run or wait."""
    calls = state.turn.calls if state.turn else ()
    return tuple(call.child for call in calls if call.child and call.status != "done")


async def end(log: Log, fact: e.TurnEnded) -> None:
    """Write the end of a turn, and end the turns that work for it, however deep."""
    children = below(log.state)
    await log.append(fact)
    await end_below(log, children, fact)


async def end_below(log: Log, children: Iterable[e.ChildStarted], fact: e.TurnEnded) -> None:
    """End the turns in these threads, which work for nobody any more."""
    for child in children:
        under = await opened(child.thread_id, log.store, log.world)
        if under.state.phase in OPEN:
            await end(under, fact)


async def end_left(log: Log) -> None:
    """End what still works for a turn that has ended: a crash came between the two."""
    if log.state.turn and log.state.turn.ended:
        await end_below(log, below(log.state), log.state.turn.ended)


async def cancelled(log: Log) -> None:
    """End the turn, and those below. A thread below another is left alone: its end is for that one's driver to write.

    It may not be the end: where that driver is fenced, or its store breaks, the turn goes on in another process.
    """
    if not log.below:
        with contextlib.suppress(TreadleError):  # whatever keeps it from being written, the cancelling goes on
            await end(log, e.TurnEnded("cancelled"))
