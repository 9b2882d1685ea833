"""What Ctrl-C and SIGTERM do to a command that drives turns.

1. Ctrl-C raises KeyboardInterrupt: the turn is cancelled.
2. SIGTERM raises Terminated: what is under way gets some time, then turns are left open.
3. To a server, both are what SIGTERM is.
4. A second one of either ends the process at once.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..runtime.drives import stop
from ..runtime.sync import run_sync
from .process import end_process

INTERRUPTED = 130
TERMINATED = 143
GRACE_S = 8.0
"""What model calls and tools get after SIGTERM. Containers are killed ten seconds after it."""

_Handler = Callable[[int, FrameType | None], None]


class Terminated(BaseException):
    """SIGTERM came. Not an Exception: nothing takes it for an error of its own."""


@contextmanager
def handling_signals() -> Iterator[None]:
    """Within the block, in the main thread, signals do what is said above."""
    came = False

    def make(error: type[BaseException], code: int) -> _Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal came
            if came:
                os._exit(code)
            came = True
            raise error

        return handle

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, make(KeyboardInterrupt, INTERRUPTED)),
        signal.SIGTERM: signal.signal(signal.SIGTERM, make(Terminated, TERMINATED)),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def let_go() -> list[str]:
    """Stop all that the process drives; the names of the threads that were left open."""
    return run_sync(stop(GRACE_S))


def next_signal() -> "asyncio.Future[int]":
    """The exit code of the first signal that comes to a server."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[int] = loop.create_future()

    def note(code: int) -> None:
        if came.done():
            os._exit(code)
        came.set_result(code)

    for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
        loop.add_signal_handler(number, note, code)
    return came


async def serve_one(serving: Coroutine[Any, Any, None]) -> int:
    """Serve the client at standard input and output until it leaves; the exit code."""
    came, served = next_signal(), asyncio.ensure_future(serving)
    both: list[asyncio.Future[Any]] = [came, served]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    await stop(GRACE_S)
    if not came.done():
        served.result()
        return 0
    end_process(came.result())  # the thread that reads standard input would keep it
    return came.result()
