"""A child that another worker drives than its parent: one account, one answer, whoever dies."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fakes import agent, live, world
from treadle import Agent, ApprovalGiven, Limits, MemoryStore, ScriptedModel, flow, stop, tool
from treadle.core import events as e
from treadle.core.model import Reply, Request
from treadle.engines import Job, LocalEngine
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.workers import Worker, elsewhere, work


class Told(ScriptedModel):
    """Answers by what it is shown; takes a second."""

    def __init__(self, first: Reply) -> None:
        super().__init__([])
        self._first = first

    async def reply(self, request: Request, emit: Callable[[Any], None]) -> Reply:
        await asyncio.sleep(1)
        told = [each.text for each in request.messages if each.role == "tool"]
        return says(f"told: {told[-1]}") if told else self._first


@tool
async def dig() -> str:
    await asyncio.sleep(5)
    return "gold"


@tool(needs_approval=True)
async def blast() -> str:
    return "a hole"


class Recording(LocalEngine):
    """Remembers which children it was told of; may lose the first jobs."""

    def __init__(self, loses: int = 0) -> None:
        super().__init__()
        self.children: list[str] = []
        self._loses = loses

    async def offer(self, job: Job) -> None:
        if job.kind == "child":
            self.children.append(job.name)
            if len(self.children) <= self._loses:
                return
        await super().offer(job)


def team(store: MemoryStore, *, asks: str = "dig", **settings: Any) -> tuple[Agent, Agent]:
    digger = agent(Told(calls(asks)), dig, blast, name="digger", store=store)
    boss = agent(
        Told(calls(("digger", {"task": "dig"}))),
        elsewhere(digger, description="Digs."),
        name="boss",
        store=store,
        **settings,
    )
    return boss, digger


CHILD = "t.c00005000"
"""The thread of the first call in the thread t."""


def test_the_parent_begins_the_child_and_a_worker_s_job_drives_it():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store)

    async def whole() -> None:
        async with work(Worker([boss], engine), most=1):
            submitted = await boss.submit("go", thread="t", engine=engine)
            result = await submitted.result()
            assert result.answer == "told: [the agent digger]\ntold: gold"
            await stop(0)
        assert engine.children[:1] == [CHILD]
        child = await open_log(CHILD, store, world())
        kinds = [type(each.event) for each in child.records[:3]]
        assert kinds == [e.ThreadStarted, e.UserSaid, e.ThreadClaimed]

    live(whole())


def test_without_an_engine_the_child_is_driven_beside_its_parent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    boss, _ = team(MemoryStore())
    assert live(boss.run("go")).answer == "told: [the agent digger]\ntold: gold"


def test_one_account_holds_for_both():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store, limits=Limits(tokens=2000))

    async def whole() -> None:
        async with work(Worker([boss], engine)):
            submitted = await boss.submit("go", thread="t", engine=engine)
            await submitted.result()
            await stop(0)
        child = await open_log(CHILD, store, world())
        called = [each.event for each in child.records if isinstance(each.event, e.ModelCalled)]
        assert {each.accounts for each in called} == {("turn:t#2",)}
        records = [*child.records, *(await open_log("t", store, world())).records]
        replies = [each.event for each in records if isinstance(each.event, e.ModelReplied)]
        used = sum(each.usage.total_tokens for each in replies)
        balance = await store.balance("turn:t#2", 0.0)
        assert balance.tokens == used

    live(whole())


def test_what_the_child_waits_for_its_parent_waits_for_and_both_go_on():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store, asks="blast")

    async def whole() -> None:
        async with work(Worker([boss], engine)):
            submitted = await boss.submit("go", thread="t", engine=engine)
            result = await submitted.result()
            assert result.status == "waiting"
            [asked] = result.waiting
            assert asked.thread_id == CHILD
            await boss.post(CHILD, ApprovalGiven(asked.id, True, "ann"))
            assert (await submitted.result()).answer == "told: [the agent digger]\ntold: a hole"
            await stop(0)

    live(whole())


def test_a_child_that_the_engine_has_lost_is_offered_again():
    store, engine = MemoryStore(), Recording(loses=2)
    boss, _ = team(store)

    async def whole() -> None:
        async with work(Worker([boss], engine)):
            submitted = await boss.submit("go", thread="t", engine=engine)
            assert (await submitted.result()).answer == "told: [the agent digger]\ntold: gold"
            await stop(0)
        assert engine.children == [CHILD] * 3

    live(whole())


def test_a_child_that_somebody_else_claims_goes_on_there_or_here():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store)

    async def whole() -> None:
        async with work(Worker([boss], engine)):
            submitted = await boss.submit("go", thread="t", engine=engine)
            await asyncio.sleep(1.5)  # its model is asked
            child = await open_log(CHILD, store, world())
            await child.append(e.ThreadClaimed("another", "gone"))
            assert (await submitted.result()).answer == "told: [the agent digger]\ntold: gold"
            await stop(0)

    live(whole())


def test_cancelling_the_parent_ends_the_child_at_the_other_worker():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store)

    async def whole() -> None:
        async with work(Worker([boss], engine)):
            submitted = await boss.submit("go", thread="t", engine=engine)
            await asyncio.sleep(4)
            await boss.post("t", e.TurnEnded("cancelled", "enough"))
            assert (await submitted.result()).status == "cancelled"
            await asyncio.sleep(5)
            child = await open_log(CHILD, store, world())
            assert child.state.phase == "idle"
            await stop(0)

    live(whole())


def test_below_a_flow_it_is_driven_beside_its_parent():
    store, engine = MemoryStore(), Recording()
    boss, _ = team(store)

    @flow(store=store)
    async def asks() -> str:
        return (await boss.run("go")).answer

    async def whole() -> None:
        async with work(Worker([asks], engine)):
            await engine.submit(Job("resume", "asks", "f"))
            result = await asks.options(thread="f").run()
            assert result.output == "told: [the agent digger]\ntold: gold"
            await stop(0)
        assert engine.children == []

    live(whole())


def test_a_job_for_a_child_that_is_over_or_was_never_one_does_nothing():
    store = MemoryStore()
    boss, _ = team(store)

    async def whole() -> None:
        worker = Worker([boss], Recording())
        await boss.run("go", thread="t")
        for name in (CHILD, "t"):
            before = len(await store.read(name))
            assert await worker.do(Job("child", "boss", name)) is None
            assert len(await store.read(name)) == before

    live(whole())
