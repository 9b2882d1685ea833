"""A tool asks a person in mid-call: the call waits in the log, and goes on with the answer in any process."""

import asyncio

import pytest

from treadle import Agent, Context, MemoryStore, Question, ScriptedModel, UsageError, UserSaid, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.evals.actual_calls import actual_calls
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.testing.rerun import rerun


@tool
def order(lamp: str, ctx: Context) -> str:
    """Order a lamp."""
    if not ctx.answers:
        raise Question("Which colour?", state={"step": 1})
    if len(ctx.answers) == 1:
        raise Question(f"{ctx.answers[0].text}: are you sure?")
    colour, sure = ctx.answers
    return f"{lamp}, {colour.text}, {sure.text} says {sure.by}, {colour.state}"


async def waiting_agent(store):
    """The thread t, whose call waits for a colour."""
    model = ScriptedModel([calls(("order", {"lamp": "desk"}))])
    return await Agent(tools=[order], model=model, store=store).run("order", thread="t")


async def answer(store, text):
    """Answer and resume as another process does: with an agent of its own."""
    model = ScriptedModel([says("done")])
    agent = Agent(tools=[order], model=model, store=store)
    result = await agent.resume("t")
    await agent.post("t", UserSaid(text, answers=result.waiting[0].id, by="ada"))
    return await agent.resume("t"), model, agent


def test_the_call_waits_for_each_answer_and_then_has_its_own_result():
    async def main():
        store = MemoryStore()
        first = await waiting_agent(store)
        assert (first.status, first.waiting[0].status) == ("waiting", "question")
        assert first.waiting[0].reason == "Which colour?"
        second, *_ = await answer(store, "red")
        assert second.waiting[0].reason == "red: are you sure?"
        last, model, agent = await answer(store, "yes")
        assert last.status == "answered"
        [shown] = [m.text for m in model.seen[-1].messages if m.role == "tool"]
        assert shown == "desk, red, yes says ada, {'step': 1}"
        summary = last.summary()
        assert (summary.tool_calls, summary.tool_retries) == (1, 0)
        assert await agent.replay("t") is None

    asyncio.run(main())


def test_an_answer_is_for_the_question_that_waits_alone():
    async def main():
        store = MemoryStore()
        result = await waiting_agent(store)
        agent = Agent(tools=[order], model=ScriptedModel([]), store=store)
        await agent.post("t", UserSaid("red", answers=result.waiting[0].id))
        with pytest.raises(IllegalEvent):
            await agent.post("t", UserSaid("blue", answers=result.waiting[0].id))

    asyncio.run(main())


def test_readers_see_one_call_with_its_result_and_the_recording_runs_again():
    async def main():
        store = MemoryStore()
        await waiting_agent(store)
        await answer(store, "red")
        await answer(store, "yes")
        log = await open_log("t", store, World())
        [call] = actual_calls(log.records)
        assert (call.status, call.result[:9]) == ("returned", "desk, red")
        agent = Agent(tools=[order], model=ScriptedModel([]), store=store)
        totals = await agent.summary("t")
        counted = totals.tools["order"]
        assert (counted.successes, counted.retries, totals.waits) == (1, 0, 2)
        [again] = await rerun(log.records, agent)
        assert again.answer == "done"

    asyncio.run(main())


def test_a_cancelled_turn_ends_the_question():
    async def main():
        store = MemoryStore()
        result = await waiting_agent(store)
        agent = Agent(tools=[order], model=ScriptedModel([]), store=store)
        await agent.post("t", e.TurnEnded("cancelled"))
        assert (await agent.resume(result.thread_id)).status == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize(("text", "state"), [("", None), (" ", None), (7, None), ("so?", object())])
def test_a_question_without_words_or_with_a_state_that_is_no_json_is_refused(text, state):
    with pytest.raises(UsageError):
        Question(text, state=state)


def test_a_question_uses_up_no_retry():
    began = []

    @tool(retries=1, idempotent=True)
    def ship(ctx: Context) -> str:
        if len(ctx.answers) < 2:
            raise Question("sure?")
        began.append((ctx.attempt, ctx.failures))
        if len(began) == 1:
            raise ConnectionError("no line")
        return "shipped"

    async def main():
        model = ScriptedModel([calls("ship"), says("done")])
        agent = Agent(tools=[ship], model=model, store=MemoryStore())
        result = await agent.run("go", thread="t")
        while result.status == "waiting":
            await agent.post("t", UserSaid("yes", answers=result.waiting[0].id))
            result = await agent.resume("t")
        assert result.answer == "done"
        assert began == [(3, 0), (4, 1)]
        assert model.seen[-1].messages[-1].text == "shipped"
        assert await agent.replay("t") is None

    asyncio.run(main())
