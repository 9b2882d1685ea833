"""Two drivers of one thread, in one process and in two: one goes on, the other is told, and nothing is left running."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash.driving import Lives
from crash.scenario import THREAD
from fakes import agent, live, names
from treadle import Agent, MemoryStore, ScriptedModel, SQLiteStore, tool
from treadle.core.errors import Fenced
from treadle.core.events import OutcomeDecided, TurnEnded
from treadle.core.model import Reply
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World

SOON_S = 20.0
"""However busy the machine is; left alone it would hang for days. How soon it is, is told in virtual
time: tests/runtime/test_watch.py."""


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    server = Lives()
    yield server
    server.close()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


def held(lives: Lives, db: Path, what: str) -> None:
    """Start a thread in another process, and wait until it hangs there."""
    lives.begin(db=db, effects="", holds=what)
    assert lives.said() == {"holds": what}


def outcome(lives: Lives) -> dict[str, Any]:
    said = lives.said()
    assert lives.said() == {"exit": 0}
    return said


def here(db: Path, model: ScriptedModel) -> Agent:
    """The agent in this process, with tools that would do no harm, and say so if they ran."""

    @tool(parallel=True)
    def stubborn() -> str:
        return "ran again"

    @tool(parallel=True)
    def waits() -> str:
        return "ran again"

    return Agent(tools=[stubborn, waits], model=model, store=SQLiteStore(db))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["model", "tools"])
def test_cancelling_from_another_process_ends_model_and_tools(lives, db, what):
    held(lives, db, what)
    began = time.time()
    asyncio.run(here(db, ScriptedModel([])).post(THREAD, TurnEnded("cancelled", "by ann: enough")))
    said = outcome(lives)
    assert said["ended"] == "cancelled"
    assert said["tasks"] == 0
    assert said["at"] - began < SOON_S


@pytest.mark.slow
@pytest.mark.parametrize("what", ["model", "tools"])
def test_a_driver_whose_thread_another_process_resumes_stops(lives, db, what):
    held(lives, db, what)
    began = time.time()
    resumed = asyncio.run(here(db, ScriptedModel([says("mine")])).resume(THREAD, take=True))
    said = outcome(lives)
    # A tool that isn't idempotent runs to its end: its outcome still counts.
    assert bool(said["tasks"]) == (what == "tools")
    assert said["at"] - began < SOON_S
    if (
        what == "model"
    ):  # it finds the turn ended, and gives that end as its own, or finds it under way
        assert said["ended"] in ("answered", "Fenced")
        assert (resumed.status, resumed.answer) == ("answered", "mine")
    else:  # what the other had begun is held, not run again
        assert said["ended"] == "Fenced"
        assert resumed.status == "waiting"
        assert [call.status for call in resumed.waiting] == ["unknown", "unknown"]


def test_what_the_fenced_driver_had_begun_goes_on_as_a_person_decides(lives, db):
    held(lives, db, "tools")

    async def take_over() -> str:
        agents = here(
            db,
            ScriptedModel([lambda request: says(" ".join(m.text for m in request.messages[-2:]))]),
        )
        waiting = (await agents.resume(THREAD, take=True)).waiting
        await agents.post(THREAD, OutcomeDecided(waiting[0].id, "ran", "ann", "it did"))
        await agents.post(THREAD, OutcomeDecided(waiting[1].id, "not_run", "ann"))
        return (await agents.resume(THREAD)).answer

    assert asyncio.run(take_over()) == "it did ran again"
    assert outcome(lives)["ended"] in ("answered", "Fenced")


# In one process, in virtual time


class Slow(ScriptedModel):
    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(5)
        return await super().reply(request, emit)


@pytest.mark.parametrize("resumers", [2, 5])
def test_of_drivers_that_resume_a_thread_at_once_one_goes_on_and_all_get_its_result(resumers):
    store, ran = MemoryStore(), []

    @tool
    async def effect() -> str:
        ran.append(1)
        await asyncio.sleep(50)
        return "done"

    def one(*script: Any) -> Agent:
        return agent(Slow(script), effect, store=store, world=World())

    async def whole() -> list[Any]:
        dead = asyncio.create_task(one().run("go", thread=THREAD))
        await asyncio.sleep(1)
        dead.cancel()
        await asyncio.wait({dead})
        rows = await store.read(THREAD)
        copy = "copy"
        await store.append(
            copy, [row for row in rows if b"TurnEnded" not in row.event]
        )  # as if it had been killed
        script = (calls("effect"), says("done"))
        return await asyncio.gather(*(one(*script).resume(copy) for _ in range(resumers)))

    for each in live(whole()):
        assert (each.status, each.answer) == ("answered", "done")
    assert ran == [1]


def test_a_fenced_driver_may_finish_the_effect_it_is_in_but_begins_no_other():
    store, begun = MemoryStore(), []

    @tool
    async def effect(number: int) -> str:
        begun.append(number)
        for _ in range(30):  # it doesn't stop when told
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue
        return "done"

    script = [calls(("effect", {"number": 1}), ("effect", {"number": 2})), says("ok")]

    async def whole() -> None:
        first = asyncio.create_task(
            agent(ScriptedModel(script), effect, store=store, world=World()).run(
                "go", thread=THREAD
            )
        )
        await asyncio.sleep(1)
        second = await agent(
            ScriptedModel([]), effect, store=store, world=World(), unknown="ask"
        ).resume(THREAD, take=True)
        began = asyncio.get_running_loop().time()
        with pytest.raises(Fenced, match="another process drives"):
            await first
        assert asyncio.get_running_loop().time() - began < 1
        # The second driver asks what became of the first effect, and holds the one after it.
        assert [call.final_arguments for call in second.waiting] == ['{"number": 1}']
        await asyncio.sleep(60)

    live(whole())
    assert begun == [1]


@pytest.mark.slow
def test_cancelling_stops_an_async_tool_and_leaves_a_stubborn_one_behind():
    stopped, done = [], []

    @tool(parallel=True)
    async def polite() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(1)

    @tool(parallel=True)
    async def stubborn() -> None:
        for _ in range(50):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue
        done.append(1)

    agents = agent(ScriptedModel([calls("polite", "stubborn")]), polite, stubborn)

    async def whole() -> None:
        clock = asyncio.get_running_loop().time
        task = asyncio.create_task(agents.run("go", thread=THREAD))
        await asyncio.sleep(2)
        began = clock()
        await agents.post(THREAD, TurnEnded("cancelled", "by ann"))
        result = await task
        assert clock() - began < 1
        assert (result.status, result.reason) == ("cancelled", "by ann")
        assert names(result.records)[-3:] == ["ToolStarted", "ToolStarted", "TurnEnded"]
        assert (stopped, done) == ([1], [])
        await asyncio.sleep(100)  # the one left behind ends by itself, and writes nothing
        log = await open_log(THREAD, agents.store, World())
        assert names(log.records)[-1] == "TurnEnded"

    live(whole())
    assert done == [1]
