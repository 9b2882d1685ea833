"""How the end of a turn reaches the threads that work for it. Writes to logs; drives nothing."""

import contextlib
from collections.abc import Iterable

from . import events as e
from .errors import TreadleError
from .log import Log, opened
from .state import OPEN, State

USELESS = "what it worked for has ended"


def below(state: State) -> tuple[e.ChildStarted, ...]:
    """The threads that work for the turn, wherever they run or wait."""
    if state.turn is None:
        return ()
    return (*state.turn.left, *(call.child for call in state.turn.calls if call.child and call.status != "done"))


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
    """End what still works for a turn that has ended or came to a limit, also where a crash came between the two."""
    turn = log.state.turn
    if turn:
        await end_below(log, turn.left, e.TurnEnded("cancelled", USELESS))
    if turn and turn.ended:
        await end_below(log, below(log.state), turn.ended)


async def cancelled(log: Log) -> None:
    """End the turn, and those below. A thread below another is left alone: its end is for that one's driver to write.

    It may not be the end: where that driver is fenced, or its store breaks, the turn goes on in another process.
    """
    if not log.below:
        with contextlib.suppress(TreadleError):  # whatever keeps it from being written, the cancelling goes on
            await end(log, e.TurnEnded("cancelled"))
