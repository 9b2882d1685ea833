"""Waits for a person who is asked at one place, until it is decided there or at any other."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..core import events as e
from ..core.state import State
from .drives import is_stopping
from .log import Log
from .watch import watching

LOOK_S = 0.5
"""How often it is looked whether this process is told to stop."""

T = TypeVar("T")


async def unless_decided(
    asking: Coroutine[Any, Any, T], waiting: e.PendingDecision, log: Log
) -> T | None:
    """What comes of asking; None as soon as it is decided elsewhere, or this process is to stop:
    then the asking is cancelled. `log` is that of the thread that waits. Raises as the asking."""
    task = asyncio.ensure_future(asking)
    try:
        with watching(log) as grown:
            while is_open(waiting, log.state) and not is_stopping():
                growing = asyncio.ensure_future(grown.wait())
                await asyncio.wait({task, growing}, timeout=LOOK_S, return_when="FIRST_COMPLETED")
                growing.cancel()
                if task.done():
                    return task.result()
                grown.clear()
                await log.refresh()
    finally:
        task.cancel()
    return None


def is_open(waiting: e.PendingDecision, state: State) -> bool:
    """Whether it waits still, in its thread's state."""
    call = state.calls.get(waiting.id)
    return state.is_open and call is not None and call.status == waiting.status
