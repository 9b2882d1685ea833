"""In which order a flow's code gets recorded results, and what an error names."""

import pytest

from treadle import FlowChanged, Record
from treadle.core import events as e
from treadle.flows.step_results import History


def call(name: str, arguments: str = "{}") -> e.Call:
    return e.Call(name, name, arguments)


def history(*events: e.Event) -> History:
    made = History()
    for seq, event in enumerate(events, 1):
        made.add(Record("t", seq, float(seq), event))
    return made


def asked(name: str) -> e.StepAsked:
    return e.StepAsked(call(name))


def came(name: str) -> e.ToolReturned:
    return e.ToolReturned(name, f'"{name}"', 0.0)


def given(made: History) -> list[str]:
    found = []
    while step := made.next():
        found.append(step.call.id)
    return found


def test_a_result_waits_until_all_is_asked_for_that_was_asked_for_before_it_came():
    made = history(asked("a"), asked("b"), came("b"), asked("c"), came("a"), came("c"))
    made.ask(call("b"))
    assert given(made) == []
    made.ask(call("a"))
    assert given(made) == ["b"]
    assert made.missing == made.steps["c"]
    made.ask(call("c"))
    assert given(made) == ["a", "c"]
    assert made.missing is None
    assert made.ask(call("new")).at is None


def test_what_the_code_had_given_up_it_must_give_up_again_and_gets_no_result_of():
    made = history(
        asked("a"),
        asked("b"),
        came("a"),
        e.ToolFailed("b", "cancelled", "x"),
        asked("c"),
        came("c"),
    )
    for name in "abc":
        made.ask(call(name))
    assert given(made) == ["a"]
    assert "awaits it, where it had been given up" in str(made.changed())
    made.steps["b"].given_up = True
    assert given(made) == ["c"]


@pytest.mark.parametrize(
    "last",
    [
        e.ToolFailed("a", "raised", "no"),
        e.OutcomeDecided("a", "tell", "ann"),
        e.OutcomeDecided("a", "ran", "ann", "1"),
        e.UserSaid("so", answers="a"),
    ],
)
def test_a_result_is_whatever_ends_a_call_and_only_that(last):
    tries = (
        e.ToolFailed("a", "raised", "busy", 0.0, 1.0),
        e.OutcomeDecided("a", "not_run", "ann"),
        e.UserSaid("go"),
    )
    allowed = e.ApprovalGiven("a", True, "ann")
    made = history(asked("a"), allowed, e.ChildStarted("a", "t.a"), *tries, last)
    step = made.ask(call("a"))
    assert given(made) == ["a"]
    assert (step.came, step.given, step.child, step.at) == (last, allowed, "t.a", 1.0)


def test_another_call_under_an_id_is_named_and_so_is_one_that_is_asked_for_twice():
    made = history(e.StepAsked(call("a", '{"x": 1, "y": 2}')))
    made.ask(call("a", '{"y":2,"x":1}'))
    with pytest.raises(FlowChanged, match="asks twice for a step a"):
        made.ask(call("a", '{"y":2,"x":1}'))
    made = history(e.StepAsked(call("a", '{"x":1}')))
    with pytest.raises(FlowChanged, match=r'step a was a {"x":1}, is now a {"x":2}'):
        made.ask(call("a", '{"x":2}'))
    made.ask(call("b", '{"long":"' + "x" * 300 + '"}'))
    assert "the code asks for b, b" in str(made.changed())
    assert len(str(made.changed())) < 500
