"""A call that becomes a task is a pending call with a noted handle: it outlives the client and the server."""

import asyncio

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore, Rule, ScriptedModel, UserSaid
from treadle.core.events import ToolFailed, ToolReturned
from treadle.mcp import background
from treadle.models.scripted import calls, says


def agent(new, store, *replies):
    rules = [Rule("*", "allow")]
    return Agent(tools=[new.tools()], model=ScriptedModel([*replies]), rules=rules, store=store)


def resumed(new, store, state):
    """The thread's result once the task is in that state, and after both sides have restarted."""
    background.close_all()
    (new.folder / "tasks").write_text(state)

    async def poll():
        await asyncio.sleep(0.12)  # the shortest time after which a task is asked about
        return await agent(new, store, says("done")).resume("t")

    return asyncio.run(poll())


def begun(new):
    store = MemoryStore()
    result = agent(new, store, calls(("plain__build", {}))).run_sync("build", thread="t")
    assert [(w.status, w.handle, w.polls) for w in result.waiting] == [
        ("pending", '{"mcp":"plain","task":"t1"}', True)
    ]
    return store


def outcome(result):
    return next(r.event for r in result.records if isinstance(r.event, ToolReturned | ToolFailed))


def test_a_task_is_asked_for_its_result_by_another_process(new):
    result = resumed(new, begun(new), "a wall")
    assert (outcome(result).content, result.answer) == ("built a wall", "done")


def test_a_task_that_fails_is_a_failed_call(new):
    assert outcome(resumed(new, begun(new), "failed")).message == "the task failed: no bricks"


def test_a_task_that_asks_waits_for_its_answer(new):
    store = begun(new)
    asked = resumed(new, store, "asks").waiting[0]
    assert asked.status == "question"
    asyncio.run(agent(new, store).post("t", UserSaid("red", answers=asked.id)))
    asyncio.run(agent(new, store).resume("t"))
    said = (new.folder / "tasks").read_text()
    assert outcome(resumed(new, store, said)).content == f"built {said}"
    assert '"colour": "red"' in said


def test_a_task_whose_server_cannot_be_reached_is_asked_for_later(new):
    store = begun(new)
    [server] = new.tools().sources()
    background.submit(server.connection.close()).result()
    for method in ("server discover", "initialize"):
        (new.folder / f"mute {method}").write_text("")
    server.connection.start_s = 0.05

    async def poll():
        await asyncio.sleep(0.12)
        return await agent(new, store).resume("t")

    [waiting] = asyncio.run(poll()).waiting
    assert (waiting.status, waiting.handle) == ("pending", '{"mcp":"plain","task":"t1"}')
