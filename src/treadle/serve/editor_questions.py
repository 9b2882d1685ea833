"""What an editor's person is asked, and how it is answered: by a permission, a form, or the next
message. Pure."""

from collections.abc import Sequence
from typing import Any

from acp import schema as s

from ..core import events as e

OPTIONS = [
    s.PermissionOption(option_id="once", name="Allow", kind="allow_once"),
    s.PermissionOption(
        option_id="turn", name="Allow all such calls of this turn", kind="allow_always"
    ),
    s.PermissionOption(option_id="no", name="Deny", kind="reject_once"),
]
DECLINED = "(the person declined to answer)"


def can_show_forms(client: s.ClientCapabilities | None) -> bool:
    """Whether the editor shows forms: it must say so."""
    asked = client.elicitation if client else None
    return bool(asked and asked.form is not None)


def make_form(session_id: str) -> s.ElicitationFormSessionMode:
    """The form of a question: one text."""
    field = s.ElicitationStringPropertySchema(type="string", title="Your answer")
    schema = s.ElicitationSchema(properties={"answer": field}, required=["answer"])
    return s.ElicitationFormSessionMode(session_id=session_id, requested_schema=schema)


def read_permission(
    chosen: s.RequestPermissionResponse, waiting: e.PendingDecision, by: str
) -> e.ApprovalGiven | None:
    """The decision of what a person has chosen; None where they have chosen nothing."""
    option = chosen.outcome
    if not isinstance(option, s.AllowedOutcome):
        return None
    always = e.Always(lasts="turn") if option.option_id == "turn" else None
    allowed = option.option_id != "no"
    return e.ApprovalGiven(waiting.id, allowed, by, always=always, digest=waiting.digest)


def read_form(filled: Any, waiting: e.PendingDecision, by: str) -> e.UserSaid | None:
    """The answer of a form; None where the person has put it off."""
    match filled:
        case s.AcceptElicitationResponse(content={"answer": str(text)}) if text.strip():
            return e.UserSaid(text, answers=waiting.id, by=by)
        case s.DeclineElicitationResponse():
            return e.UserSaid(DECLINED, answers=waiting.id, by=by)
    return None


def find_question(waiting: Sequence[e.PendingDecision]) -> e.PendingDecision | None:
    """What a message answers: the question, where the turn waits for nothing else."""
    match [*waiting]:
        case [e.PendingDecision(status="question") as only]:
            return only
    return None
