"""What questions to a person change in a call. Pure; call.py has all other events."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent
from .question import Answered

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
