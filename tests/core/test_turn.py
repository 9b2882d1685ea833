from hypothesis import given
from hypothesis import strategies as st

from core.test_state import CALLED, A, B, records, replied
from treadle.core import events as e
from treadle.core.call import call_digest
from treadle.core.state import fold

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


def turn(*events: e.Event):
    return fold(records(*events)).turn


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.booleans())
def test_a_digest_ignores_order_and_spacing_and_nothing_else(arguments, spaced):
    import json

    one = json.dumps(arguments)
    other = json.dumps(
        dict(reversed(arguments.items())), indent=2 if spaced else None, ensure_ascii=not spaced
    )
    assert call_digest("f", one) == call_digest("f", other)
    assert call_digest("f", one) != call_digest("g", one)
    assert call_digest("f", one) != call_digest("f", json.dumps({**arguments, "more": 1}))


def test_a_digest_takes_any_text():
    for text in ("", "{", "[" * 50_000, "NaN", '"\\ud800"', "1" * 6000):
        assert len(call_digest("f", text)) == 24
    assert call_digest("f", "") == call_digest("f", "{}")
    assert call_digest("f", '{"a": 1, "a": 2}') != call_digest(
        "f", '{"a": 2}'
    )  # which is a call that can run


def test_the_key_changes_only_where_a_person_edits_the_arguments():
    asked = (CALLED, replied(A), e.ApprovalAsked("a"))
    before = turn(*asked).calls["a"]
    plain = turn(*asked, e.ApprovalGiven("a", True, "ada")).calls["a"]
    edited = turn(*asked, e.ApprovalGiven("a", True, "ada", arguments='{"x":1}')).calls["a"]
    assert plain.key == before.key != edited.key
    assert (plain.final_arguments, edited.final_arguments) == ("{}", '{"x":1}')


def test_a_retry_is_no_new_tool_call_and_keeps_its_key():
    tries = (
        e.ToolStarted("a", "k"),
        e.ToolFailed("a", "raised", "busy", 0.0, 1.0),
        e.ToolStarted("a", "k", 2),
    )
    now = turn(CALLED, replied(A), *tries)
    assert (now.tool_calls, now.calls["a"].attempt, now.calls["a"].status) == (1, 2, "started")


def test_a_round_is_over_when_every_call_has_its_result():
    ran = (e.ToolStarted("a", "k"), e.ToolStarted("b", "k"), e.ToolReturned("b", "x", 0.0))
    assert list(turn(CALLED, replied(A, B), *ran).calls) == ["a"]
    assert turn(CALLED, replied(A, B), *ran, e.ToolFailed("a", "raised", "x")).calls == {}


def test_the_answer_is_the_last_text_said_and_a_plan_is_none():
    plan = e.ModelCalled("m", "h", 1, 1, "plan")
    assert turn(plan, replied(text="1. look")).answer == ""
    assert (
        turn(
            plan, replied(text="1. look"), CALLED, replied(text="done"), CALLED, replied(text=" ")
        ).answer
        == "done"
    )


def test_what_a_limit_stops_does_not_run():
    now = turn(CALLED, replied(A, B), e.LimitReached("tool_calls", 2, 1))
    assert (now.calls, now.limit.limit) == ({}, "tool_calls")


def test_a_decided_outcome_settles_an_interrupted_call():
    cut = (CALLED, replied(A), e.ToolStarted("a", "k"), e.ThreadClaimed("w2"))
    assert turn(*cut).calls["a"].status == "unknown"
    assert turn(*cut, e.OutcomeDecided("a", "ran", "ada", "sent")).calls == {}
    assert turn(*cut, e.OutcomeDecided("a", "tell", "ada")).calls == {}
    again = turn(*cut, e.OutcomeDecided("a", "not_run", "ada"))
    assert (again.calls["a"].status, again.calls["a"].attempt) == ("allowed", 1)


def test_what_a_call_was_to_be_is_no_summary():
    compacting = e.ModelCalled("m", "h", 1, 1, "compact", upto_seq=3)
    for finish_reason, failed in (("stop", False), ("malformed_call", True)):
        reply = e.ModelReplied("<function=x>", e.Usage(), 0.0, finish_reason)
        assert turn(compacting, reply).summary_failed is failed


def test_older_logs_ask_again_for_the_approval_of_a_step_that_was_given_up_in_its_midst():
    asked = e.StepAsked(e.Call("pay", "pay", "{}"))
    events = [
        *(e.ThreadStarted("order", "key", flow=True), e.ThreadClaimed("one"), e.UserSaid("{}")),
        *(asked, e.ApprovalAsked("pay"), e.ApprovalGiven("pay", True, "ann")),
        *(e.ToolStarted("pay", "key"), e.ToolFailed("pay", "cancelled", "given up")),
        *(e.TurnEnded("failed"), e.ThreadClaimed("two", reopens=True), asked),
    ]
    records = [e.Record("t", seq, 1.0, event) for seq, event in enumerate(events, 1)]
    state = fold(records)
    assert state.calls["pay"].status == "unknown"
    again = e.Record("t", len(records) + 1, 1.0, e.ApprovalAsked("pay"))
    assert fold([*records, again]).calls["pay"].status == "waiting"
