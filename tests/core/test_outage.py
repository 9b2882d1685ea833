"""Which model goes on where one can't: by the log and the policy alone."""

import pytest

from core.test_decide import replied, state
from treadle import Limits
from treadle.core import events as e
from treadle.core.decide import Append, CallModel, Wait, decide
from treadle.core.errors import IllegalEvent
from treadle.core.policy import Policy
from treadle.core.state import apply

THREE = Policy(models=("a", "b", "c"))


def called(model: str, attempt: int = 1, purpose: e.Purpose = "step") -> e.ModelCalled:
    return e.ModelCalled(model, "h", 10, 100, purpose, attempt)


DENIED = e.ModelFailed("denied", "no key")
BUSY = e.ModelFailed("unavailable", "busy", 1.0)


def tries(model: str, count: int = 5, first: int = 1) -> list[e.Event]:
    found: list[e.Event] = []
    for attempt in range(first, first + count):
        found += (called(model, attempt), BUSY)
    return found


@pytest.mark.parametrize(
    ("events", "following"),
    [
        ([called("a"), DENIED], CallModel("step", 2, model="b")),
        (tries("a", 4), CallModel(attempt=5, delay_s=1.0)),
        (tries("a"), CallModel("step", 6, model="b")),
        (
            [called("a"), e.ModelFailed("unavailable", "later", 31.0)],
            CallModel("step", 2, model="b"),
        ),
        ([called("a"), e.ModelFailed("unavailable", "later", 30.0)], CallModel("step", 2, 30.0)),
        ([called("a"), DENIED, called("b", 2), BUSY], CallModel("step", 3, 1.0)),
        ([called("a"), DENIED, *tries("b", first=2)], CallModel("step", 7, model="c")),
        ([called("gone"), DENIED], CallModel("step", 2, model="a")),
        ([called("a", purpose="plan"), DENIED], CallModel("plan", 2, model="b")),
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
    assert decide(state(called("a"), late), hurried) == CallModel("step", 2, model="b")
    reached = decide(state(called("a"), late, called("b"), late), hurried)
    assert reached == Append((e.LimitReached("seconds", 6.0, 5),))


def test_a_last_word_goes_to_the_next_too():
    reached = e.LimitReached("steps", 1, 1)
    events = [called("a"), replied(text=" "), reached, called("a", purpose="answer"), DENIED]
    assert decide(state(*events), THREE) == CallModel("answer", 2, model="b")


def test_after_a_crash_in_flight_the_failure_of_the_other_model_is_past():
    after = state(called("a"), DENIED, called("b"), e.ThreadClaimed("w2"))
    assert decide(after, THREE) == CallModel()
    assert after.turn
    assert after.turn.model == "b"


def test_a_request_is_one_step_whichever_models_it_goes_to():
    after = state(*tries("a"), *tries("b", first=6), called("c", 11), replied(text="x"))
    assert after.turn
    assert (after.turn.steps, after.turn.attempts, after.turn.tries) == (1, 11, 1)


def test_a_request_stays_one_step_where_the_next_model_must_have_room_made_first():
    summary = e.ModelCalled("b", "h", 10, 100, "compact", upto_seq=2)
    made = (called("a"), DENIED, summary, replied(text="short"), e.ContextCompacted(2, "short"))
    assert decide(state(*made), THREE) == CallModel("step", 2)
    after = state(*made, called("b", 2))
    assert after.turn
    assert (after.turn.steps, after.turn.failed) == (1, None)
    crashed = state(*made[:3], e.ThreadClaimed("w2"))
    assert decide(crashed, THREE) == CallModel("step", 2)


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


FAILED = (called("a"), DENIED, e.TurnEnded("failed", "no key"))
REOPENED = e.ThreadClaimed("w2", reopens=True)


def test_a_turn_that_an_outage_has_failed_is_asked_once_more_from_the_first_model():
    assert decide(state(*FAILED), THREE) == Wait()
    again = state(*FAILED, REOPENED)
    assert decide(again, THREE) == CallModel("step", 2)
    assert decide(again, Policy(models=("other",))) == CallModel("step", 2)
    assert again.turn
    assert (again.turn.steps, again.turns) == (1, 1)
    in_flight = state(*FAILED, REOPENED, called("a", 2), e.ThreadClaimed("w3"))
    assert decide(in_flight, THREE) == CallModel()
    tired = state(*tries("a"), e.TurnEnded("failed", "busy"), REOPENED, *tries("a", 4, first=6))
    assert decide(tired, Policy(models=("a",))) == CallModel("step", 10, 1.0), "five new tries"


@pytest.mark.parametrize(
    "events",
    [
        (),
        (called("a"), DENIED),
        (called("a"), e.ModelFailed("rejected", "no"), e.TurnEnded("failed", "no")),
        (called("a"), DENIED, e.TurnEnded("cancelled")),
        (called("a"), replied(text="x"), e.TurnEnded("answered")),
        (*FAILED, REOPENED),
        (*FAILED, e.UserSaid("more")),
    ],
)
def test_no_other_turn_can_be_reopened(events):
    before = state(*events)
    assert before.turn
    with pytest.raises(IllegalEvent, match="only a turn that an outage has failed"):
        apply(before, e.Record("t", before.seq + 1, 0.0, REOPENED))
