"""Calls that stay open while the model goes on, and messages in an open turn: the fold and the rules."""

import pytest
from msgspec.structs import replace

from treadle import Limits, Tool, tool
from treadle.core import events as e
from treadle.core.decide import Append, CallModel, RunTools, Wait, decide
from treadle.core.deferred import waits_for_people
from treadle.core.errors import IllegalEvent
from treadle.core.events import Call, Record, Usage
from treadle.core.policy import Policy
from treadle.core.state import State, fold
from treadle.core.status import find_status
from treadle.core.tool_kind import HandOver
from treadle.core.waits import find_waits


@tool(needs_approval=True)
def pay(n: int) -> str:
    """Pay."""
    return "paid"


@tool
def look(n: int) -> str:
    """Look."""
    return "seen"


@tool(background=True)
def report(n: int) -> str:
    """Report."""
    return "reported"


SETUP = Policy({"pay": pay, "look": look, "report": report})
CALLED = e.ModelCalled("m", "h", 10, 100)
OPENING = (e.ThreadStarted("agent", "key"), e.ThreadClaimed("w"), e.UserSaid("go"))
MORE = e.UserSaid("and blue", steers=True)
PAY = Call("c1", "pay", '{"n": 5}')


def state(*events: e.Event) -> State:
    return fold(Record("t", seq, 0.0, event) for seq, event in enumerate((*OPENING, *events), 1))


def replied(*wanted: Call, text: str = "") -> e.ModelReplied:
    return e.ModelReplied((e.Text(text), *wanted), Usage(1, 1), 0.0)


WAITING = (CALLED, replied(PAY), e.ApprovalAsked("c1"))
DEFERRED = (*WAITING, MORE, e.ToolDeferred("c1", "open"))
TOLD = (*DEFERRED, CALLED, replied(text="It waits."))


# Messages in an open turn


@pytest.mark.parametrize(
    "before",
    [
        (),
        (CALLED,),
        WAITING,
        (CALLED, replied(Call("c1", "look", "{}")), e.ToolStarted("c1", "k")),
    ],
)
def test_a_message_may_come_at_any_instant_of_a_turn(before):
    after = state(*before, MORE)
    assert after.turn.unseen
    assert after.turns == 1
    assert after.phase == state(*before).phase


def test_a_message_opens_a_turn_or_steers_one_and_its_field_says_which():
    with pytest.raises(IllegalEvent, match="opens no turn while another is open"):
        state(e.UserSaid("more"))
    with pytest.raises(IllegalEvent, match="no turn is open"):
        state(e.TurnEnded("answered"), MORE)
    with pytest.raises(IllegalEvent, match="not both"):
        state(*WAITING, e.UserSaid("more", answers="c1", steers=True))


def test_a_flow_refuses_messages_in_words():
    with pytest.raises(IllegalEvent, match="no model would see a message"):
        state(e.StepAsked(Call("s", "step", "{}")), MORE)


def test_a_model_that_has_answered_before_it_saw_a_message_is_asked_again():
    answered = (CALLED, MORE, replied(text="done"))
    assert decide(state(*answered), SETUP) == CallModel()
    assert decide(state(*answered, CALLED, replied(text="blue")), SETUP) == Append(
        (e.TurnEnded("answered"),)
    )


def test_a_refusal_and_an_empty_reply_don_t_end_it_either():
    refused = e.ModelReplied("no", Usage(1, 1), 0.0, refusal="no")
    assert decide(state(CALLED, MORE, refused), SETUP) == CallModel()
    assert decide(state(CALLED, refused, MORE), SETUP) == CallModel()


def test_the_message_stays_unseen_while_the_provider_goes_on_with_its_reply():
    paused = e.ModelReplied((e.ProviderCall("search"),), Usage(1, 1), 0.0, "pause_turn")
    now = state(CALLED, MORE, paused, CALLED)
    assert now.turn.unseen
    assert decide(state(CALLED, MORE, paused, CALLED, replied(text="so")), SETUP) == CallModel()


def test_a_summary_shows_no_message():
    compact = e.ModelCalled("m", "h", 10, 100, "compact", upto_seq=3)
    assert state(MORE, compact).turn.unseen


def test_a_message_uses_up_no_step():
    one = Policy(limits=Limits(steps=1))
    answered = (CALLED, replied(text="done"), MORE)
    assert decide(state(*answered), one) == CallModel()
    again = (*answered, CALLED, replied(Call("c1", "look", "{}")))
    ended = e.ToolFailed("c1", "unknown_tool", "no")
    assert decide(state(*again, ended), one) == Append((e.LimitReached("steps", 2, 2),))


def test_a_last_word_is_asked_for_once_more_where_a_message_came_meanwhile():
    last = replace(CALLED, purpose="answer")
    reached = (e.LimitReached("steps", 1, 1), last, MORE, replied(text="so far"))
    assert decide(state(*reached), SETUP) == CallModel("answer")
    ended = (*reached, last, replied(text="and blue"))
    assert decide(state(*ended), SETUP) == Append((e.TurnEnded("limit", "steps"),))


def test_a_message_doesn_t_let_a_parked_thread_go_on():
    claims = tuple(e.ThreadClaimed(f"w{n}") for n in range(12))
    assert find_status(state(CALLED, *claims)) == "parked"
    assert find_status(state(CALLED, *claims, MORE)) == "parked"


# Deferred calls


def test_while_a_call_waits_a_message_defers_it_and_the_model_is_asked():
    assert decide(state(*WAITING), SETUP) == Wait()
    decided = decide(state(*WAITING, MORE), SETUP)
    assert isinstance(decided, Append)
    (event,) = decided.events
    assert (event.call_id, "a person must allow it first" in event.message) == ("c1", True)
    assert decide(state(*DEFERRED), SETUP) == CallModel()


def test_what_waits_is_listed_while_the_model_has_said_what_it_can():
    now = state(*TOLD)
    assert decide(now, SETUP) == Wait()
    assert [each.id for each in find_waits(now, "t", SETUP)] == ["c1"]
    assert find_status(now) == "waiting"
    assert waits_for_people(now.turn)
    assert now.phase == "ready"
    assert now.turn.answer == "It waits."


def test_it_waits_for_nobody_before_the_model_has_been_asked():
    for events in ((*WAITING, MORE), DEFERRED, (*DEFERRED, CALLED)):
        assert find_waits(state(*events), "t", SETUP) == ()
        assert not waits_for_people(state(*events).turn)


@pytest.mark.parametrize(
    ("status", "events", "why"),
    [
        ("question", (e.QuestionAsked("c1", "which?"),), "a person has yet to answer"),
        ("unknown", (e.ToolStarted("c1", "k"), e.ThreadClaimed("w2")), "it was interrupted"),
        (
            "child",
            (e.ToolStarted("c1", "k"), e.ChildStarted("c1", "child"), e.ChildWaits("c1", ())),
            "it comes after",
        ),
    ],
)
def test_any_open_call_is_deferred_whatever_it_waits_for(status, events, why):
    waiting = e.PendingDecision("child", "c9", "pay", "{}", "waiting")
    if status == "child":
        events, why = (*events[:2], e.ChildWaits("c1", (waiting,))), "the agent that works on it"
    decided = decide(state(CALLED, replied(PAY), *events, MORE), SETUP)
    assert isinstance(decided, Append)
    assert why in decided.events[0].message


def test_nothing_is_deferred_while_a_call_of_the_round_is_at_work():
    both = (CALLED, replied(PAY, Call("c2", "look", '{"n": 1}')))
    at_work = (*both, e.ApprovalAsked("c1"), e.ToolStarted("c2", "k"))
    assert decide(state(*at_work, MORE), SETUP) == Wait()
    done = (*at_work, MORE, e.ToolReturned("c2", "seen", 0.0))
    decided = decide(state(*done), SETUP)
    assert isinstance(decided, Append)
    assert [each.call_id for each in decided.events] == ["c1"]


def test_an_effect_that_comes_after_a_waiting_one_still_does_once_both_are_deferred():
    both = (CALLED, replied(PAY, Call("c2", "look", '{"n": 1}')), e.ApprovalAsked("c1"), MORE)
    decided = decide(state(*both), SETUP)
    assert isinstance(decided, Append)
    assert ["not begun" in each.message or each.call_id for each in decided.events] == ["c1", "c2"]
    told = state(*both, *decided.events, CALLED, replied(text="wait"))
    assert decide(told, SETUP) == Wait()
    allowed = state(
        *(*both, *decided.events, CALLED, replied(text="wait")),
        e.ApprovalGiven("c1", True, "ann"),
    )
    now = decide(allowed, SETUP)
    assert isinstance(now, RunTools)
    assert [call.id for call in now.calls] == ["c1"]


def test_calls_of_a_later_reply_don_t_wait_for_deferred_ones():
    later = Call("c2", "look", '{"n": 1}')
    now = decide(state(*DEFERRED, CALLED, replied(later)), SETUP)
    assert isinstance(now, RunTools)
    assert [call.id for call in now.calls] == ["c2"]


def test_an_equal_call_is_refused_as_long_as_the_first_is_open_however_often():
    asked = DEFERRED
    for number in range(2, 7):
        again = Call(f"c{number}", "pay", '{ "n": 5 }')
        decided = decide(state(*asked, CALLED, replied(again)), SETUP)
        assert isinstance(decided, Append)
        (refusal,) = decided.events
        assert (refusal.kind, "open already, as c1" in refusal.message) == ("repeated", True)
        asked = (*asked, CALLED, replied(again), refusal)
    other = decide(state(*asked, CALLED, replied(Call("d", "pay", '{"n": 6}'))), SETUP)
    assert isinstance(other.events[0], e.ApprovalAsked)


def test_a_call_equal_to_what_a_person_made_of_an_open_one_is_refused_too():
    edited = e.ApprovalGiven("c1", True, "ann", arguments='{"n": 4}')
    started = (edited, e.ToolStarted("c1", "k"), CALLED, replied(Call("c2", "pay", '{"n": 4}')))
    decided = decide(state(*DEFERRED, *started), SETUP)
    assert isinstance(decided, Append)
    assert decided.events[0].kind == "repeated"


@pytest.mark.parametrize(
    "outcome",
    [
        (e.ApprovalGiven("c1", True, "a"), e.ToolStarted("c1", "k"), e.ToolReturned("c1", "x", 0)),
        (e.ApprovalGiven("c1", False, "a"), e.ToolFailed("c1", "denied", "no")),
    ],
)
def test_the_late_result_has_the_model_asked_once_more_and_then_the_turn_ends(outcome):
    now = state(*TOLD, *outcome)
    assert decide(now, SETUP) == CallModel()
    ended = state(*TOLD, *outcome, CALLED, replied(text="paid"))
    assert decide(ended, SETUP) == Append((e.TurnEnded("answered"),))


def test_the_late_result_may_come_while_the_model_writes():
    came = (e.ApprovalGiven("c1", False, "a"), e.ToolFailed("c1", "denied", "no"))
    now = state(*DEFERRED, CALLED, *came, replied(text="It waits."))
    assert decide(now, SETUP) == CallModel()


def test_nobody_is_handed_the_thread_while_a_call_is_open():
    hand = Tool("hand", "", {"type": "object"}, special=HandOver("other"))
    setup = Policy({"pay": pay, "hand": hand})
    decided = decide(state(*DEFERRED, CALLED, replied(Call("h", "hand", "{}"))), setup)
    assert isinstance(decided, Append)
    assert "once the calls that are still open are over: pay" in decided.events[0].message


def test_a_limit_closes_deferred_calls_too():
    assert state(*TOLD, e.LimitReached("tokens", 9, 9)).turn.calls == {}


def test_a_call_is_deferred_once_and_a_step_never():
    two = (CALLED, replied(PAY, Call("c2", "look", '{"n": 1}')), e.ToolDeferred("c1", "open"))
    with pytest.raises(IllegalEvent, match="deferred already"):
        state(*two, e.ToolDeferred("c1", "open"))
    with pytest.raises(IllegalEvent, match="a step of a flow"):
        state(e.StepAsked(Call("s", "step", "{}")), e.ToolDeferred("s", "open"))


def test_a_crash_leaves_a_call_in_the_background_unknown_and_deferred():
    started = (CALLED, replied(Call("c1", "report", "{}")), e.ToolStarted("c1", "k"))
    after = state(*started, e.ToolDeferred("c1", "open"), CALLED, e.ThreadClaimed("w2"))
    call = after.turn.calls["c1"]
    assert (call.status, call.deferred) == ("unknown", True)
    told = state(*started, e.ToolDeferred("c1", "open"), CALLED, replied(text="it runs"))
    assert decide(told, SETUP) == Wait()
    assert find_waits(told, "t", SETUP) == ()  # it is at work
    assert find_status(told) == "unfinished"
