"""Finds the tool calls of a log, with their outcomes. Pure; knows only events.

A call counts if the model requested it, whether or not it ran. An incomplete reply requests
nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ..core import events as e
from ..core.call import asked_calls
from ..core.changed_arguments import changed_arguments
from ..core.finish_reasons import INCOMPLETE


@dataclass(frozen=True)
class ActualCall:
    """A call that the model requested, and its outcome."""

    call_id: str
    name: str
    arguments: Any
    """The parsed JSON, or the text if it is not JSON.

    As a person or a rule has changed them, if one has.
    """
    status: str
    """`returned`, `failed:KIND` (of ToolFailed, or `unknown`), `waiting` or `unanswered`."""
    asked_approval: bool
    seq: int
    """Of the reply that requested it."""
    result: str = ""
    """What the model was told as the result."""


def actual_calls(records: Iterable[e.Record]) -> tuple[ActualCall, ...]:
    """The calls in these records, of a turn or of whole threads, in the order of the requests."""
    found: dict[tuple[str, str], ActualCall] = {}
    for record in records:
        event = record.event
        thread = record.thread_id
        for call in _requested(event):
            arguments = parse_arguments(call.arguments)
            found[thread, call.id] = ActualCall(
                call.id, call.name, arguments, "unanswered", False, record.seq
            )
        key = (thread, _call_id(event))
        if key not in found:
            continue
        found[key] = _update(found[key], event)
        changed = changed_arguments(event)
        if changed is not None:
            found[key] = replace(found[key], arguments=parse_arguments(changed))
        if isinstance(event, e.ApprovalGiven) and event.always and event.allowed:
            for other, made in found.items():
                same_tool = other[0] == thread and made.name == found[key].name
                if same_tool and made.status == "waiting":
                    found[other] = replace(made, status="unanswered")
    return tuple(found.values())


def _requested(event: e.Event) -> Sequence[e.Call]:
    is_cut = isinstance(event, e.ModelReplied) and event.finish_reason in INCOMPLETE
    return () if is_cut else asked_calls(event)


def _call_id(event: e.Event) -> str:
    """The id of the call that the event is about; "" if it is about none."""
    if isinstance(event, e.UserSaid):
        return event.answers
    return str(getattr(event, "call_id", ""))


def _update(call: ActualCall, event: e.Event) -> ActualCall:
    match event:
        case e.ApprovalAsked():
            return replace(call, status="waiting", asked_approval=True)
        case e.ApprovalGiven() if call.status == "waiting":  # else it takes a permission back
            return replace(call, status="unanswered")
        case e.QuestionAsked():
            return replace(call, status="waiting")
        case e.UserSaid(in_call=True):
            return replace(call, status="unanswered")
        case e.UserSaid(text=text):
            return replace(call, status="returned", result=text)
        case e.ToolReturned(content=content) | e.OutcomeDecided(outcome="ran", content=content):
            return replace(call, status="returned", result=content)
        case e.ToolFailed(kind=kind, message=message, retry_after_s=None):
            return replace(call, status=f"failed:{kind}", result=message)
        case e.OutcomeDecided(outcome="tell", reason=reason):
            return replace(call, status="failed:unknown", result=reason)
        case _:
            return call


def parse_arguments(text: str) -> Any:
    """The arguments of a call: the JSON value, or the text if it is not JSON. "" is {}."""
    try:
        return msgspec.json.decode(text or "{}")
    except (ValueError, RecursionError):
        return text
