"""keep_going: what is due goes on, now and later, until the process is told to stop; then it is let go."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest

from fakes import Elsewhere, agent, live, loop_time, names, world
from treadle import (
    Agent,
    ApprovalGiven,
    MemoryStore,
    ModelUnavailable,
    Result,
    ScriptedModel,
    Stopped,
    UsageError,
    flow,
    keep_going,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import StoreError
from treadle.core.model import Reply
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.stores.store import Row
from treadle.workers.worker import STORE_S


class Slow(ScriptedModel):
    """Takes five seconds for each reply."""

    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(5)
        return await super().reply(request, emit)


@tool(needs_approval=True)
def pay() -> str:
    return "paid"


@tool
def look() -> str:
    return "17"


def worker(*script: Any, **settings: Any) -> Agent:
    return agent(Slow(script), pay, look, **settings)


async def left_open(store: MemoryStore, *threads: str) -> None:
    """As if their process had been killed."""
    for name in threads:
        log = await open_log(name, store, world())
        opening = e.ThreadStarted("agent", "id"), e.ThreadClaimed(f"claim {name}", "gone")
        await log.append(*opening, e.UserSaid("go"))


async def status_of(store: MemoryStore, thread: str) -> str:
    [info] = [info for info in await store.threads() if info.thread_id == thread]
    return info.status


def test_what_is_due_at_the_start_and_what_becomes_due_later_goes_on():
    store = MemoryStore()
    agents = worker(says("one"), says("two"), says("three"), store=store)

    async def whole() -> None:
        await left_open(store, "a", "b")
        async with keep_going(agents):
            await asyncio.sleep(6)
            assert [await status_of(store, name) for name in "ab"] == ["answered"] * 2
            await left_open(store, "c")
            await asyncio.sleep(8)
            assert await status_of(store, "c") == "answered"

    live(whole())


class Broken(MemoryStore):
    """A database that can't be read."""

    async def threads(self, *given: Any, **more: Any) -> Any:
        await asyncio.sleep(1)
        raise StoreError("disk full")


def test_one_database_that_can_t_be_read_lets_the_turns_of_the_others_go_in_time():
    store = MemoryStore()
    works = worker(says("done"), says("done"), store=store)
    fails = worker(name="other", store=Broken())

    async def whole() -> float:
        await left_open(store, "a")
        began = loop_time()
        with pytest.raises(StoreError, match="disk full"):
            async with keep_going(works, fails, grace_s=1):
                pass
        assert await works.due() == ["a"]
        return loop_time() - began

    assert live(whole()) < 4


def test_what_is_under_way_at_the_end_gets_its_grace_and_the_rest_is_let_go():
    store = MemoryStore()
    agents = worker(calls("look"), says("done"), store=store)

    async def whole() -> float:
        await left_open(store, "a")
        async with keep_going(agents, grace_s=7):
            await asyncio.sleep(1)
            began = loop_time()
        with pytest.raises(Stopped):
            await agents.run("no more")
        return loop_time() - began

    assert live(whole()) == 4
    told = names(live(open_log("a", store, world())).records)
    assert told[-2:] == ["ModelReplied", "ThreadClaimed"]
    assert live(agents.resume("a")).answer == "done"


def test_an_exception_in_the_block_lets_go_too():
    store = MemoryStore()
    agents = worker(says("done"), store=store)

    async def whole() -> None:
        await left_open(store, "a")
        with suppress(LookupError):
            async with keep_going(agents, grace_s=0):
                await asyncio.sleep(1)
                raise LookupError
        assert await status_of(store, "a") == "unfinished"

    live(whole())


def test_agents_flows_and_several_at_once():
    store = MemoryStore()

    async def fetch() -> str:
        return "fetched"

    @flow(store=store, world=world())
    async def report() -> str:
        return await step(fetch)

    agents = worker(says("done"), store=store)

    async def whole() -> None:
        await left_open(store, "a")
        log = await open_log("f", store, world())
        opening = e.ThreadStarted("report", "id"), e.ThreadClaimed("claim f", "gone")
        await log.append(*opening, e.UserSaid("{}"))
        async with keep_going(agents, report):
            await asyncio.sleep(6)
        assert [await status_of(store, name) for name in "af"] == ["answered"] * 2

    live(whole())


class Torn(MemoryStore):
    """Can't write to one thread, as if its disk were full."""

    def __init__(self) -> None:
        super().__init__()
        self.tried_at: list[float] = []
        self.is_torn = False

    async def append(self, thread_id: str, rows: list[Row]) -> None:
        if self.is_torn and thread_id == "torn":
            self.tried_at.append(loop_time())
            raise StoreError("the disk is full")
        await super().append(thread_id, rows)


def test_what_the_database_refuses_is_tried_again_soon_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
):
    store = Torn()
    agents = worker(says("done"), says("done too"), store=store)

    async def whole() -> None:
        await left_open(store, "torn", "well")
        store.is_torn = True
        async with keep_going(agents):
            await asyncio.sleep(STORE_S + 1)
            assert await status_of(store, "well") == "answered"
            assert len(set(store.tried_at)) == 2
            store.is_torn = False
            await asyncio.sleep(10)
            assert await status_of(store, "torn") == "answered"

    with caplog.at_level(logging.WARNING, "treadle"):
        live(whole())
    assert [line.getMessage() for line in caplog.records if "torn" in line.getMessage()]


def test_a_turn_that_fails_has_ended_and_nobody_calls_that_an_error(
    caplog: pytest.LogCaptureFixture,
):
    store = MemoryStore()
    agents = worker(*[ModelUnavailable("down")] * 9, store=store)

    async def whole() -> None:
        await left_open(store, "a")
        async with keep_going(agents):
            await asyncio.sleep(300)
            assert await status_of(store, "a") == "failed"

    live(whole())
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []


def test_wrong_settings_are_told_at_once():
    async def enter(*runners: Any, **settings: Any) -> None:
        async with keep_going(*runners, **settings):
            raise AssertionError

    with pytest.raises(UsageError, match="nothing to resume"):
        live(enter())
    with pytest.raises(UsageError, match="grace_s"):
        live(enter(worker(), grace_s=-1))
    with pytest.raises(UsageError, match="every_s"):
        live(enter(worker(), every_s=float("nan")))


async def end_of(items: AsyncGenerator[Any, None]) -> Result:
    *_, result = [item async for item in items]
    assert isinstance(result, Result)
    return result


def test_at_a_signal_that_a_server_handles_turns_and_streams_end_before_the_block_is_left():
    store = MemoryStore()
    agents = worker(calls("look"), says("done"), store=store)
    heard: list[int] = []

    async def whole() -> tuple[Result, float]:
        async with keep_going(agents, grace_s=10):
            await agents.start("go", thread="a")
            began = loop_time()
            os.kill(os.getpid(), signal.SIGTERM)
            return await end_of(agents.follow("a")), loop_time() - began

    def handle(number: int, frame: Any) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        result, took_s = live(whole())
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.status, took_s, heard) == ("unfinished", 5, [signal.SIGTERM])


def test_where_nobody_handles_signals_they_stay_as_they_were():
    async def whole() -> None:
        async with keep_going(worker()):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    live(whole())


def test_resume_in_background_goes_on_after_an_approval():
    agents = worker(calls("pay"), says("done"))

    async def whole() -> Result:
        [held] = (await agents.run("go", thread="t")).waiting
        await agents.post("t", ApprovalGiven(held.id, True, "ann"))
        agents.resume_in_background("t")
        return await end_of(agents.follow("t"))

    assert live(whole()).answer == "done"


def test_who_only_waits_for_another_process_holds_up_no_end():
    store = MemoryStore()
    agents = worker(store=Elsewhere(store))

    async def whole() -> float:
        await left_open(store, "a")
        with store.attend("claim a"):
            watching = asyncio.create_task(end_of(agents.follow("a")))
            waiting = asyncio.create_task(agents.resume("a"))
            agents.resume_in_background("a")
            await asyncio.sleep(1)
            began = loop_time()
            await stop(20)
            assert (await watching).status == "unfinished"
            with pytest.raises(Stopped):
                await waiting
        return loop_time() - began

    assert live(whole()) <= 1
