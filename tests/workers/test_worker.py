"""What a worker makes of its jobs, over the engine of its own process."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from fakes import agent, live, world
from treadle import (
    Agent,
    Context,
    MemoryStore,
    Pending,
    ScriptedModel,
    UsageError,
    flow,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import ModelDenied
from treadle.core.model import Reply
from treadle.engines import Job, LocalEngine
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.workers.worker import AGAIN_S, HELD_S, SOON_S, Worker, work

NOBODY = LocalEngine()


class Counting(ScriptedModel):
    """Takes five seconds for each reply, and counts how many it writes at once."""

    now = 0
    most = 0

    async def reply(self, request: Any, emit: Callable[[Any], None]) -> Reply:
        self.now += 1
        self.most = max(self.now, self.most)
        await asyncio.sleep(5)
        self.now -= 1
        return says("done")


async def submit_many(agents: Agent, number: int) -> list[Any]:
    return [await agents.submit("go", thread=f"t{n}", engine=NOBODY) for n in range(number)]


def test_no_more_threads_of_an_agent_are_driven_at_once_than_may_be():
    model = Counting([])
    found = agent(model, store=MemoryStore())

    async def whole() -> None:
        submitted = await submit_many(found, 6)
        began = asyncio.get_running_loop().time()
        worker = Worker([found], at_once={"agent": 2})
        async with work(worker):
            await worker.sweep(worker.sweeps[0], found)
            for each in submitted:
                assert (await each.result()).answer == "done"
            took_s = asyncio.get_running_loop().time() - began
            await stop(0)
        assert model.most == 2
        assert took_s < 20  # each begins as soon as another has ended, not at the next sweep

    live(whole())


def test_a_thread_that_fails_leaves_its_place_to_the_next_one():
    found = agent(ScriptedModel([ModelDenied("no"), says("done")]), store=MemoryStore())

    async def whole() -> None:
        first, second = await submit_many(found, 2)
        worker = Worker([found], at_once={"agent": 1}, every_s=1000)
        async with work(worker):
            await worker.sweep(worker.sweeps[0], found)
            with pytest.raises(ModelDenied):
                await first.result()
            assert (await second.result()).answer == "done"
            await stop(0)
        assert asyncio.get_running_loop().time() < 1500  # not at the next sweep

    live(whole())


def test_a_thread_that_somebody_alive_drives_comes_back_later():
    store = MemoryStore()
    found = agent(Counting([]), store=store)

    async def whole() -> None:
        worker = Worker([found])
        running = asyncio.create_task(found.run("go", thread="mine"))
        await asyncio.sleep(1)
        assert await worker.do(Job("resume", "agent", "mine")) == HELD_S
        await running
        assert await worker.do(Job("resume", "agent", "mine")) is None
        assert await worker.do(Job("resume", "agent", "nothing")) is None
        assert await worker.do(Job("resume", "other", "mine")) == AGAIN_S

    live(whole())


async def old(n: int) -> int:
    return n


async def new(n: int) -> int:
    return n + 1


def one_version(name: str, steps: list[Any], store: MemoryStore) -> Any:
    async def counts() -> list[int]:
        return [await step(each, 1) for each in steps]

    return flow(name=name, store=store)(counts)


async def left_by_old_code(store: MemoryStore, thread: str) -> None:
    """A thread of the flow `counts` that has begun a step which the code of today lacks."""
    log = await open_log(thread, store, world())
    await log.append(
        e.ThreadStarted("counts", "k", flow=True),
        e.ThreadClaimed("c", "gone"),
        e.UserSaid("{}"),
        e.StepAsked(e.Call("old", "old", '{"n":1}')),
        e.ToolStarted("old", "k"),
        e.ToolReturned("old", "1", 0.1),
    )


def test_a_thread_whose_code_is_gone_waits_unchanged_for_a_worker_that_has_it(
    caplog: pytest.LogCaptureFixture,
):
    """Two versions run at once: what the old one began, the new one leaves to it, or goes on with."""
    store = MemoryStore()

    async def whole() -> None:
        await left_by_old_code(store, "mine")
        after = Worker([one_version("counts", [new], store)])
        assert await after.do(Job("resume", "counts", "mine")) == AGAIN_S
        assert len(await store.read("mine")) == 6
        before = Worker([one_version("counts", [old], store)])
        assert await before.do(Job("resume", "counts", "mine")) is None
        [info] = await store.threads()
        assert info.status == "answered"

    with caplog.at_level(logging.ERROR, "treadle"):
        live(whole())
    assert "resume//counts/mine can't go on here" in caplog.text


@pytest.mark.parametrize(("stuck", "at_once"), [(1, 1), (3, 2), (50, 1)])
def test_threads_that_can_t_go_on_keep_no_others_from_it(stuck: int, at_once: int):
    store = MemoryStore()
    counts = one_version("counts", [new], store)

    async def whole() -> None:
        for number in range(stuck):
            await left_by_old_code(store, f"stuck{number}")
        good = [await counts.options(engine=NOBODY).submit() for _ in range(3)]
        worker = Worker([counts], at_once={"counts": at_once})
        async with work(worker):
            async with asyncio.timeout(AGAIN_S):
                for each in good:
                    assert (await each.result()).outputs == ([2],)
            await stop(0)

    live(whole())


def test_work_elsewhere_is_asked_about_when_its_tool_has_said():
    asked: list[float] = []

    async def poll(handle: Any, context: Context) -> str:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) < 3:
            raise Pending("job", due=600)
        return "built"

    @tool(poll=poll)
    async def build() -> str:
        raise Pending("job", due=30)

    script = ScriptedModel([calls("build"), says("done")])
    found = agent(script, build, store=MemoryStore())

    async def whole() -> None:
        async with work(Worker([found], world=world())):
            submitted = await found.submit("go", engine=NOBODY)
            await asyncio.sleep(2000)
            assert (await submitted.result()).answer == "done"
            await stop(0)
        gaps = [later - before for before, later in pairwise(asked)]
        assert gaps == [pytest.approx(600, abs=10)] * 2

    live(whole())


SHOP = agent(Counting([]), name="shop", store=MemoryStore())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"runners": []}, "nothing to resume"),
        ({"runners": SHOP}, "runners.* is the Agent 'shop'; give a list"),
        ({"runners": ["shop"]}, "the text 'shop' can't be resumed"),
        ({"runners": [Agent]}, "the class Agent can't be resumed"),
        ({"runners": [SHOP, SHOP]}, "two of those"),
        ({"engine": "temporal://localhost:7233"}, "engine=.* what open_engine"),
        ({"engine": None}, "engine=.* is None"),
        ({"engine": LocalEngine}, "the class LocalEngine; give an object"),
        ({"engine": 3}, "an int, which is no engine"),
        ({"stores": "a.db"}, "stores=.* give a list"),
        ({"stores": [3]}, "stores=.* no store"),
        ({"deps": 3}, "deps=.* give a function"),
        ({"told": "print"}, "told=.* give a function"),
        ({"listen": 3}, "listen=.* give a function"),
        ({"every_s": float("nan")}, "every_s=nan"),
        ({"at_once": ["shop"]}, "at_once=.* is a list"),
        ({"at_once": {"shop": 0}}, "the limit of 'shop', at_once=0: .* 1 or more"),
        ({"at_once": {"other": 1}}, "'other' has a limit"),
        ({"timetable": ["daily"]}, "timetable=.* the text 'daily'"),
        ({"world": 3}, "world=.* an int"),
    ],
)
def test_a_worker_of_wrong_settings_is_refused_in_words(settings: dict[str, Any], told: str):
    with pytest.raises(UsageError, match=told):
        Worker(**({"runners": [SHOP]} | settings))


@pytest.mark.parametrize(
    ("worker", "most", "told"), [(SHOP, 1, "give Worker"), (Worker([SHOP]), 0, "most=0")]
)
def test_work_without_a_worker_or_a_place_is_refused(worker: Any, most: int, told: str):
    async def whole() -> None:
        async with work(worker, most):
            pass

    with pytest.raises(UsageError, match=told):
        live(whole())


class Tenant(MemoryStore):
    def __init__(self, tenant: str) -> None:
        super().__init__()
        self.tenant = tenant


def test_a_worker_sees_to_each_tenant_s_threads_in_their_own_store():
    stores = [Tenant("acme"), Tenant("other")]
    found = agent(Counting([]), store=MemoryStore())

    async def whole() -> None:
        mine = [replace(found, store=store) for store in stores]
        for each in mine:
            await each.submit("go", thread="same", engine=NOBODY)
        worker = Worker([found], stores=stores, at_once={"agent": 1})
        async with work(worker):
            for job in worker.sweeps:
                await worker.sweep(job, worker.served[job.tenant, job.agent])
            await asyncio.sleep(6)  # side by side: the limit is for each tenant
            statuses = [[info.status for info in await store.threads()] for store in stores]
            assert statuses == [["answered"], ["answered"]]
            await stop(0)

    live(whole())


def test_a_job_of_a_tenant_of_other_workers_is_soon_given_back(caplog: pytest.LogCaptureFixture):
    """The engine brings the jobs of an agent to all its workers, whichever tenants they serve."""
    found = agent(Counting([]), store=MemoryStore())
    worker = Worker([found], stores=[Tenant("acme")])
    with caplog.at_level(logging.WARNING, "treadle"):
        assert live(worker.do(Job("resume", "agent", "t", "other"))) == SOON_S
    assert not caplog.records


def test_a_worker_whose_model_lacks_its_key_leaves_the_thread_to_one_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = agent(Counting([]), store=MemoryStore())

    async def whole() -> None:
        await found.submit("go", thread="mine", engine=NOBODY)
        without = Worker([replace(found, model="openai:gpt-5.4-mini")])
        assert await without.do(Job("resume", "agent", "mine")) == AGAIN_S
        assert await found.due() == ["mine"]
        assert await Worker([found]).do(Job("resume", "agent", "mine")) is None
        [info] = await found._store.threads()
        assert info.status == "answered"

    live(whole())


class Frozen(MemoryStore):
    """One claim's driver is there, and its beat stands still."""

    def find_beat(self, claim: str) -> int | None:
        return 7 if claim == "frozen" else super().find_beat(claim)


def test_a_thread_whose_driver_stands_still_is_taken_once_that_is_sure():
    found = agent(Counting([]), store=Frozen())

    async def whole() -> None:
        log = await open_log("mine", found._store, world())
        opening = e.ThreadStarted("agent", "k"), e.ThreadClaimed("frozen", "elsewhere")
        await log.append(*opening, e.UserSaid("go"))
        assert await found.due() == []  # nobody knows yet
        assert await Worker([found]).do(Job("resume", "agent", "mine")) is None
        [info] = await found._store.threads()
        assert info.status == "answered"

    live(whole())
