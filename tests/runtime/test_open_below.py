"""What a child lacks to go on ends neither its turn nor its parent's: whoever has it resumes both."""

import pytest

from fakes import agent, found, live
from treadle import (
    Agent,
    ApprovalGiven,
    Context,
    FlowChanged,
    MemoryStore,
    NeedsDeps,
    ScriptedModel,
    UserSaid,
    flow,
    step,
    tool,
    wait_for,
)
from treadle.core import events as e
from treadle.models.scripted import calls, says


class Db:
    name = "books"


@tool(needs_approval=True)
def send(context: Context[Db], what: str) -> str:
    return f"sent {what} of {context.deps.name}"


def helper():
    script = [calls(("send", {"what": "a"})), says("sent")]
    return Agent(name="helper", tools=[send], model=ScriptedModel(script))


async def allow(one, waits):
    [held] = waits.waiting
    await one.post(held.thread_id, ApprovalGiven(held.id, True, by="eve"))


def test_a_resume_without_the_deps_of_a_child_leaves_both_turns_open():
    script = [calls(("helper", {"task": "go"})), says("done")]
    top = agent(ScriptedModel(script), helper().as_tool())

    async def whole():
        await allow(top, await top.run("go", thread="t", deps=Db()))
        with pytest.raises(NeedsDeps, match="send"):
            await top.resume("t")
        return await top.resume("t", deps=Db())

    result = live(whole())
    assert result.answer == "done"
    assert [each.content for each in found(result, e.ToolReturned)] == ["[the agent helper]\nsent"]


def test_a_flow_whose_agent_gets_no_deps_stays_open_for_the_mended_code():
    below = helper()

    def made(store, deps):
        @flow(store=store)
        async def order() -> str:
            return (await below.run("go", deps=deps)).answer

        return order

    async def whole():
        wrong = made(MemoryStore(), None)
        await allow(wrong, await wrong.options(thread="t").run())
        with pytest.raises(NeedsDeps, match="send"):
            await wrong.resume("t")
        return await made(wrong.store, Db()).resume("t")

    assert live(whole()).output == "sent"


def test_a_flow_that_is_a_tool_stays_open_where_its_code_has_changed():
    async def look(what: str) -> str:
        return what

    def top(store, what):
        @flow
        async def order() -> str:
            seen = await step(look, what)
            return seen + await wait_for("more")

        script = [calls("order"), says("done")] if what == "a" else [says("done")]
        return Agent(tools=[order.as_tool()], model=ScriptedModel(script), store=store)

    async def whole():
        store = MemoryStore()
        first = top(store, "a")
        [held] = (await first.run("go", thread="t")).waiting
        await first.post(held.thread_id, UserSaid("b", answers=held.id))
        with pytest.raises(FlowChanged, match="look"):
            await top(store, "c").resume("t")
        return await first.resume("t")

    result = live(whole())
    assert result.answer == "done"
    assert [each.content for each in found(result, e.ToolReturned)] == ['[the agent order]\n"ab"']
