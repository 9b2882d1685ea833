"""What is submitted is in the log, without a driver, until a worker brings it to its end."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from fake_engine import Told
from fakes import agent, live, loop_time
from treadle import (
    Agent,
    MemoryStore,
    ScriptedModel,
    Stopped,
    TurnFailed,
    UsageError,
    flow,
    keep_going,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import Fenced, ModelDenied, ModelUnavailable
from treadle.engines import Job, LocalEngine
from treadle.models.scripted import calls, says
from treadle.runtime.submit import go_on

NOBODY = LocalEngine()
"""No worker serves it: what is submitted waits for a sweep."""


@tool(needs_approval=True)
def pay() -> str:
    return "paid"


def speaker(*script: Any, **settings: Any) -> Agent:
    return agent(ScriptedModel(script), pay, store=MemoryStore(), **settings)


async def events_of(agent: Agent, thread: str) -> list[type]:
    return [
        type(record.event) async for record in agent.follow(thread) if isinstance(record, e.Record)
    ]


def test_it_is_in_the_log_without_a_claim_and_a_worker_brings_it_to_its_end():
    found = speaker(says("done"))

    async def whole() -> None:
        submitted = await found.submit("go", engine=NOBODY)
        assert await found.due() == [submitted.thread_id]
        async with keep_going(found):
            result = await submitted.result()
        assert result.answer == "done"
        assert await found.due() == []
        opened = await events_of(found, submitted.thread_id)
        assert opened[:3] == [e.ThreadStarted, e.UserSaid, e.ThreadClaimed]

    live(whole())


def test_the_engine_is_told_once_it_is_in_the_log():
    found, engine = speaker(), Told()

    async def whole() -> None:
        submitted = await found.submit("go", thread="mine", engine=engine)
        assert submitted.thread_id == "mine"
        assert engine.jobs == [Job("resume", "agent", "mine")]

    live(whole())


def test_an_engine_that_is_down_costs_no_message(caplog: pytest.LogCaptureFixture):
    found = speaker()

    async def whole() -> None:
        await found.submit("go", thread="mine", engine=Told(is_down=True))
        assert await found.due() == ["mine"]

    with caplog.at_level(logging.WARNING, "treadle"):
        live(whole())
    assert "mine waits for the next sweep: it is down" in caplog.text


def test_an_engine_that_does_not_answer_is_told_in_the_background():
    found, engine = speaker(), Told(after_s=60)

    async def whole() -> None:
        began = loop_time()
        await found.submit("go", thread="mine", engine=engine)
        assert (loop_time() - began, engine.jobs) == (1, [])
        await asyncio.sleep(60)
        assert engine.jobs == [Job("resume", "agent", "mine")]

    live(whole())


def test_without_an_engine_it_goes_on_in_this_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    found = speaker(says("done"))

    async def whole() -> None:
        submitted = await found.submit("go")
        assert (await submitted.result()).answer == "done"

    live(whole())


def test_the_same_key_is_one_message_and_both_get_its_result():
    found = speaker(says("done"))

    async def whole() -> None:
        one, two = await asyncio.gather(
            *[found.submit("go", key="k", engine=NOBODY) for _ in range(2)]
        )
        assert one == two
        async with keep_going(found):
            assert (await one.result()).answer == (await two.result()).answer == "done"
        with pytest.raises(UsageError, match="other words"):
            await found.submit("other", key="k", engine=NOBODY)

    live(whole())


def test_in_a_thread_that_is_open_it_is_said_into_the_turn_and_after_its_end_it_opens_the_next():
    found = speaker(says("one"), says("two"))

    async def whole() -> None:
        first = await found.submit("go", thread="mine", engine=NOBODY)
        more = await found.submit("and that", thread="mine", engine=NOBODY)
        assert more == first
        async with keep_going(found):
            assert (await first.result()).answer == "one"
            second = await found.submit("again", thread="mine", engine=NOBODY)
            assert second.turn_seq > first.turn_seq
            assert (await second.result()).answer == "two"
            assert (await first.result()).answer == "one"

    live(whole())


def test_a_turn_that_waits_for_a_person_is_given_as_waiting():
    found = speaker(calls("pay"), says("done"))

    async def whole() -> None:
        submitted = await found.submit("go", engine=NOBODY)
        async with keep_going(found):
            result = await submitted.result()
            assert result.status == "waiting"
            [asked] = result.waiting
            await found.post(submitted.thread_id, e.ApprovalGiven(asked.id, True, "ann"))
            assert (await submitted.result()).answer == "done"

    live(whole())


def test_a_turn_that_fails_raises_as_run_would():
    found = speaker(ModelDenied("no key"))

    async def whole() -> None:
        submitted = await found.submit("go", engine=NOBODY)
        async with keep_going(found):
            with pytest.raises(ModelDenied):
                await submitted.result()

    live(whole())


def test_who_waits_where_nobody_works_is_let_go_by_stop():
    found = speaker()

    async def whole() -> None:
        submitted = await found.submit("go", engine=NOBODY)
        waiting = asyncio.create_task(submitted.result())
        await asyncio.sleep(30)
        assert not waiting.done()
        await stop(0)
        with pytest.raises(Stopped):
            await waiting

    live(whole())


def test_it_is_followed_however_late_a_worker_comes():
    found = speaker(says("done"))

    async def whole() -> None:
        submitted = await found.submit("go", engine=NOBODY)
        following = asyncio.create_task(last_of(submitted.follow()))
        await asyncio.sleep(600)
        async with keep_going(found):
            assert (await following).status == "answered"

    live(whole())


async def last_of(items: Any) -> Any:
    """The last of them."""
    return [item async for item in items][-1]


def test_with_an_engine_a_turn_that_an_outage_has_failed_is_left_to_a_worker():
    found, engine = speaker(*[ModelUnavailable("down")] * 9, says("done")), Told()

    async def whole() -> None:
        with pytest.raises(ModelUnavailable):
            await found.run("go", thread="mine")
        assert await found.due() == []
        await go_on(found.runs, "mine", engine)
        assert engine.jobs == [Job("resume", "agent", "mine")]
        assert await found.due() == ["mine"]
        async with keep_going(found):
            await asyncio.sleep(600)
        assert (await last_of(found.follow("mine"))).answer == "done"

    live(whole())


def test_with_an_engine_what_a_living_process_drives_is_taken_only_where_that_is_asked_for():
    @tool(idempotent=True)
    async def nap() -> str:
        await asyncio.sleep(1000)
        return "napped"

    found = agent(ScriptedModel([calls("nap"), says("done")]), nap, store=MemoryStore())
    engine = Told()

    async def whole() -> None:
        running = asyncio.create_task(found.run("go", thread="mine"))
        await asyncio.sleep(10)
        await go_on(found.runs, "mine", engine)
        assert await found.due() == []
        await go_on(found.runs, "mine", engine, take=True)
        with pytest.raises(Fenced):
            await running
        assert await found.due() == ["mine"]
        assert len(engine.jobs) == 2

    live(whole())


async def add(a: int, b: int) -> int:
    return a + b


@flow
async def adds(a: int, b: int) -> int:
    return await step(add, a, b)


@flow
async def fails() -> int:
    raise ValueError("no")


def test_a_flow_is_submitted_with_its_arguments():
    store = MemoryStore()

    async def whole() -> None:
        one = adds.options(thread="sum")
        submitted = await over(one, store).submit(1, b=2)
        async with keep_going(over(adds, store)):
            assert (await submitted.result()).output == 3
        with pytest.raises(UsageError):
            await over(adds, store).submit(1, "x")

    live(whole())


def test_a_flow_that_fails_raises_turn_failed():
    async def whole() -> None:
        mine = over(fails, MemoryStore())
        submitted = await mine.submit()
        async with keep_going(mine):
            with pytest.raises(TurnFailed, match="no"):
                await submitted.result()

    live(whole())


def test_with_an_engine_a_flow_is_submitted_and_what_failed_in_it_runs_again():
    store, engine = MemoryStore(), Told()
    mine = over(fails, store).options(thread="mine", engine=engine)

    async def whole() -> None:
        await mine.submit()
        assert engine.jobs == [Job("resume", "fails", "mine")]
        with pytest.raises(TurnFailed):
            await mine.resume("mine")
        for again in (False, True):
            await go_on(mine.runs, "mine", engine, again=again)
            assert await mine.due() == ["mine"] * again

    live(whole())


def over(which: Any, store: MemoryStore) -> Any:
    """The flow over this store."""
    return replace(which, store=store)


def test_a_flow_s_code_submits_in_its_steps_alone():
    """Its code runs again at each resume: what it says itself would be said again."""
    found = speaker()

    async def tell() -> str:
        return (await found.submit("go", key="once", engine=NOBODY)).thread_id

    @flow(store=found.store)
    async def tells(in_step: bool) -> str:
        return await (step(tell) if in_step else tell())

    async def whole() -> None:
        with pytest.raises(TurnFailed, match=r"submit\(\) has no place in a flow.s code"):
            await tells.run(False)
        assert await found.due() == []
        told = await tells.run(True)
        assert await found.due() == [told.outputs[0]]

    live(whole())
