"""Calls somebody else's function: a plain one in an operating system thread, an async one here."""

import _thread
import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..core.raised import in_words
from ..core.tool import is_async
from .blocking import warn_if_it_blocks
from .border import contain
from .bounded import StillInThread


async def call_function(
    function: Callable[..., Any], keywords: Mapping[str, Any], name: str, whose: str = ""
) -> Any:
    """Call a function of this name; a plain one in an operating system thread.

    `whose` names it where it blocks the event loop ("": as the async tool of that name).
    """
    whose = whose or f"the async tool {name}"
    if is_async(function):
        return await contain(warn_if_it_blocks(function(**keywords), whose), name)
    result = await _in_thread(lambda: function(**keywords), name)
    if inspect.isawaitable(result):  # a plain function may wrap an async one
        return await contain(warn_if_it_blocks(result, whose), name)
    return result


def wrap(
    function: Callable[..., Any],
    then: Callable[[Any], Any],
    failed: Callable[[BaseException], None] = lambda _: None,
) -> Callable[..., Any]:
    """The function, which gives what `then` makes of its result. It is plain or async as before.

    `failed` is told what is raised, and may raise another error.
    """

    async def finish(work: Awaitable[Any]) -> Any:
        try:
            return then(await work)
        except BaseException as error:
            failed(error)
            raise

    async def work_async(*args: Any, **given: Any) -> Any:
        return await finish(function(*args, **given))

    def work(*args: Any, **given: Any) -> Any:
        try:
            result = function(*args, **given)
            return finish(result) if inspect.isawaitable(result) else then(result)
        except BaseException as error:
            failed(error)
            raise

    return work_async if is_async(function) else work


async def _in_thread(function: Callable[[], Any], name: str) -> Any:
    """Call it in an operating system thread of its own.

    One left behind in a pool would keep the process alive.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def work() -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except (StopIteration, SystemExit, KeyboardInterrupt) as raised:
            # A future can't carry the first, and the others would end the loop.
            error = in_words(raised, name)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits for this result
            loop.call_soon_threadsafe(settle, result, error)

    loop.run_in_executor(_ThreadEach(), work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if future.done():
            return future.result()
        raise StillInThread(future) from None


class _ThreadEach(concurrent.futures.Executor):
    """An operating system thread for each piece of work.

    Unlike a threading.Thread it isn't joined at exit, and its start isn't waited for. An event loop
    that simulates threads runs the work by itself.
    """

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        _thread.start_new_thread(fn, args, kwargs)
        return concurrent.futures.Future()
