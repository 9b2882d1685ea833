"""A reply with thousands of calls costs no more for each of them than one with a few."""

import sys
from collections.abc import Callable

import pytest

from fakes import agent, live, names
from treadle import ApprovalGiven, Limits, Record, Result, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.decide import RunTools, decide
from treadle.core.policy import Policy
from treadle.core.prompt import Prompt
from treadle.core.state import State, apply
from treadle.models.scripted import calls, says

FEW, MANY = 200, 800


def calls_made(work: Callable[[], object]) -> int:
    """How many functions are called."""
    count = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def grows_evenly(work: Callable[[int], object]) -> None:
    work(3)  # what the first use imports
    few, many = calls_made(lambda: work(FEW)), calls_made(lambda: work(MANY))
    assert many < 8 * few, f"{MANY} calls cost {many / few:.1f} times as much as {FEW}"


@tool(idempotent=True)
async def side_by_side(number: int) -> str:
    return f"did {number}"


@tool
async def one_by_one(number: int) -> str:
    return f"did {number}"


@pytest.mark.slow
@pytest.mark.parametrize("made", [side_by_side, one_by_one], ids=lambda made: made.name)
def test_calls_that_run_at_once_or_in_turn(made):
    def work(count: int) -> None:
        asked = calls(*((made.name, {"number": number}) for number in range(count)))
        model = ScriptedModel([asked, says("done")], context_tokens=10**9)
        limits = Limits(tool_calls=None, tokens=None)
        result: Result = live(agent(model, made, limits=limits).run("go"))
        assert names(result.records).count("ToolReturned") == count

    grows_evenly(work)


@pytest.mark.slow
def test_calls_that_are_refused():
    def work(count: int) -> None:
        asked = calls(*(("nope", {"number": number}) for number in range(count)))
        result = live(agent(ScriptedModel([asked, says("done")], context_tokens=10**9)).run("go"))
        assert names(result.records).count("ToolFailed") == count

    grows_evenly(work)


def log_of_approvals(count: int) -> list[Record]:
    asked = tuple(e.Call(f"c{number}", "pay", f'{{"number":{number}}}') for number in range(count))
    events: list[e.Event] = [
        *(e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("go")),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied(asked, e.Usage(1, 1), 0.0),
        *(e.ApprovalAsked(call.id) for call in asked),
        *(ApprovalGiven(call.id, True, "ann") for call in asked),
    ]
    for call in asked:
        events += [e.ToolStarted(call.id, "key"), e.ToolReturned(call.id, "paid", 0.0)]
    return [Record("t", seq, 0.0, event, 0.0) for seq, event in enumerate(events, 1)]


@pytest.mark.slow
def test_calls_that_are_approved_one_by_one_and_then_run_in_turn():
    pay = tool(needs_approval=True)(one_by_one.function)
    policy = Policy({"pay": pay}, Limits(tool_calls=None))

    def work(count: int) -> None:
        state, prompt = State(), Prompt()
        for record in log_of_approvals(count):
            state = apply(state, record)
            prompt.add(record)
            if isinstance(record.event, e.ToolReturned) and state.turn and state.turn.calls:
                decided = decide(state, policy)
                assert isinstance(decided, RunTools)
                assert len(decided.calls) == 1
        assert len(prompt.messages("")) == count + 2

    grows_evenly(work)


@pytest.mark.slow
def test_a_parent_of_many_children_that_wait():
    from treadle.core.waits import find_tree_waits

    def work(count: int) -> None:
        asked = tuple(e.Call(f"c{number}", "kid", "{}") for number in range(count))
        events: list[e.Event] = [
            *(e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("go")),
            e.ModelCalled("m", "h", 1, 1),
            e.ModelReplied(asked, e.Usage(1, 1), 0.0),
        ]
        for call in asked:
            waits = (e.PendingDecision(f"t.{call.id}", "c1", "pay", "{}", "waiting"),)
            events += [e.ToolStarted(call.id, "key"), e.ChildStarted(call.id, f"t.{call.id}")]
            events += [e.ChildWaits(call.id, waits)]
        top = folded("t", events)
        opening = e.ThreadStarted("kid", "k", "t", "", 1)
        pay = e.Call("c1", "pay", "{}")
        child = folded(
            "child",
            [
                *(opening, e.ThreadClaimed("w"), e.UserSaid("go"), e.ModelCalled("m", "h", 1, 1)),
                *(e.ModelReplied((pay,), e.Usage(1, 1), 0.0), e.ApprovalAsked("c1")),
            ],
        )
        states = {"t": top} | {f"t.{call.id}": child for call in asked}
        assert len(find_tree_waits("t", states)) == count

    grows_evenly(work)


def folded(thread_id: str, events: list[e.Event]) -> State:
    state = State()
    for seq, event in enumerate(events, 1):
        state = apply(state, Record(thread_id, seq, 0.0, event, 0.0))
    return state
