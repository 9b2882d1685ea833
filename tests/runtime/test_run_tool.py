import asyncio
import contextlib
import contextvars
import dataclasses
import functools
import os
import threading
import time
from typing import Any

import pytest

from fakes import live
from treadle import Context, ToolError, ToolRetry, tool
from treadle.core.events import ToolFailed, ToolReturned
from treadle.models.remote_model import RemoteModel
from treadle.runtime.run_tool import run_tool

CONTEXT = Context({"user": 7}, "t", "c1", "key", 1)


def ran(
    made: Any, arguments: str = "{}", *, context: Context = CONTEXT, left_s: float | None = None
) -> Any:
    made = made if hasattr(made, "check") else tool(made)
    return live(run_tool(made, arguments, context, left_s, 0.0))


class Unsayable(Exception):
    def __str__(self) -> str:
        raise ValueError("even my words are broken")


class Odder(BaseException):
    """Neither an Exception nor one of Python's own signals."""

    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    "error",
    [
        *(SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit()),
        *(ValueError("no"), Unsayable(), Odder(), ToolError()),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_tool_raises_is_told_to_the_model(error, is_async):
    async def awaited():
        raise error

    def plain():
        raise error

    failed = ran(awaited if is_async else plain)
    assert (failed.kind, failed.retry_after_s) == ("raised", None)
    assert type(error).__name__ in failed.message


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tool_that_cancels_itself_has_failed_and_does_not_cancel_the_turn(is_async):
    async def awaited():
        raise asyncio.CancelledError

    def plain():
        raise asyncio.CancelledError

    failed = ran(awaited if is_async else plain)
    assert isinstance(failed, ToolFailed)
    assert failed.kind == "raised"
    assert "cancelled" in failed.message.lower()


def test_a_tool_error_is_told_in_its_own_words():
    def nope():
        raise ToolError("no such city; try Paris")

    assert ran(nope).message == "no such city; try Paris"


def test_lone_surrogates_in_an_error_do_not_reach_the_log():
    def nope():
        raise ToolError("bad \ud800")

    assert ran(nope).message == "bad ?"


def test_a_long_error_is_cut():
    @tool(max_chars=10)
    def nope():
        raise ToolError("x" * 100)

    assert len(ran(nope).message) <= 10


@pytest.mark.parametrize("wait_s", [float("inf"), float("nan"), -5.0])
def test_a_wait_that_makes_no_sense_is_left_to_the_back_off(wait_s):
    def later():
        raise ToolRetry("later", retry_after_s=wait_s)

    assert ran(later).retry_after_s == 0.5


def test_tool_retry_asks_for_the_same_call_later_three_times_at_most():
    def later():
        raise ToolRetry("later", retry_after_s=2.0)

    waits = [
        ran(later, context=dataclasses.replace(CONTEXT, failures=n - 1)).retry_after_s
        for n in range(1, 6)
    ]
    assert waits == [2.0, 2.0, 2.0, None, None]


def test_only_what_may_pass_is_retried_and_only_as_often_as_said():
    @tool(idempotent=True, retries=2)
    def weak(kind: str):
        raise {"passing": ConnectionError, "bug": ValueError}[kind]("x")

    def wait(kind: str, attempt: int) -> float | None:
        context = dataclasses.replace(CONTEXT, failures=attempt - 1)
        return ran(weak, f'{{"kind": "{kind}"}}', context=context).retry_after_s

    assert [wait("passing", n) for n in (1, 2, 3)] == [0.5, 1.0, None]
    assert wait("bug", 1) is None


def test_without_retries_a_connection_error_is_final():
    def weak():
        raise ConnectionError("x")

    assert ran(weak).retry_after_s is None


def test_an_async_tool_is_stopped_when_its_time_is_up():
    ended: list[str] = []

    @tool(timeout_s=5)
    async def sleeps():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("stopped")

    failed = ran(sleeps)
    assert (failed.kind, failed.unknown, ended) == ("timeout", True, ["stopped"])
    assert "longer than 5 s" in failed.message
    assert "may have had its effect" in failed.message


def test_the_turn_s_own_time_binds_a_tool_too():
    @tool(timeout_s=None, idempotent=True)
    async def sleeps():
        await asyncio.sleep(3600)

    failed = ran(sleeps, left_s=3)
    assert "longer than 3 s" in failed.message
    assert "effect" not in failed.message


def test_a_sync_tool_that_does_not_stop_is_left_behind():
    hold = threading.Event()

    @tool(timeout_s=1)
    def stuck():
        hold.wait(60)

    began = time.monotonic()
    failed = ran(stuck)
    hold.set()
    assert failed.kind == "timeout"
    assert failed.message == (
        "stuck took longer than 1 s and is still running; it may still have its effect"
    )
    assert time.monotonic() - began < 30  # it didn't wait for the tool


def test_an_async_tool_that_ignores_cancelling_is_left_behind_and_named(caplog):
    async def whole():
        free = asyncio.Event()

        @tool(timeout_s=1)
        async def deaf():
            while not free.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await free.wait()
            raise ValueError("nobody hears this")

        failed = await run_tool(deaf, "{}", CONTEXT, None, 0.0)
        free.set()
        await asyncio.sleep(1)
        return failed

    failed = live(whole())
    assert failed.kind == "timeout"
    assert failed.message == (
        "deaf took longer than 1 s and is still running; it may still have its effect"
    )
    assert "the async tool deaf was cancelled and is still running" in caplog.text


def test_a_plain_function_that_wraps_an_async_one_is_stopped():
    async def sleeps():
        await asyncio.sleep(3600)

    @tool(timeout_s=1)
    def wraps():
        return sleeps()

    assert (
        ran(wraps).message
        == "wraps took longer than 1 s and was cancelled; a thread or task that it began may still run,"
        " and it may have had its effect"
    )


def test_what_still_runs_is_not_tried_again_beside_itself():
    async def whole():
        free = asyncio.Event()

        @tool(timeout_s=1, idempotent=True, retries=3)
        async def deaf():
            while not free.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await free.wait()

        failed = await run_tool(deaf, "{}", CONTEXT, None, 0.0)
        free.set()
        await asyncio.sleep(1)
        return failed

    assert live(whole()).retry_after_s is None


def test_cancelling_the_turn_stops_the_tool_and_is_not_swallowed():
    ended: list[str] = []

    @tool
    async def sleeps():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("stopped")

    async def whole():
        task = asyncio.create_task(run_tool(sleeps, "{}", CONTEXT, None, 0.0))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    live(whole())
    assert ended == ["stopped"]


def test_a_sync_tool_runs_in_a_thread_of_its_own_with_the_caller_s_context_variables():
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    here = threading.get_ident()

    def who():
        return f"{user.get()} {'elsewhere' if threading.get_ident() != here else 'here'}"

    assert ran(who).content == "ada elsewhere"


def test_the_context_argument_is_filled_in_and_hidden_from_the_model():
    def who(city: str, context: Context) -> Any:
        return [
            city,
            context.deps["user"],
            context.thread_id,
            context.call_id,
            context.idempotency_key,
        ]

    made = tool(who)
    assert ran(made, '{"city": "Rome"}').content == '["Rome",7,"t","c1","key"]'
    assert set(made.parameters["properties"]) == {"city"}
    assert ran(made, '{"city": "Rome", "context": {}}').kind != "returned"
    assert isinstance(ran(made, '{"city": "Rome", "context": {}}'), ToolFailed)


def test_partials_callable_objects_and_wrapped_coroutines_are_awaited():
    async def add(a: int, b: int) -> int:
        return a + b

    class Adder:
        async def __call__(self, a: int) -> int:
            return a + 1

    @functools.wraps(add)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return add(*args, **kwargs)

    assert ran(functools.partial(add, b=2), '{"a": 1}').content == "3"
    assert ran(Adder(), '{"a": 1}').content == "2"
    assert ran(wrapped, '{"a": 1, "b": 2}').content == "3"


def test_bad_arguments_never_reach_the_function():
    reached: list[int] = []

    def add(a: int) -> int:
        reached.append(a)
        return a

    assert isinstance(ran(add, '{"a": "x"}'), ToolFailed)
    assert reached == []


def test_durations_are_recorded():
    def quick():
        return "ok"

    returned = ran(quick)
    assert isinstance(returned, ToolReturned)
    assert 0 <= returned.duration_s < 5


def test_secrets_in_an_exception_reach_neither_the_log_nor_the_model(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "plain words of a token")
    model = RemoteModel("m", base_url="http://127.0.0.1:9/v1", api_key="plainkey1234")

    def charge() -> str:
        raise RuntimeError(
            f"{model.api_key} and {os.environ['SHOP_TOKEN']} were refused: password=hunter2,"
            " postgres://ann:swordfish@db/x"
        )

    def refuse() -> str:
        raise ToolError(f"the server said: bad key {model.api_key}")

    message = "[redacted] and [redacted] were refused: password=[redacted], postgres://ann:[redacted]@db/x"
    assert ran(charge).message == f"RuntimeError: {message}"
    assert ran(refuse).message == "the server said: bad key [redacted]"
