"""What a flow's code may do by itself, outside of its steps: only what its log brings back."""

import pytest

from fakes import live, world
from treadle import Agent, Flow, MemoryStore, UsageError, flow, run_sync, step, wait_for
from treadle.core import events as e
from treadle.models.scripted import ScriptedModel, says


def helper(store: MemoryStore) -> Agent:
    replies = [says("one"), says("two"), says("three")]
    return Agent(name="helper", model=ScriptedModel(replies), store=store, world=world())


def inner(store: MemoryStore) -> Flow:
    @flow(store=store, world=world(), name="inner")
    async def waits() -> str:
        return await wait_for("ok")

    return waits


async def leave(agent: Agent) -> None:
    agent.resume_in_background("t")


async def see_stream(agent: Agent) -> None:
    async for _ in agent.stream("more"):
        pass


async def see_followed(agent: Agent) -> None:
    async for _ in agent.follow("t"):
        pass


OF_AN_AGENT = {
    "run in a thread": lambda agent: agent.run("more", thread="t"),
    "run with a key": lambda agent: agent.run("more", key="k"),
    "start": lambda agent: agent.start("more"),
    "stream": see_stream,
    "submit": lambda agent: agent.submit("more"),
    "resume": lambda agent: agent.resume("t"),
    "resume in the background": leave,
    "follow": see_followed,
    "steer": lambda agent: agent.steer("t", "more"),
    "post": lambda agent: agent.post("t", e.UserSaid("more")),
    "raise a limit": lambda agent: agent.raise_limit("t", "ann", tokens=9),
    "settle": lambda agent: agent.settle("job", "done", thread="t"),
    "fork": lambda agent: agent.fork("t"),
    "import": lambda agent: agent.import_history([{"role": "user", "content": "hi"}]),
    "delete": lambda agent: agent.delete("t"),
}
OF_A_FLOW = {
    "start": lambda one: one.start(),
    "submit": lambda one: one.submit(),
    "resume": lambda one: one.resume("f"),
    "post": lambda one: one.post("f", e.UserSaid("yes", answers="ok")),
    "raise a limit": lambda one: one.raise_limit("f", "ann", tokens=9),
    "fork": lambda one: one.fork("f"),
}


def try_in_code(store: MemoryStore, work) -> str:
    """What a flow's code meets that does this work outside of a step, and then waits."""
    met: list[str] = []

    @flow(store=store, world=world(), name="outer")
    async def outer() -> str:
        try:
            await work()
        except UsageError as error:
            met.append(str(error))
        return await wait_for("go")

    assert live(outer.options(thread="o").run()).status == "waiting"
    assert live(outer.resume("o")).status == "waiting"
    assert len(met) == 2, "each run of the code meets the same"
    return met[1]


@pytest.mark.parametrize("act", OF_AN_AGENT.values(), ids=OF_AN_AGENT)
def test_what_a_flow_s_code_would_do_again_at_each_resume_is_refused_outside_of_its_steps(act):
    store = MemoryStore()
    agent = helper(store)
    live(agent.run("hello", thread="t"))
    before = live(store.read("t"))
    told = try_in_code(store, lambda: act(agent))
    assert "put it into a step" in told
    assert live(store.read("t")) == before
    assert {info.thread_id for info in live(store.threads(9))} == {"t", "o"}


@pytest.mark.parametrize("act", OF_A_FLOW.values(), ids=OF_A_FLOW)
def test_so_is_what_it_would_do_with_another_flow_s_threads(act):
    store = MemoryStore()
    one = inner(store)
    live(one.options(thread="f").run())
    before = live(store.read("f"))
    assert "put it into a step" in try_in_code(store, lambda: act(one))
    assert live(store.read("f")) == before


def test_in_a_step_it_happens_once():
    store = MemoryStore()
    agent = helper(store)
    live(agent.run("hello", thread="t"))

    async def copy() -> str:
        return (await agent.fork("t")).thread_id

    @flow(store=store, world=world(), name="outer")
    async def outer() -> str:
        forked = await step(copy)
        await wait_for("go")
        return forked

    live(outer.options(thread="o").run())
    live(outer.resume("o"))
    assert len(live(store.threads(9))) == 3


def test_run_sync_is_refused_there_in_words_where_it_would_wait_for_itself():
    store = MemoryStore()
    agent = helper(store)

    async def by_hand() -> None:
        run_sync(agent.run("more"))

    assert "run_sync in a flow's code" in try_in_code(store, by_hand)
