"""Which model goes on where one can't: by the log and the policy alone."""

import pytest

from core.test_decide import replied, state
from treadle import Limits
from treadle.core import events as e
from treadle.core.decide import Append, CallModel, decide
from treadle.core.policy import Policy

THREE = Policy(models=("a", "b", "c"))


def called(model: str, attempt: int = 1, purpose: e.Purpose = "step") -> e.ModelCalled:
    return e.ModelCalled(model, "h", 10, 100, purpose, attempt)


DENIED = e.ModelFailed("denied", "no key")
BUSY = e.ModelFailed("unavailable", "busy", 1.0)


def tries(model: str, count: int = 5) -> list[e.Event]:
    found: list[e.Event] = []
    for attempt in range(1, count + 1):
        found += (called(model, attempt), BUSY)
    return found


@pytest.mark.parametrize(
    ("events", "following"),
    [
        ([called("a"), DENIED], CallModel(model="b")),
        (tries("a", 4), CallModel(attempt=5, delay_s=1.0)),
        (tries("a"), CallModel(model="b")),
        ([called("a"), e.ModelFailed("unavailable", "later", 31.0)], CallModel(model="b")),
        ([called("a"), e.ModelFailed("unavailable", "later", 30.0)], CallModel("step", 2, 30.0)),
        ([called("a"), DENIED, called("b"), BUSY], CallModel("step", 2, 1.0)),
        ([called("a"), DENIED, *tries("b")], CallModel(model="c")),
        ([called("gone"), DENIED], CallModel(model="a")),
        ([called("a", purpose="plan"), DENIED], CallModel("plan", model="b")),
        ([called("c"), e.ModelFailed("unavailable", "later", 99.0)], CallModel("step", 2, 99.0)),
    ],
)
def test_the_next_one_goes_on_after_denials_tries_and_long_waits(events, following):
    assert decide(state(*events), THREE) == following


@pytest.mark.parametrize("kind", ["rejected", "overflow", "timeout"])
def test_what_another_model_would_refuse_too_goes_to_none(kind):
    following = decide(state(called("a"), e.ModelFailed(kind, "no")), THREE)
    assert not (isinstance(following, CallModel) and following.model)


def test_where_none_is_left_the_turn_fails_and_says_which_were_asked():
    ended = decide(state(called("a"), DENIED, called("b"), DENIED, called("c"), DENIED), THREE)
    why = "none of a, b, c can go on; c: no key"
    assert ended == Append((e.TurnEnded("failed", why),))
    alone = decide(state(called("a"), DENIED), Policy(models=("a",)))
    assert alone == Append((e.TurnEnded("failed", "no key"),))


def test_a_wait_that_the_turn_has_no_time_for_goes_to_the_next():
    hurried = Policy(models=("a", "b"), limits=Limits(seconds=5))
    late = e.ModelFailed("unavailable", "later", 6.0)
    assert decide(state(called("a"), late), hurried) == CallModel(model="b")
    reached = decide(state(called("a"), late, called("b"), late), hurried)
    assert reached == Append((e.LimitReached("seconds", 6.0, 5),))


def test_a_last_word_goes_to_the_next_too():
    reached = e.LimitReached("steps", 1, 1)
    events = [called("a"), replied(text=" "), reached, called("a", purpose="answer"), DENIED]
    assert decide(state(*events), THREE) == CallModel("answer", model="b")


def test_after_a_crash_in_flight_the_failure_of_the_other_model_is_past():
    after = state(called("a"), DENIED, called("b"), e.ThreadClaimed("w2"))
    assert decide(after, THREE) == CallModel()
    assert after.turn
    assert after.turn.model == "b"


def test_a_request_is_one_step_whichever_models_it_goes_to():
    after = state(*tries("a"), *tries("b"), called("c"), replied(text="x"))
    assert after.turn
    assert after.turn.steps == 1
    summary = e.ModelCalled("b", "h", 10, 100, "compact", upto_seq=2)
    compacted = (summary, replied(text="short"), e.ContextCompacted(2, "short"), called("b"))
    again = state(called("a"), DENIED, *compacted)
    assert again.turn
    assert again.turn.steps == 1


def test_the_next_turn_and_the_next_agent_begin_with_their_first():
    ended = state(called("a"), DENIED, called("b"), replied(text="x"), e.TurnEnded("answered"))
    assert ended.turn
    assert ended.turn.model == "b"
    over = state(
        called("b"),
        replied(e.Call("c", "hand", "{}")),
        e.HandedOff("c", "other"),
    )
    assert over.turn
    assert (over.agent, over.turn.model) == ("other", "")
