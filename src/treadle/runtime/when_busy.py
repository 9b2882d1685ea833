"""What becomes of a message whose thread has an open turn: refused, said into it, or kept waiting.

A message that waits in line is its caller's alone until it is in the log: nothing is promised of it
before. So who needs it to outlive the process keeps it, and says it again, with its key.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ..core.errors import ModelError, TurnFailed
from ..core.result import Result
from ..core.state import State
from ..core.waits import find_waits, is_held
from ..stores.store import Store
from .drives import place_of, refuse_while_stopping
from .given import WhenBusy
from .log import Log
from .watch import wait_at_most, watching

LOOK_S = 0.5
"""How often whoever waits in line looks whether this process is told to stop."""
_lines: dict[tuple[asyncio.AbstractEventLoop, Any], tuple[asyncio.Lock, int]] = {}
"""The lines of each event loop, and how many wait in each. Empty ones are forgotten."""


def says_into_turn(when_busy: WhenBusy, state: State) -> bool:
    """Whether a message is to be said into the open turn."""
    turn = state.turn
    if turn is None or turn.has_steps or is_held(state):
        return when_busy == "steer"
    return when_busy == "steer" or (when_busy == "talk" and bool(find_waits(state, "")))


@asynccontextmanager
async def in_line(store: Store, thread_id: str) -> AsyncIterator[None]:
    """Wait until all messages have had their turns that came into this line before."""
    place = asyncio.get_running_loop(), place_of(store, thread_id)
    lock, waiting = _lines.get(place, (asyncio.Lock(), 0))
    _lines[place] = lock, waiting + 1
    try:
        async with lock:
            yield
    finally:
        lock, waiting = _lines.pop(place)
        if waiting > 1:
            _lines[place] = lock, waiting - 1


async def wait_for_end(log: Log, finish: Callable[[int], Awaitable[Result]]) -> None:
    """Bring the log's open turn to its end, or wait until something was written to it.

    Raises as `finish`, except where the turn has failed; Stopped.
    """
    assert log.state.turn
    try:
        result = await finish(log.state.turn.opened_seq)
    except (ModelError, TurnFailed):
        return
    await log.refresh()
    if result.status not in ("waiting", "unfinished") or not log.state.is_open:
        return
    with watching(log) as grown:
        while not grown.is_set():
            refuse_while_stopping()
            await wait_at_most(LOOK_S, grown)
