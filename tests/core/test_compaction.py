"""Long conversations: what is summarised, when, and what becomes of a summary that fails."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from fakes import agent, found, live, names
from treadle import (
    Agent,
    ContextOverflow,
    ContextWindow,
    Limits,
    MemoryStore,
    ModelRejected,
    ModelUnavailable,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Reply
from treadle.core.transcript import SUMMARY_INSTRUCTIONS
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.listeners import Delta


@tool(read_only=True)
def look(size: int = 10) -> str:
    """Look."""
    return "x" * size


def model_of(*script, **more):
    return ScriptedModel(script, context_tokens=9000, max_output_tokens=800, **more)


LONG = "It is a long story. " * 480
TURNS = (says(LONG), says(LONG), says(LONG))


def talk(agents, count):
    """So many turns in one thread; the result of the last."""
    return live(talked(agents, count))


async def talked(agents, count):
    for number in range(count):
        result = await agents.run(f"question {number}", thread="t")
    return result


def test_what_no_longer_fits_is_summarised_and_the_conversation_goes_on():
    model = model_of(*TURNS, says("- Ann asked 0, 1 and 2."), says("the fourth"))
    agents = agent(model)
    result = talk(agents, 4)
    assert result.answer == "the fourth"
    compacting, final = model.seen[3:]
    assert compacting.messages[0].text == SUMMARY_INSTRUCTIONS
    assert "user: question 0" in compacting.messages[1].text
    assert compacting.tools == ()
    assert final.messages[0].text == (
        "What was said before, in short:\n- Ann asked 0, 1 and 2.\n\nquestion 2"
    )
    assert [message.role for message in final.messages] == ["user", "assistant", "user"]
    assert final.messages[-1].text == "question 3"
    [cut] = found(result, e.ContextCompacted)
    assert cut.summary == "- Ann asked 0, 1 and 2."
    assert result.steps == 1, "a summary is no step"
    assert result.usage.input_tokens == compacting.tokens + final.tokens, "but it is paid for"
    assert live(agents.replay("t")) is None


@pytest.mark.parametrize(
    "bad", [says(" "), calls("look"), ModelRejected("no"), ContextOverflow("long")]
)
def test_where_the_model_can_t_summarise_what_is_old_is_dropped(bad):
    model = model_of(*TURNS, bad, says("the fourth"))
    result = talk(agent(model, look), 4)
    assert result.answer == "the fourth"
    assert [cut.summary for cut in found(result, e.ContextCompacted)] == [""]
    assert model.seen[-1].tokens + 800 <= 9000


def test_a_summary_is_asked_for_again_when_the_provider_was_away():
    model = model_of(*TURNS, ModelUnavailable("503"), says("in short"), says("the fourth"))
    result = talk(agent(model), 4)
    assert result.answer == "the fourth"
    called = found(result, e.ModelCalled)
    assert [(call.purpose, call.attempt) for call in called] == [
        ("compact", 1),
        ("compact", 2),
        ("step", 1),
    ]


def test_without_compaction_no_call_is_spent_on_it():
    model = model_of(*TURNS, says("the fourth"))
    result = talk(agent(model, context_window=ContextWindow(summarize=False)), 4)
    assert result.answer == "the fourth"
    assert len(found(result, e.ContextCompacted)) == 1


def test_a_summary_draws_on_the_turn_s_limits():
    model = model_of(*TURNS, says("in short"))
    result = talk(agent(model, limits=Limits(tokens=6000)), 4)
    assert (result.status, result.reason) == ("limit", "tokens")


def test_a_long_turn_is_cut_in_its_midst_and_never_between_a_call_and_its_result():
    steps = [calls(("look", {"size": 900 + number})) for number in range(30)]
    model = ScriptedModel([], context_tokens=3000, max_output_tokens=800)
    script = iter([*steps, says("done")])

    def answer(request):
        if request.messages[0].text == SUMMARY_INSTRUCTIONS:
            return says("in short")
        return next(script)

    model.__init__([answer] * 60, context_tokens=3000, max_output_tokens=800)
    result = live(agent(model, look, limits=Limits(steps=50)).run("go"))
    assert result.answer == "done"
    cuts = found(result, e.ContextCompacted)
    assert any(cut.results_upto_seq for cut in cuts)
    assert all(request.tokens + request.max_output_tokens <= 3000 for request in model.seen)
    assert all(
        request.messages[0].text == SUMMARY_INSTRUCTIONS
        or request.messages[0].text.splitlines()[-1] == "go"
        for request in model.seen
    )


def test_a_fork_goes_back_before_the_summary_and_sees_it_all():
    model = model_of(
        *TURNS, says("in short"), says("the fourth"), says("in short, again"), says("other")
    )
    agents = agent(model)
    talk(agents, 4)
    fork = live(agents.fork("t", edit="another question"))
    assert live(agents.resume(fork.thread_id)).answer == "other"
    assert "user: question 0" in model.seen[-2].messages[1].text


def test_after_a_crash_in_the_midst_of_a_compaction_it_is_made_again():
    store = MemoryStore()
    model = model_of(*TURNS, says("in short"), says("the fourth"))
    talk(agent(model, store=store), 4)
    rows = live(store.read("t"))
    for end in range(len(rows) - 6, len(rows)):
        again = MemoryStore()
        live(again.append("t", rows[:end]))
        model = model_of(
            *[
                lambda r: (
                    says("in short")
                    if r.messages[0].text == SUMMARY_INSTRUCTIONS
                    else says("the fourth")
                )
            ]
            * 3
        )
        result = live(agent(model, store=again).resume("t"))
        assert result.answer == "the fourth", names(result.records)
        assert len([cut for cut in found(result, e.ContextCompacted) if cut.summary]) == 1


def test_the_window_stays_smaller_than_a_prompt_that_was_refused():
    async def reply(request, emit):
        if request.tokens > 9000:
            raise ContextOverflow("too long")
        return Reply("in short" if request.messages[0].text == SUMMARY_INSTRUCTIONS else LONG)

    model = ScriptedModel([])
    model.reply = reply
    asyncio.run(talked(agent(model), 12))
    # It was believed to take 128,000 tokens. One refusal taught it better, and that was in the log.


def test_pinned_messages_are_always_there():
    model = model_of(says("ok"), *TURNS, says("in short"), says("the last"))
    agents = agent(model)
    live(agents.run(e.UserSaid("Prices are in francs.", pinned=True), thread="t"))
    talk(agents, 4)
    assert model.seen[-1].messages[0].text.startswith("Prices are in francs.\n\n")


def test_the_prompt_s_beginning_is_the_same_from_call_to_call_but_where_the_log_says_so():
    model = ScriptedModel([])
    script = iter([calls(("look", {"size": 700 + n})) for n in range(40)])

    def answer(request):
        if request.messages[0].text == SUMMARY_INSTRUCTIONS:
            return says("in short")
        return next(script, says("done"))

    model.__init__([answer] * 90, context_tokens=4000, max_output_tokens=800)
    result = live(agent(model, look, limits=Limits(steps=60)).run("go"))
    seen = [
        request.messages
        for request in model.seen
        if request.messages[0].text != SUMMARY_INSTRUCTIONS
    ]
    broken = sum(after[: len(before)] != before for before, after in itertools.pairwise(seen))
    cuts = [r for r in result.records if isinstance(r.event, e.ContextCompacted)]
    assert 0 < broken <= len(cuts) < 20


def test_after_a_crash_in_the_midst_of_a_compaction_a_model_with_more_room_goes_on_without_one():
    store = MemoryStore()
    talk(agent(model_of(*TURNS, says("in short"), says("the fourth")), store=store), 4)
    rows = live(store.read("t"))
    asked = next(index for index, row in enumerate(rows) if b'"compact"' in row.event)
    again = MemoryStore()
    live(again.append("t", rows[: asked + 1]))
    larger = ScriptedModel([calls("look"), says("the fourth")], context_tokens=100_000)
    result = live(agent(larger, look, store=again).resume("t"))
    assert result.answer == "the fourth"
    assert [done.content for done in found(result, e.ToolReturned)] == ["x" * 10]
    assert not found(result, e.ContextCompacted), (
        "its replies were taken for the summary that the dead had asked for"
    )


def test_what_one_model_refused_is_not_held_against_the_one_that_takes_over():
    def either(request):
        return (
            says("in short")
            if request.messages[0].text == SUMMARY_INSTRUCTIONS
            else calls("hand_to_big")
        )

    small = ScriptedModel([*TURNS[:2], ContextOverflow("long"), *[either] * 6], name="small")
    large = ScriptedModel([says(LONG), says("the fourth")], name="large")
    agents = agent(small, handoffs=[Agent("Big.", name="big", model=large)])
    result = talk(agents, 4)
    assert result.answer == "the fourth"
    assert not found(result, e.ContextCompacted)


def test_a_summary_is_not_shown_as_if_it_were_said_to_the_person():
    agents = agent(model_of(*TURNS, says("- Ann asked 0, 1 and 2."), says("the fourth")))

    async def pieces():
        await talked(agents, 3)
        return [
            each.text
            async for each in agents.stream("question 3", thread="t")
            if isinstance(each, Delta)
        ]

    assert "".join(live(pieces())) == "the fourth"


def test_a_limit_that_leaves_room_for_half_a_summary_ends_the_turn_and_the_history_stays_whole():
    for limits in (Limits(tokens=3750), Limits(cost_usd=0.375)):
        model = model_of(*TURNS, says("in sho"), price_usd=(0.0001, 0.0001))
        agents = agent(model)
        talk(agents, 3)
        result = live(replace(agents, limits=limits).run("question 3", thread="t"))
        assert result.status == "limit"
        assert not found(result, e.ModelCalled)


def test_a_step_that_was_too_large_is_the_same_step_after_the_summary():
    def either(request):
        return (
            says("in short")
            if request.messages[0].text == SUMMARY_INSTRUCTIONS
            else says("the fourth")
        )

    model = ScriptedModel([*TURNS, ContextOverflow("long"), *[either] * 9])
    result = talk(agent(model, limits=Limits(steps=1)), 4)
    assert (result.status, result.steps) == ("answered", 1)


def test_a_summary_s_own_prompt_fits_also_where_much_is_pinned_and_what_opened_the_turn_is_long():
    """A large model had it all in its context; then a small one takes over during the turn."""
    store, again = MemoryStore(), MemoryStore()
    free = Limits(steps=50, tokens=None)
    steps = [calls(("look", {"size": 900 + number})) for number in range(30)]
    large = agent(ScriptedModel([says("ok"), *steps, says("done")]), look, store=store, limits=free)
    live(large.run(e.UserSaid("rule " * 1100, pinned=True), thread="t"))
    live(large.run("task " * 1100, thread="t"))
    live(again.append("t", live(store.read("t"))[:-3]))
    small = model_of(
        *[
            lambda r: (
                says("in short") if r.messages[0].text == SUMMARY_INSTRUCTIONS else says("done")
            )
        ]
        * 9
    )
    assert live(agent(small, look, store=again, limits=free).resume("t")).answer == "done"
    assert [request.messages[0].text == SUMMARY_INSTRUCTIONS for request in small.seen] == [
        True,
        False,
    ]
    assert max(request.tokens + request.max_output_tokens for request in small.seen) <= 9000
