"""Which record broke the beginning of a prompt, for every kind of record that can."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, legal_log, live, world
from treadle import ContextWindow, Limits, MemoryStore, ScriptedModel, UserSaid, tool
from treadle.core import events as e
from treadle.core.errors import ModelRejected
from treadle.core.model import Reply
from treadle.models.scripted import calls, says
from treadle.observe.cache import CacheStep, read_cache_steps
from treadle.runtime.log import open_log


@tool
def look(place: str) -> str:
    """Look there."""
    return f"{place} " * 30


@tool
def count(items: str) -> int:
    """Count them."""
    return len(items)


def steps_of(store: MemoryStore, thread: str = "t") -> list[CacheStep]:
    log = live(open_log(thread, store, world()))
    return read_cache_steps(log.records)


def run(*script: Any, said: Any = "go", **settings: Any) -> list[CacheStep]:
    store = MemoryStore()
    made = agent(ScriptedModel(script), look, store=store, **settings)
    live(made.run(said, thread="t"))
    return steps_of(store)


def looks(*places: str) -> list[Any]:
    return [calls(("look", {"place": place})) for place in places]


def test_a_prompt_that_only_grows_is_never_broken():
    steps = run(*looks("a", "b", "c"), says("done"))
    assert [step.broken_seq for step in steps] == [0, 0, 0, 0]
    assert steps[0].why == "the first request of this thread to scripted"
    assert all(step.is_exact for step in steps)
    for before, step in itertools.pairwise(steps):
        assert step.same_bytes == before.prompt_bytes
        assert step.compared_seq == before.seq
    assert steps[3].same_share > 0.7


def test_what_the_provider_counted_stands_beside_it():
    usage = e.Usage(100, 5, 60, cache_write_tokens=30)
    [step] = run(Reply("done", usage))
    assert step.usage == usage
    assert step.read_share == 0.6
    [uncounted] = run(Reply("done", e.Usage(100, 5, estimated=True)))
    assert (uncounted.usage, uncounted.read_share) == (None, None)


def test_another_tool_and_other_instructions_are_named_with_their_record():
    store = MemoryStore()
    first = agent(ScriptedModel([says("a")]), look, store=store, instructions="Be brief.")
    live(first.run("go", thread="t"))
    more = agent(ScriptedModel([says("b")]), look, count, store=store, instructions="Be brief.")
    live(more.run("go", thread="t"))
    told = agent(ScriptedModel([says("c")]), look, count, store=store, instructions="Be long.")
    live(told.run("go", thread="t"))
    turned = agent(ScriptedModel([says("d")]), count, look, store=store, instructions="Be long.")
    live(turned.run("go", thread="t"))
    steps = steps_of(store)
    records = live(open_log("t", store, world())).records
    described = [each.seq for each in records if isinstance(each.event, e.AgentDescribed)]
    assert [step.broken_seq for step in steps] == [0, *described[1:]]
    assert [step.why for step in steps[1:]] == [
        "the tool count is new",
        "the instructions have changed",
        "the tools have another order",
    ]
    assert 0 < steps[1].same_share < 1


def test_a_compaction_is_named():
    window = ContextWindow(max_messages=4, summarize=False)
    steps = run(*looks("a", "b", "c"), says("done"), context_window=window)
    broken = [step.why for step in steps if step.broken_seq]
    assert broken
    assert all("was left out" in why for why in broken)


def test_a_summary_is_named_and_has_a_prompt_of_its_own():
    window = ContextWindow(max_messages=4)
    store = MemoryStore()
    script = [*looks("a", "b"), says("In short."), *looks("c"), says("In short."), says("done")]
    made = agent(ScriptedModel(script), look, store=store, context_window=window)
    live(made.run("go", thread="t"))
    steps = steps_of(store)
    summary = next(step for step in steps if step.purpose == "compact")
    assert (summary.broken_seq, summary.why) == (
        0,
        "a summary is asked for with a prompt of its own",
    )
    assert any("a summary took the place" in step.why for step in steps)


def test_a_refused_picture_is_named():
    store = MemoryStore()
    script = [ModelRejected("status 400: no image input"), says("I see nothing.")]
    made = agent(ScriptedModel(script), store=store)
    picture = UserSaid(("What is it?", e.Image("data:image/png;base64,AAAA")))
    try:
        live(made.run(picture, thread="t"))
    except ModelRejected:
        live(made.run("Well?", thread="t"))
    steps = steps_of(store)
    assert steps[-1].why == "the provider refused a picture, and words stand in its place"
    assert 0 < steps[-1].same_share < 1


def test_a_plan_has_no_tools_and_the_step_after_it_does():
    steps = run(says("1. Look."), says("done"), plan=True)
    assert [step.purpose for step in steps] == ["plan", "step"]
    assert steps[1].broken_seq == steps[1].seq
    assert steps[1].why == "it asks for a step, the request before for a plan"


def test_a_last_word_keeps_the_beginning():
    steps = run(*looks("a"), says("all"), limits=Limits(steps=1))
    assert [step.purpose for step in steps] == ["step", "answer"]
    assert steps[1].broken_seq == 0


def test_why_less_was_read_than_was_there():
    def why(tokens: int, read: int, purpose: e.Purpose = "step") -> str:
        usage = e.Usage(tokens, 1, read)
        compared = {"prompt_bytes": 100, "same_bytes": 90, "compared_seq": 1, "since_s": 400.0}
        return CacheStep(1, 2, "m", purpose, usage, **compared).why_unread

    assert why(10_000, 9_000) == why(10_000, 6_000) == ""
    assert "90% could have been read and 10% was, 400 s after that request" in why(10_000, 1_000)
    assert "too short" not in why(10_000, 1_000)
    assert "too short to be kept" in why(900, 0)
    assert "it asks for a last answer" in why(10_000, 0, "answer")


def test_another_model_has_read_nothing_and_the_first_one_still_has():
    store = MemoryStore()
    for name in ("one", "two", "one"):
        made = agent(ScriptedModel([says("a")], name=name), look, store=store)
        live(made.run("go", thread="t"))
    steps = steps_of(store)
    assert [step.why for step in steps] == [
        "the first request of this thread to one",
        "the first request of this thread to two",
        "",
    ]
    assert steps[2].compared_seq == steps[0].seq


def test_messages_that_nobody_answered_are_joined_and_break_nothing():
    store = MemoryStore()
    made = agent(ScriptedModel([ModelRejected("no"), says("a")]), look, store=store)
    try:
        live(made.run("first", thread="t"))
    except ModelRejected:
        live(made.run("second", thread="t"))
    assert [step.broken_seq for step in steps_of(store)] == [0, 0]


def test_calls_that_were_brought_in_are_left_out():
    store = MemoryStore()
    made = agent(ScriptedModel([says("a")]), look, store=store)
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    live(made.import_history(said, thread="t"))
    live(made.run("go", thread="t"))
    assert [step.step for step in steps_of(store)] == [2]


def test_notes_that_come_later_are_named():
    told = e.AgentDescribed("agent", "m", "Be brief.")
    turn = (e.ModelCalled("m", "said:0", 10, 10), e.ModelReplied("hi", e.Usage(9, 1), 0.1))
    end = e.TurnEnded("answered")
    notes = e.NotesRecalled(("n",), "Ann is vegan.")
    events = (e.ThreadStarted("agent", "k"), e.UserSaid("a"), told, *turn, end)
    events = (*events, notes, e.UserSaid("b"), *turn, end)
    steps = read_cache_steps(
        [e.Record("t", seq, 0.0, event) for seq, event in enumerate(events, 1)]
    )
    assert (steps[1].broken_seq, steps[1].why) == (7, "notes were put in front")


@given(st.lists(st.integers(0, 1000), max_size=60))
def test_any_log_can_be_read(choices):
    for step in read_cache_steps(legal_log(choices)):
        assert 0 <= step.same_bytes <= step.prompt_bytes
        assert bool(step.broken_seq) <= bool(step.why)
