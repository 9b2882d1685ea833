"""Which check is due, and what its verdict changes in the turn. Pure; see checks.py."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import events as e
from .call_question import apply_check_to_answer
from .errors import IllegalEvent
from .next_action import Append, CallModel, Next, RunCheck, RunTools
from .open_calls import keep_call
from .policy import Policy

if TYPE_CHECKING:
    from .turn import Turn


def check_first(found: Next, turn: "Turn", policy: Policy) -> Next:
    """What is to be done, or the check that comes before it.

    No model and no tool sees what wasn't checked, and no person gets it as an answer.
    """
    answered = isinstance(found, RunTools) and any(call.answers for call in found.calls)
    if isinstance(found, CallModel) or answered:
        if policy.check_input and turn.unchecked:
            return RunCheck("message", turn.unchecked[0])
        return found
    if not policy.check_output or not isinstance(found, Append) or not turn.answer:
        return found
    match found.events:
        case (e.TurnEnded(status="answered" | "limit"),) if turn.checked is None:
            return RunCheck("answer")
    return found


def await_check(turn: "Turn", said: e.UserSaid, seq: int) -> "Turn":
    """The turn after one more message, or an answer, which no check has seen yet."""
    turn = replace(turn, unchecked=(*turn.unchecked, seq))
    call = turn.calls.get(said.answers) if said.in_call else None
    if call is None:
        return turn
    *before, last = call.answers
    call = replace(call, answers=(*before, replace(last, said_seq=seq)))
    return replace(turn, calls=keep_call(turn.calls, call))


def checks_output(described: e.AgentDescribed | None) -> bool:
    """Whether nobody gets what this agent says before a check has seen it."""
    return bool(described and described.policy and described.policy.check_output)


def hand_over(turn: "Turn", described: e.AgentDescribed | None) -> "Turn":
    """The turn once another agent is in charge. `described` is the one that was before.

    What that one has said is no answer if no check of its own has seen it: the next one may have no
    check.
    """
    answer = turn.answer
    if turn.checked is None and checks_output(described):
        answer = ""
    return replace(turn, hands_to="", model="", answer=answer)


def apply_check(turn: "Turn", event: e.Checked) -> "Turn":
    """The turn after a check of a message or of the answer. Raises IllegalEvent."""
    if event.what == "answer":
        answer = turn.answer
        if event.content is not None:
            answer = str(event.content)
        return replace(turn, checked=event, answer=answer)
    if event.said_seq not in turn.unchecked:
        raise IllegalEvent(f"record {event.said_seq} is no message that waits for a check")
    unchecked = tuple(seq for seq in turn.unchecked if seq != event.said_seq)
    refused = turn.refused
    if event.verdict == "deny" and event.said_seq == turn.opened_seq:
        refused = event
    turn = replace(turn, unchecked=unchecked, refused=refused)
    for call in turn.calls.values():
        if call.answers:
            turn = replace(turn, calls=keep_call(turn.calls, apply_check_to_answer(call, event)))
    return turn
