"""Instructions that are a function: when it is called, and what the log and a replay make of it."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from fakes import agent, found, live, names, world
from treadle import Agent, Context, Limits, MemoryStore, NeedsDeps, ScriptedModel, UsageError, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.patterns.supervisor import supervisor
from treadle.runtime.instructions import add_instructions
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.stores.rows import to_rows


@tool(idempotent=True)
def look() -> str:
    """Look."""
    return "seen"


class Told:
    """A function of instructions that gives another text each time."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []

    def __call__(self, context: Context) -> str:
        self.contexts.append(context)
        return f"Told {len(self.contexts)} for {context.deps}."


async def records_of(agents: Agent, thread: str = "t") -> list[e.Record]:
    assert agents.store
    return (await open_log(thread, agents.store, agents.world)).records


def told(records: Iterable[e.Record]) -> list[list[str]]:
    """By turn, what the model was told at each call."""
    turns: list[list[str]] = []
    last = ""
    for record in records:
        match record.event:
            case e.UserSaid():
                turns.append([])
            case e.AgentDescribed(instructions=last):
                pass
            case e.ModelCalled():
                turns[-1].append(last)
    return turns


def test_they_are_called_once_a_turn_with_the_deps_and_recorded_by_content():
    function = Told()
    model = ScriptedModel([calls("look"), says("a"), says("b")])
    agents = agent(model, look, instructions=function)
    live(agents.run("go", thread="t", deps="ann"))
    live(agents.run("on", thread="t", deps="bob"))
    assert [each.deps for each in function.contexts] == ["ann", "bob"]
    assert [each.thread_id for each in function.contexts] == ["t", "t"]
    assert [each.messages[0].text for each in model.seen] == [
        "Told 1 for ann.",
        "Told 1 for ann.",
        "Told 2 for bob.",
    ]
    records = live(records_of(agents))
    assert told(records) == [["Told 1 for ann."] * 2, ["Told 2 for bob."]]
    assert live(agents.replay("t")) is None
    assert live(replay(records)) is None
    assert len(function.contexts) == 2, "a replay calls nothing"


@pytest.mark.parametrize("output", [str, int])
def test_without_the_deps_that_they_need_the_turn_waits_for_them(output):
    class Shop:
        name = "Ada's"

    def told(context: Context[Shop]) -> str:
        return f"You sell at {context.deps.name}."

    agents = agent(ScriptedModel([says("7")]), instructions=told, output=output)
    with pytest.raises(NeedsDeps, match=r"the function of the instructions.* needs deps, a Shop"):
        live(agents.run("go", thread="t"))
    assert live(agents.resume("t", deps=Shop())).answer == "7"


def test_the_same_text_is_described_once():
    agents = agent(ScriptedModel([says("a"), says("b")]), instructions=lambda context: "Be kind.")
    live(agents.run("go", thread="t"))
    assert "AgentDescribed" not in names(live(agents.run("on", thread="t")).records)


def test_an_async_function_and_one_that_gives_an_awaitable_are_awaited():
    async def later(context: Context) -> str:
        return f"for {context.deps}"

    for function in (later, lambda context: later(context)):
        model = ScriptedModel([says("a")])
        live(agent(model, instructions=function).run("go", deps=7))
        assert model.seen[0].messages[0].text == "for 7"


def test_what_an_answer_type_says_comes_after_them():
    model = ScriptedModel([says("7")])
    agents = agent(model, instructions=lambda context: "Count.", output=int)
    assert live(agents.run("go")).output == 7
    text = model.seen[0].messages[0].text
    assert text.startswith("Count.\n\n")
    assert len(text) > len("Count.\n\n")


def test_a_resume_without_the_deps_takes_what_was_recorded():
    function = Told()
    ask = replace(look, needs_approval=True)
    model = ScriptedModel([calls("look"), says("a"), calls("look"), says("b")])
    agents = agent(model, ask, instructions=function)
    for deps in ("ann", "bob"):
        result = live(agents.run("go", thread="t", deps=deps))
        live(agents.post("t", e.ApprovalGiven(result.waiting[0].id, True, "ada")))
        assert explain(live(records_of(agents)), agents.run_settings).changes == ()
        live(agents.resume("t"))
    assert told(live(records_of(agents))) == [["Told 1 for ann."] * 2, ["Told 2 for bob."] * 2]


@pytest.mark.slow
def test_killed_after_any_record_a_turn_keeps_its_instructions_and_replays():
    function = Told()
    script = [calls("look"), calls("look"), says("a"), calls("look"), says("b")]
    whole = agent(ScriptedModel(script), look, instructions=function, limits=Limits(repeats=None))
    live(whole.run("go", thread="t", deps=1))
    live(whole.run("on", thread="t", deps=2))
    records = live(records_of(whole))
    for deps in (None, "late"):
        for count in range(4, len(records) + 1):
            store = MemoryStore()
            live(store.append("t", to_rows(records[:count])))
            before = len(function.contexts)
            agents = replace(
                whole, store=store, world=world(), model=ScriptedModel([says("end")] * 4)
            )
            live(agents.resume("t", deps=deps))
            after = live(records_of(agents))
            for turn in told(after):
                assert len(set(turn)) == 1
            was_told = told(records[:count])[-1]
            assert len(function.contexts) - before <= (not was_told)
            if deps is None and told(records[:count])[0]:
                assert len(function.contexts) == before
            assert live(agents.replay("t")) is None
            assert live(replay(after)) is None


def test_each_agent_of_a_team_is_told_its_own_when_it_takes_over():
    second = Told()
    helper = Agent(second, name="helper", model=ScriptedModel([says("b"), says("c")]))
    first = Told()
    model = ScriptedModel([lambda request: calls(request.tools[0].name)])
    top = agent(model, instructions=first, handoffs=[helper], name="top")
    result = live(top.run("go", thread="t", deps="ann"))
    assert result.answer == "b"
    live(top.run("on", thread="t", deps="bob"))
    assert [each.deps for each in first.contexts] == ["ann"]
    assert [each.deps for each in second.contexts] == ["ann", "bob"]
    assert live(top.replay("t")) is None
    assert live(replay(live(records_of(top)))) is None


def test_a_child_gets_the_deps_of_its_parent():
    function = Told()
    helper = Agent(function, name="helper", model=ScriptedModel([says("17")]))
    top = agent(ScriptedModel([calls(("helper", {"task": "count"})), says("a")]), helper.as_tool())
    live(top.run("go", deps="ann"))
    assert [each.deps for each in function.contexts] == ["ann"]


def test_more_can_be_said_after_a_function():
    async def gives(context: Context) -> str:
        return "one"

    model = ScriptedModel([says("a")])
    lead = agent(model, instructions=gives, name="lead")
    live(supervisor([Agent(name="m", model=ScriptedModel([]))], lead).run("go"))
    assert model.seen[0].messages[0].text.startswith("one\n\n")
    assert add_instructions("a", "b") == "a\n\nb"
    assert add_instructions("", "b") == "b"


def test_a_function_that_gives_no_text_ends_the_turn_in_words():
    agents = agent(ScriptedModel([]), instructions=lambda context: None)
    with pytest.raises(UsageError, match="gave NoneType; it must give a str"):
        live(agents.run("go", thread="t"))
    ended = live(records_of(agents))[-1].event
    assert isinstance(ended, e.TurnEnded)
    assert ended.status == "failed"


def test_a_function_that_raises_is_named_and_can_t_end_the_process():
    def leaves(context: Context) -> str:
        raise SystemExit(3)

    agents = agent(ScriptedModel([]), instructions=leaves, name="clerk")
    with pytest.raises(RuntimeError, match="the instructions of clerk"):
        live(agents.run("go", thread="t"))
    assert found(live(agents.resume("t")), e.TurnEnded)[0].status == "failed"


def ends_an_iterator(context: Context) -> str:
    return next(iter([]))


async def never_comes(context: Context) -> str:
    await asyncio.sleep(10_000)
    return "late"


def test_a_function_that_raises_stop_iteration_in_its_thread_fails_the_turn():
    agents = agent(ScriptedModel([]), instructions=ends_an_iterator)
    with pytest.raises(RuntimeError, match=r"StopIteration \(raised by the instructions of agent"):
        live(agents.run("go", thread="t"))
    assert live(agents.resume("t")).status == "failed"


@pytest.mark.parametrize(("limits", "seconds"), [(Limits(seconds=5), 5), (Limits(), 60)])
def test_a_function_gets_a_minute_and_no_more_than_the_turn_has_left(limits, seconds):
    agents = agent(ScriptedModel([]), instructions=never_comes, limits=limits)
    with pytest.raises(UsageError, match=f"the instructions of agent took longer than {seconds} s"):
        live(agents.run("go", thread="t"))
