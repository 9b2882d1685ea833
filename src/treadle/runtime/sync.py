"""run_sync, iterate_sync: the ways in from code that isn't async, also in a thread or a notebook.

All sync calls of a process share one event loop, in a daemon thread that the first call starts: so
connections and the embedded server live from call to call. Both end with the process.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import os
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .step_ids import current_scope

T = TypeVar("T")

END_S = 1.0
"""How long the end of the process waits for connections to close."""


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run it and return its result. Ctrl-C cancels it, waits until it has stopped, and is raised.

    Raises UsageError for what is no coroutine; in code that this very loop runs, such as an async
    tool, and in a flow's code: it would wait for itself. RuntimeError as Python itself comes to its
    end, where no thread runs any more but the one that ends it.
    """
    if not asyncio.iscoroutine(work):
        raise UsageError(
            "run_sync takes the call of an async function, such as"
            f" run_sync(agent.post(...)); this is {name_kind(work)}"
        )
    if sys.is_finalizing():
        work.close()
        raise RuntimeError("run_sync can't run anything: Python has come to its end")
    if current_scope():
        work.close()
        raise UsageError(
            "run_sync in a flow's code would keep its steps from running: await run() there instead"
        )
    loop, thread = _find_loop()
    if _running_loop() is loop:
        work.close()
        raise UsageError(
            "run_sync inside of what run_sync runs would wait for itself; await run() there instead"
        )
    tasks: list[asyncio.Task[Any]] = []

    async def run_noted() -> T:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return await work

    try:
        future = asyncio.run_coroutine_threadsafe(run_noted(), loop)
        while not future.done():
            # In slices: a Ctrl-C just before a wait begins is noticed only when that wait ends.
            concurrent.futures.wait([future], timeout=0.2)
            if not thread.is_alive() and not future.done():
                raise RuntimeError("the event loop that run_sync shares has broken down")
        return future.result()
    except KeyboardInterrupt:  # it may come before there is a future to cancel: hence the list
        with contextlib.suppress(TimeoutError):  # a task that blocks the loop is left behind
            asyncio.run_coroutine_threadsafe(_stop(tasks), loop).result(timeout=5)
        raise


def iterate_sync(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """What an async generator gives, such as `agent.stream(...)`, for code that isn't async.

    Raises as the generator, and as `run_sync`. Leaving it closes the generator.
    """

    async def take() -> Any:
        return await anext(items, _END)

    try:
        while (item := run_sync(take())) is not _END:
            yield item
    finally:
        if not sys.is_finalizing():  # left until then, it ends with the process
            run_sync(_close(items))


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


_END = object()
_starting = threading.Lock()


def _find_loop() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """The loop that runs now; another one where its thread has died."""
    with _starting:
        loop, thread = _get_loop(os.getpid())
        if not thread.is_alive():
            _get_loop.cache_clear()
            loop, thread = _get_loop(os.getpid())
    return loop, thread


@functools.cache
def _get_loop(pid: int) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """One for each process: after a fork the thread is the parent's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop,), daemon=True, name="treadle")
    thread.start()
    atexit.register(_end, loop, thread)
    return loop, thread


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        # A tool may stop the loop, or leave a task behind that raises one of these: asyncio then
        # leaves `run_forever`, and all other work would hang.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Close its connections, at the end of the process.

    A turn that still runs is left as a kill leaves it, to be resumed. The loop itself goes on:
    whoever else works at the end may need it, and could start no other.
    """
    if thread.is_alive() and not asyncio.all_tasks(loop):  # in a fork it is dead
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result(END_S)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _stop(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for what they still do, e.g. their last append."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=4)
