"""Runs one tool once, and turns whatever comes of it into a fact. Writes nothing: the loop does.

1. Nothing that a tool raises gets past here, SystemExit included; only the cancelling of the whole turn does.
2. A tool that doesn't stop when its time is up is left behind: its thread is a daemon, its task is forgotten.
"""

import _thread
import asyncio
import contextlib
import contextvars
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..core.context import ChildResult, Context
from ..core.errors import StoreError, ToolError, ToolRetry
from ..core.events import ChildWaits, ToolFailed, ToolReturned
from ..core.limits import backoff_s, tightest_limit
from ..core.tool import Tool, is_async

GRACE_S = 0.2
"""How long a tool may take to stop once it has been told to."""
PASSING = (ConnectionError, TimeoutError)
"""What may succeed on another try."""


async def run_tool(
    tool: Tool, arguments: str, context: Context, left_s: float | None, chance: float
) -> ToolReturned | ToolFailed | ChildWaits:
    """What came of one attempt. `left_s` is what the turn has left; `chance` in [0, 1) jitters a back-off."""
    began = time.perf_counter()
    timeout_s = tightest_limit(tool.timeout_s, left_s)
    again: float | None = None
    try:
        checked = tool.arguments_of(arguments)
    except ToolError as error:
        return ToolFailed(
            context.call_id, "arguments", _clean(str(error))[: tool.max_chars], _since(began)
        )
    try:
        result = await _within(timeout_s, _call(tool, checked, context))
        if isinstance(result, ChildResult):
            return _worked(result, context.call_id, tool.max_chars, _since(began))
        text, cut = render_result(result, tool.max_chars)
        return ToolReturned(context.call_id, text, _since(began), cut)
    except _TooLong:
        stopped = is_async(tool.function) if tool.function else True  # nothing stops a thread
        end = "stopped" if stopped else "left running"
        effect = (
            ""
            if tool.idempotent
            else "; it may have had its effect"
            if stopped
            else "; it may still have its effect"
        )
        kind, said = (
            "timeout",
            f"{tool.name} took longer than {timeout_s:g} s and was {end}{effect}",
        )
        again = (
            backoff_s(context.attempt, chance)
            if stopped and context.attempt <= tool.retries
            else None
        )
    except ToolRetry as error:
        kind, said = "raised", _words(error)
        if context.attempt <= max(tool.retries, 3):
            again = backoff_s(context.attempt, chance, error.retry_after_s)
    except ToolError as error:
        kind, said = "raised", _words(error)
    except _Unshowable as error:
        kind, said = "result", str(error)
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except (
        BaseException
    ) as error:  # a tool is somebody else's code: whatever it raises is told to the model
        if tool.child and isinstance(error, StoreError):
            raise  # the store is that of the thread above too
        kind, said = "raised", ": ".join(filter(None, (type(error).__name__, _words(error))))
        if isinstance(error, PASSING) and context.attempt <= tool.retries:
            again = backoff_s(context.attempt, chance)
    return ToolFailed(context.call_id, kind, _clean(said)[: tool.max_chars], _since(began), again)  # type: ignore[arg-type]


def _worked(
    done: ChildResult, call_id: str, max_chars: int, took_s: float
) -> ToolReturned | ToolFailed | ChildWaits:
    if done.waiting:
        return ChildWaits(call_id, done.waiting)
    text, cut = render_result(done.answer, max_chars)
    if done.failed:
        return ToolFailed(call_id, "raised", text, took_s, usage=done.usage, cost_usd=done.cost_usd)
    return ToolReturned(call_id, text, took_s, cut, done.usage, done.cost_usd)


def render_result(result: Any, max_chars: int) -> tuple[str, int]:
    """A result as the model reads it, and how many characters were left out: text as it is, the rest as JSON."""
    if result is None:
        return "done; it gave no result", 0
    if isinstance(result, str):
        text = result
    else:
        try:
            text = msgspec.json.encode(result, enc_hook=_jsonable).decode()
        except Exception as error:  # a result may bring its own `model_dump`, and with it any fault
            raise _Unshowable(
                f"the call ran, but its result, a {type(result).__name__}, has no JSON form ({_words(error)})"
            ) from None
    text = _clean(text)
    cut = max(0, len(text) - max_chars)
    return (
        (f"{text[:max_chars]}\n[cut: {max_chars} of {len(text)} characters are shown]", cut)
        if cut
        else (text, 0)
    )


class _Unshowable(Exception):
    """The result has no JSON form."""


class _TooLong(Exception):
    """The time is up. Not a TimeoutError: a tool may raise those itself."""


async def _call(tool: Tool, arguments: Mapping[str, Any], context: Context) -> Any:
    assert tool.function is not None
    keywords = {**arguments, tool.context: context} if tool.context else arguments
    try:
        if is_async(tool.function):
            return await tool.function(**keywords)
        result = await _in_thread(lambda: tool.function(**keywords))  # type: ignore[misc]
        return (
            await result if inspect.isawaitable(result) else result
        )  # a plain wrapper may give a coroutine
    except SystemExit as error:
        raise RuntimeError(f"SystemExit: {error}") from error  # in a task it would end the loop


async def _in_thread(function: Callable[[], Any]) -> Any:
    """Call it in a thread of its own. A pool's threads would keep a process alive that has left one behind."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except BaseException as raised:
            # A future can't carry StopIteration, and SystemExit would end the loop.
            odd = isinstance(raised, StopIteration | SystemExit | KeyboardInterrupt)
            error = RuntimeError(f"{type(raised).__name__}: {raised}") if odd else raised
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits for this result
            loop.call_soon_threadsafe(settle, result, error)

    _thread.start_new_thread(
        work, ()
    )  # never joined at exit, and not waited for at the start either
    return await future


async def _within(timeout_s: float | None, work: Any) -> Any:
    """Await it for so long, then tell it to stop, and leave it behind if it doesn't. Raises _TooLong."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        await _stop(task)
        raise
    if task.cancelled():
        raise RuntimeError("the tool was cancelled from within")  # not the turn: that raises above
    if done:
        return task.result()
    await _stop(task)
    raise _TooLong


async def _stop(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    task.add_done_callback(
        lambda left: left.cancelled() or left.exception()
    )  # read, so that nobody warns


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} is not JSON")


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # its own __str__ may be broken
        return ""


def _clean(text: str) -> str:
    """Without lone surrogates, which no provider and no database takes."""
    return text.encode("utf-8", "replace").decode()


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 6)
