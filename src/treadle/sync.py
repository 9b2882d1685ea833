"""run_sync: the one way in from code that isn't async. Works in a thread and inside a notebook's running loop too.

All sync calls of a process share one event loop, in a daemon thread that starts with the first: connections and the
embedded server then live from call to call.
"""

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end and give its result. Ctrl-C cancels it, waits until it has stopped, and is raised then."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        _settled(future)
        raise


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="treadle").start()
    return loop


def _settled(future: Any) -> None:
    """Wait for what a cancelled task still does, e.g. its last append: one more turn of the loop comes after it."""
    tasks = asyncio.run_coroutine_threadsafe(_others(), _loop())
    tasks.result(timeout=5)


async def _others() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and task.cancelling()]
    if tasks:
        await asyncio.wait(tasks, timeout=4)
