"""Resumes what is due for as long as a process serves, and stops in time: a worker in a server.

1. It looks every few seconds, and not only at the start: in a deploy that begins the new process
   before it ends the old one, turns become due when the new one has long begun.
2. Looking costs what reading all unfinished threads costs, and the waiting ones whose time has
   come. So it takes at most a twentieth of the time.
3. A thread that can't be resumed here, by a StoreError or for want of a tool, is tried again later.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..core.check_settings import check_number
from ..runtime.drives import stop
from .resumable import Resumable
from .worker import Worker, work

AT_ONCE = 1000
"""How many threads a process resumes at once, at most."""


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
    worker = Worker(runners, deps=deps, every_s=every_s)
    async with until_stopped(worker, AT_ONCE, grace_s):
        yield


@asynccontextmanager
async def until_stopped(worker: Worker, most: int, grace_s: float) -> AsyncIterator[None]:
    """Let the worker work until the block is left, or a signal comes; then `stop`."""
    async with work(worker, most), stopping_in_time(grace_s):
        for job in worker.sweeps:  # what is wrong with the database is said at once
            await worker.sweep(job, worker.served[job.tenant, job.agent])
        yield


@asynccontextmanager
async def stopping_in_time(grace_s: float) -> AsyncIterator[None]:
    """`stop` once the block is left, or as soon as a signal comes."""
    stopping: list[asyncio.Task[list[str]]] = []

    def begin_to_stop() -> None:
        if not stopping:
            stopping.append(asyncio.create_task(stop(grace_s)))

    with calling_at_signals(begin_to_stop):
        try:
            yield
        finally:
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
