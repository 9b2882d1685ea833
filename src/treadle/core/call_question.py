"""What questions to a person change in a call. Pure; call.py has all other events."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent
from .judged import content_of
from .question import Answered
from .values import text_of

if TYPE_CHECKING:
    from .call import CallState


def apply_question(call: "CallState", asked: e.QuestionAsked) -> "CallState":
    """The call that waits for an answer; work elsewhere that has asked isn't asked about then."""
    if call.status == "pending":
        call = replace(call, until=None, handle="", polls=False)
    return replace(call, status="question", reason=asked.text, state=asked.state)


def apply_answer(call: "CallState", said: e.UserSaid) -> "CallState | None":
    """The answer is the call's result (None), or its tool goes on with it. Raises IllegalEvent."""
    if said.in_call != bool(call.attempt):
        raise IllegalEvent(f"call {call.id}: an answer says whether its tool has begun by then")
    if not said.in_call:
        return None
    answered = Answered(call.reason, said.text, said.by, call.state)
    answers = (*call.answers, answered)
    return replace(call, status="allowed", reason="", state="", answers=answers)


def apply_check_to_answer(call: "CallState", checked: e.Checked) -> "CallState":
    """The call once a check has judged an answer in mid-call; a refused one denies the call."""
    content = content_of(checked)
    is_about = any(each.said_seq == checked.said_seq for each in call.answers)
    if content is None or not is_about or call.status != "allowed":
        return call
    answers = tuple(
        replace(each, text=text_of(content)) if each.said_seq == checked.said_seq else each
        for each in call.answers
    )
    if checked.verdict == "deny":
        return replace(call, status="denied", reason=checked.reason, answers=answers)
    return replace(call, answers=answers)


def describe_denied(call: "CallState") -> str:
    """What the model is told of a call that a person refused, or whose answer a check did."""
    because = f": {call.reason}" if call.reason else ""
    if call.answers:
        return f"a check refused the answer to its question{because}"
    return f"a person refused this call{because}"
