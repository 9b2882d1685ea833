"""What Ctrl-C and SIGTERM do to a command that drives turns.

1. Ctrl-C raises KeyboardInterrupt: the turn is cancelled.
2. SIGTERM raises Terminated: what is under way gets some time, then turns are left open.
3. A second one of either ends the process at once.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..runtime.drives import stop
from ..runtime.sync import run_sync

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
