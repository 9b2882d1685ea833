"""Notices an async tool that blocks the event loop, and names it: nothing else runs meanwhile.

Each step of the tool, from one await to the next, is timed. A background thread looks at steps that
haven't ended, so that one that never ends is named too.
"""

import functools
import logging
import os
import threading
import time
import types
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from typing import Any

BLOCKED_S = 1.0
"""A step that takes longer is warned of, through the logger `treadle`."""
LOOK_S = 0.25

_logger = logging.getLogger("treadle")


@dataclass
class _Step:
    name: str
    began: float
    told: bool = False

    def check(self) -> None:
        """Warn, once, if it has taken too long."""
        if self.told or time.monotonic() - self.began <= BLOCKED_S:
            return
        self.told = True
        _logger.warning(
            "the async tool %s has blocked the event loop for more than %g s; nothing else runs"
            " meanwhile. Let it await what takes long, or make it a plain function: those run in"
            " threads",
            self.name,
            BLOCKED_S,
        )


@types.coroutine
def warn_if_it_blocks(work: Awaitable[Any], name: str) -> Generator[Any, Any, Any]:
    """Await the work of this tool; every step of it is timed."""
    steps: Any = work.__await__()
    running = _running_steps(os.getpid())
    thread = threading.get_ident()
    advance, value = steps.send, None
    while True:
        step = running[thread] = _Step(name, time.monotonic())
        try:
            waits_for = advance(value)
        except StopIteration as end:
            return end.value
        finally:
            running.pop(thread, None)
            step.check()
        try:
            advance, value = steps.send, (yield waits_for)
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:  # such as a cancellation: it is the tool's to handle
            advance, value = steps.throw, error


@functools.cache
def _running_steps(pid: int) -> dict[int, _Step]:
    """The step that each thread is at. The first call in a process starts what looks at them."""
    running: dict[int, _Step] = {}

    def look() -> None:
        while True:
            time.sleep(LOOK_S)
            for step in list(running.values()):
                step.check()

    threading.Thread(target=look, daemon=True, name="treadle-blocking").start()
    return running
