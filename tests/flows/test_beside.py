"""What a flow's steps wait for comes through while other steps of it run, as a timer does for days."""

import asyncio

from fakes import found, live, world
from treadle import (
    Agent,
    ApprovalGiven,
    MemoryStore,
    Pending,
    ScriptedModel,
    ask,
    flow,
    sleep,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import StepTimedOut
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log

LONG_S = 200.0


@tool(needs_approval=True)
def send(what: str) -> str:
    return f"sent {what}"


def made(function, store=None):
    return flow(store=store or MemoryStore(), world=world())(function)


def writer():
    script = [calls(("send", {"what": "a"})), says("sent")]
    return Agent(name="writer", tools=[send], model=ScriptedModel(script))


async def allow(one, thread):
    log = await open_log(thread, one.store, one.world)
    [call_id] = log.state.calls
    await one.post(thread, ApprovalGiven(call_id, True, by="eve"))


def ended_at(result, call_id):
    [at] = [r.at for r in result.records if getattr(r.event, "call_id", "") == call_id][-1:]
    return at - result.records[0].at


async def allowed_after_a_minute(one, thread):
    run = asyncio.ensure_future(one.options(thread="t").run())
    await asyncio.sleep(60)
    await allow(one, thread)
    return await run


def test_an_agent_goes_on_as_soon_as_it_is_allowed_beside_a_timer():
    agent = writer()

    async def race() -> str:
        said = asyncio.ensure_future(agent.run("go"))
        late = asyncio.ensure_future(sleep(LONG_S))
        await asyncio.wait({said, late}, return_when=asyncio.FIRST_COMPLETED)
        return said.result().answer if said.done() else "nobody allowed it"

    one = made(race)

    result = live(allowed_after_a_minute(one, "t.1.writer"))
    assert result.output == "sent"
    assert 60 <= ended_at(result, "1.writer") < 61
    assert live(one.replay("t")) is None


def test_so_does_one_two_threads_below():
    agent = writer()

    @flow
    async def inner() -> str:
        return (await agent.run("go")).answer

    async def outer() -> str:
        ran, _ = await asyncio.gather(inner.run(), sleep(LONG_S))
        return ran.output

    one = made(outer)

    result = live(allowed_after_a_minute(one, "t.1.inner.writer"))
    assert result.output == "sent"
    assert 60 <= ended_at(result, "1.inner") < 61


def test_a_time_that_is_up_below_is_up_beside_a_timer():
    @flow
    async def inner() -> str:
        try:
            return await ask("who?", within=60)
        except StepTimedOut:
            return "nobody"

    async def outer() -> str:
        ran, _ = await asyncio.gather(inner.run(), sleep(LONG_S))
        return ran.output

    result = live(made(outer).run())
    assert result.output == "nobody"
    assert 60 <= ended_at(result, "1.inner") < 61


def test_work_elsewhere_is_asked_about_again_and_again_beside_a_timer():
    asked = []

    def poll(handle, context):
        asked.append(handle)
        if len(asked) < 3:
            raise Pending(handle, due=60)
        return "built"

    @tool(poll=poll)
    def build() -> str:
        raise Pending("job", due=60)

    async def order() -> str:
        built, _ = await asyncio.gather(step(build), sleep(LONG_S))
        return built

    one = made(order)
    result = live(one.options(thread="t").run())
    assert result.output == "built"
    assert 180 <= ended_at(result, "build") < 181
    assert len(found(result, e.CallNoted)) == 3
    assert live(one.replay("t")) is None


def test_a_background_call_keeps_no_child_from_going_on():
    @tool(background=True)
    async def watch() -> str:
        await asyncio.sleep(30)
        return "seen"

    script = [calls("watch", ("writer", {"task": "go"})), says("one is done"), says("both are")]
    store, here = MemoryStore(), world()
    top = Agent(
        model=ScriptedModel(script), tools=[watch, writer().as_tool()], store=store, world=here
    )

    async def whole():
        run = asyncio.ensure_future(top.run("go", thread="t"))
        await asyncio.sleep(10)
        [child] = [info.thread_id for info in await store.threads(parent="t")]
        log = await open_log(child, store, here)
        [call_id] = log.state.calls
        await top.post(child, ApprovalGiven(call_id, True, by="eve"))
        return await run

    result = live(whole())
    assert result.answer == "both are"
    [child] = found(result, e.ChildStarted)
    assert 10 <= ended_at(result, child.call_id) < 11
