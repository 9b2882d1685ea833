"""run_sync: the one way in from code that isn't async. Works in a thread and inside a notebook's running loop too.

All sync calls of a process share one event loop, in a daemon thread that starts with the first: connections and the
embedded server then live from call to call. Both end with the process.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import os
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from .errors import UsageError

T = TypeVar("T")

END_S = 1.0
"""How long the end of the process waits for connections to close."""


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end and give its result. Ctrl-C cancels it, waits until it has stopped, and is raised then.

    Raises UsageError in code that this very loop runs, such as an async tool: it would wait for itself.
    """
    with _starting:
        loop = _loop(os.getpid())
    if _running() is loop:
        work.close()
        raise UsageError("run_sync inside of what run_sync runs would wait for itself; await run() there instead")
    tasks: list[asyncio.Task[Any]] = []

    async def noted() -> T:
        me = asyncio.current_task()
        assert me is not None
        tasks.append(me)
        return await work

    try:
        future = asyncio.run_coroutine_threadsafe(noted(), loop)
        while not future.done():
            # In slices: a Ctrl-C that comes in the instant before a wait begins is noticed only when it ends.
            concurrent.futures.wait([future], timeout=0.2)
        return future.result()
    except KeyboardInterrupt:  # it may come before there is a future to cancel: hence the list
        with contextlib.suppress(TimeoutError):  # a task that blocks the loop is left behind
            asyncio.run_coroutine_threadsafe(_stopped(tasks), loop).result(timeout=5)
        raise


_starting = threading.Lock()


@functools.cache
def _loop(pid: int) -> asyncio.AbstractEventLoop:
    """By process: after a fork the thread is the parent's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="treadle")
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Close its connections, at the end of the process. What still runs is left as a kill leaves it, to be resumed.

    The loop itself goes on: whoever else works at the end may need it, and could start no other.
    """
    if thread.is_alive() and not asyncio.all_tasks(loop):  # in a fork it is dead
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result(END_S)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _stopped(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them and wait for what they still do, e.g. their last append."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=4)
