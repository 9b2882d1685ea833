"""Resumes what is due for as long as a process serves: the deeds of `due`, `resume` and `stop`.

1. It looks every few seconds, and not only at the start: in a deploy that begins the new process
   before it ends the old one, turns become due when the new one has long begun.
2. Looking costs what reading all unfinished threads costs, and the waiting ones whose time has
   come. So it takes at most a twentieth of the time.
3. A thread that can't be resumed here, by a StoreError or for want of a tool, is tried again later.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from inspect import signature
from typing import Any, Protocol

from ..core.check_settings import check_number
from ..core.errors import ModelError, StoreError, TurnFailed, UsageError
from ..core.result import Result
from .background import go_on_alone
from .drives import stop

AGAIN_S = 60.0
"""How long a thread that couldn't be resumed is left alone."""
SHARE = 20
"""The pause between two looks is at least so many times as long as a look takes."""

_logger = logging.getLogger("treadle")


class Resumable(Protocol):
    """An agent, a flow or a graph."""

    async def due(self) -> list[str]:
        """The threads that `resume` would bring forward now."""
        ...

    @property
    def resume(self) -> Callable[..., Coroutine[Any, Any, Result[Any]]]:
        """Bring the thread to its end: `resume(thread)`, of agents with `deps=`, too."""
        ...


@asynccontextmanager
async def keep_going(
    *runners: Resumable,
    deps: Callable[[str], Any] | None = None,
    every_s: float = 2.0,
    grace_s: float = 20.0,
) -> AsyncIterator[None]:
    """Resume what is due, now and every few seconds, until the block is left; then `stop`.

    For the lifespan of a server: `async with keep_going(agent, a_flow): yield`. `deps` makes the
    deps of an agent's thread from its name: those of the process that began it are gone. `every_s`
    are seconds; `grace_s` is that of `stop`. Threads go on side by side, in the background. Where
    the server handles SIGTERM and SIGINT, `stop` begins at the signal: a server waits for its
    streams before it leaves the block, and those wait for their turns. Raises as `due`.
    """
    check_number("keep_going(every_s", every_s)
    check_number("keep_going(grace_s", grace_s)
    if not runners:
        raise UsageError("keep_going() has nothing to resume; give it agents, flows or graphs")
    sweeps = [Sweep(runner, deps) for runner in runners]
    for sweep in sweeps:
        await sweep.look()
    tasks = [asyncio.create_task(sweep.look_again(every_s)) for sweep in sweeps]
    stopping: list[asyncio.Task[list[str]]] = []

    def begin_to_stop() -> None:
        if not stopping:
            stopping.append(asyncio.create_task(stop(grace_s)))

    with calling_at_signals(begin_to_stop):
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            begin_to_stop()
            await stopping[0]


@contextmanager
def calling_at_signals(act: Callable[[], None]) -> Iterator[None]:
    """Call this in the event loop when a signal tells the process to end, beside what is done then.

    Where nobody handles the signal, and outside of the main thread, nothing changes.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(act)
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


class Sweep:
    """What one agent or flow has resumed here, and what it leaves alone for now."""

    def __init__(self, runner: Resumable, deps: Callable[[str], Any] | None = None) -> None:
        self._runner = runner
        self._deps = deps
        self._going: set[str] = set()
        self._not_before: dict[str, float] = {}

    async def look(self) -> None:
        """Resume what is due. Raises StoreErrors, and UsageError for wrong settings."""
        now = _now()
        for name in await self._runner.due():
            if name not in self._going and self._not_before.get(name, now) <= now:
                self._going.add(name)
                task = go_on_alone(name, self._runner.resume(name, **self._given(name)))
                task.add_done_callback(partial(self._end, name))

    def _given(self, name: str) -> dict[str, Any]:
        """The deps of a thread, for who takes any: a flow's code has its own."""
        if self._deps is None or "deps" not in signature(self._runner.resume).parameters:
            return {}
        return {"deps": self._deps(name)}

    async def look_again(self, every_s: float) -> None:
        """Look every so many seconds. Never ends by itself."""
        took_s = 0.0
        while True:
            await asyncio.sleep(max(every_s, SHARE * took_s))
            began = _now()
            with contextlib.suppress(StoreError):  # whoever appends will say what is wrong with it
                await self.look()
            took_s = _now() - began

    def _end(self, name: str, task: "asyncio.Task[Result]") -> None:
        self._going.discard(name)
        self._not_before.pop(name, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ModelError | TurnFailed):
            self._not_before[name] = _now() + AGAIN_S


def _now() -> float:
    return asyncio.get_running_loop().time()
