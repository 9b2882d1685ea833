"""Notices async code that blocks the event loop, and names it: nothing else runs meanwhile.

1. Each step of a tool, of a model and of a flow's code, from one await to the next, is timed. A
   background thread looks at steps that haven't ended, so that one that never ends is named too.
2. A task that a tool or a model has begun has no such steps. While they run, the thread looks at
   what their event loops are at: one that stays at one task and answers no call is blocked by it.
"""

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
import types
from collections.abc import Awaitable, Generator
from dataclasses import dataclass, field
from typing import Any

BLOCKED_S = 1.0
"""A step that takes longer is warned of, through the logger `treadle`."""
LOOK_S = 0.25

_logger = logging.getLogger("treadle")


class TimedStep:
    """One step of async code, as a context manager: the time within it is timed.

    The same may time one step after the other, all in the thread that has made it.
    """

    def __init__(self, whose: str) -> None:
        self._whose = whose
        """Such as "the async tool fetch"."""
        self.thread = threading.get_ident()
        self.watch = _watch(os.getpid())
        self._steps = self.watch.steps

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._told = False
        self._outer = self._steps.get(self.thread)
        self._steps[self.thread] = self

    def __exit__(self, *_: object) -> None:
        self.check()
        if self._outer is None:
            self._steps.pop(self.thread, None)
        else:
            self._outer._told = self._outer._told or self._told
            self._steps[self.thread] = self._outer

    def check(self) -> None:
        """Warn, once, if it has taken too long."""
        if not self._told and time.monotonic() - self._began > BLOCKED_S:
            self._told = True
            _warn(self._whose)


@dataclass
class _Loop:
    """An event loop in which tools or models run."""

    thread: int
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    works: int = 0
    """How many run."""
    at: "asyncio.Task[Any] | None" = None
    """The task that it was seen at, and that it hasn't left since `since`, as far as is known."""
    since: float = 0.0
    told: bool = False

    def look(self) -> None:
        """Warn, once, if it has stayed at one task for too long."""
        task = asyncio.current_task(self.loop)
        if task is None:
            self.at = None
        elif task is not self.at:
            self.at, self.since, self.told = task, time.monotonic(), False
            with contextlib.suppress(RuntimeError):  # it is closed
                self.loop.call_soon_threadsafe(self.leave)
        elif not self.told and time.monotonic() - self.since > BLOCKED_S:
            self.told = True
            _warn(f"the task {_describe(task)}")

    def leave(self) -> None:
        """Called by the loop itself, which therefore isn't blocked."""
        self.at = None


@dataclass(frozen=True)
class _Watch:
    """What the background thread looks at, by the thread that each runs in."""

    steps: dict[int, TimedStep] = field(default_factory=dict)
    loops: dict[int, _Loop] = field(default_factory=dict)

    def look(self) -> None:
        for step in list(self.steps.values()):
            step.check()
        for each in list(self.loops.values()):
            if each.thread not in self.steps:
                each.look()


@types.coroutine
def warn_if_it_blocks(work: Awaitable[Any], whose: str) -> Generator[Any, Any, Any]:
    """Await this work; every step of it is timed, and its event loop is looked at."""
    step = TimedStep(whose)
    loops, thread = step.watch.loops, step.thread
    watched = loops.get(thread) or loops.setdefault(thread, _Loop(thread))
    watched.works += 1
    try:
        return (yield from _time_steps(work, step))
    finally:
        watched.works -= 1
        if not watched.works and loops.get(thread) is watched:
            del loops[thread]


def _time_steps(work: Awaitable[Any], step: TimedStep) -> Generator[Any, Any, Any]:
    steps: Any = work.__await__()
    advance, value = steps.send, None
    while True:
        with step:
            try:
                waits_for = advance(value)
            except StopIteration as end:
                return end.value
        try:
            advance, value = steps.send, (yield waits_for)
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:  # such as a cancellation: it is the work's to handle
            advance, value = steps.throw, error


def _warn(whose: str) -> None:
    _logger.warning(
        "%s has blocked the event loop for more than %g s; nothing else runs meanwhile. Let it"
        " await what takes long, or call that by asyncio.to_thread; a tool may be a plain function,"
        " which runs in a thread",
        whose,
        BLOCKED_S,
    )


def _describe(task: "asyncio.Task[Any]") -> str:
    """The name of a task's code, and where that is written."""
    code: Any = task.get_coro()
    name = getattr(code, "__qualname__", type(code).__name__)
    written: Any = getattr(code, "cr_code", None)
    if written is None:
        return name
    return f"{name} ({os.path.basename(written.co_filename)}, line {written.co_firstlineno})"


@functools.cache
def _watch(pid: int) -> _Watch:
    """That of this process. The first call starts the thread that looks."""
    watch = _Watch()

    def look() -> None:
        while True:
            time.sleep(LOOK_S)
            watch.look()

    threading.Thread(target=look, daemon=True, name="treadle-blocking").start()
    return watch
