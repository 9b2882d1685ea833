"""Bounds the time of somebody else's async code, and leaves it behind if it doesn't stop."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from ..core.errors import ToolError

T = TypeVar("T")

GRACE_S = 0.2
"""How long code may take to stop once it is cancelled."""

_logger = logging.getLogger("treadle")


class StillInThread(Exception):
    """The work was cancelled, but its thread goes on."""

    def __init__(self, thread: "asyncio.Future[Any]") -> None:
        super().__init__()
        self.thread = thread
        """Is done when the thread is, with what came of it."""


class CutOff(ToolError):
    """A tool's work was cut off from afar, as by its server's end: it may have had its effect."""


class TooLong(Exception):
    """The time is up. Not a TimeoutError: the work may raise those itself."""

    def __init__(self, stopped: bool) -> None:
        super().__init__()
        self.stopped = stopped
        """False where it still runs: a thread, which nothing stops, or a task that goes on."""


def begin_apart(work: Coroutine[Any, Any, T]) -> "tuple[asyncio.Task[T], asyncio.Future[None]]":
    """A task that does the work, and a future that is settled at its end.

    Whoever awaits the future goes on a round or two of the event loop earlier than by the task, and
    a cancellation of the waiter isn't one of the task.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    settle = partial(_settle, over)

    async def tell_end() -> T:
        task.remove_done_callback(settle)
        try:
            return await work
        finally:
            settle()

    task = loop.create_task(tell_end())
    task.add_done_callback(settle)  # until it begins: it may be cancelled before
    return task, over


async def run_within(
    timeout_s: float | None,
    work: Coroutine[Any, Any, T],
    whose: str,
    learn: "Callable[[asyncio.Future[T]], None] | None" = None,
    waited: Callable[[], float] | None = None,
) -> T:
    """Await the work for so long, then cancel it. Raises TooLong, also if it doesn't stop.

    Work that comes to its own end as it is cancelled has that end. Where it does so later, or its
    waiter was cancelled, `learn` is called with what came of it. `whose` names it in a warning,
    such as "the async tool fetch". `waited` gives the seconds that don't count, in all: by so much
    longer it may take.
    """
    task, over = begin_apart(work)
    timer = None
    if timeout_s is not None:
        timer = _Timer(asyncio.get_running_loop(), timeout_s, over, waited or (lambda: 0.0))
    try:
        await over
    except asyncio.CancelledError:
        await _stop(task, whose, learn)
        raise
    finally:
        if timer:
            timer.handle.cancel()
    if task.cancelled():
        raise RuntimeError(f"{whose} was cancelled from within")  # not the turn: that raises above
    if task.done():
        return task.result()
    await _stop(task, whose, None)
    if task.done() and not task.cancelled() and not _is_in_thread(task):
        return task.result()
    if learn:
        _call_when_over(task, learn)
    raise TooLong(task.done() and not _is_in_thread(task))


class _Timer:
    """Settles the future once the time is up, with all that didn't count."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        over: "asyncio.Future[None]",
        waited: Callable[[], float],
    ) -> None:
        self._loop, self._over, self._waited = loop, over, waited
        self._left_out_s = waited()
        self.handle = loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        more_s = self._waited() - self._left_out_s
        if more_s <= 0.0:
            _settle(self._over)
            return
        self._left_out_s += more_s
        self.handle = self._loop.call_later(more_s, self._ring)


def _settle(future: "asyncio.Future[None]", _: object = None) -> None:
    if not future.done():
        future.set_result(None)


def warn_of_deaf(whose: str) -> None:
    """Warn that this code, which was cancelled, still runs."""
    _logger.warning(
        "%s was cancelled and is still running: it catches CancelledError, which it should raise"
        " on",
        whose,
    )


def _is_in_thread(task: "asyncio.Task[Any]") -> bool:
    return not task.cancelled() and isinstance(task.exception(), StillInThread)


async def _stop(
    task: "asyncio.Task[T]", whose: str, learn: "Callable[[asyncio.Future[T]], None] | None"
) -> None:
    """Cancel the task, and warn if that doesn't end it."""
    task.cancel()
    if learn:
        _call_when_over(task, learn)
    await asyncio.wait({task}, timeout=GRACE_S)
    # Its exception is read, so that asyncio doesn't warn of one that nobody read.
    task.add_done_callback(lambda left: left.cancelled() or left.exception())
    if not task.done():
        warn_of_deaf(whose)


def _call_when_over(
    left: "asyncio.Future[Any]", learn: "Callable[[asyncio.Future[Any]], None]"
) -> None:
    """Call it once the work is over, or the thread that the work has left; not if it stopped."""

    def look(over: "asyncio.Future[Any]") -> None:
        error = None if over.cancelled() else over.exception()
        if isinstance(error, StillInThread):
            _call_when_over(error.thread, learn)
        elif not over.cancelled():
            learn(over)

    left.add_done_callback(look)
