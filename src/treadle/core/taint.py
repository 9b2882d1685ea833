"""What a thread holds of strangers' text and of private data, and which calls that stops. Pure.

1. What a thread holds is a fold of its log. So resuming, replaying and forking give the same.
2. Nothing is taken away again: a summary, an answer, or a later turn may repeat what came before.
3. No text is looked at. What counts is where it came from: what the tool that gave it is labelled
   with, or who said it.
4. Once a thread holds both, a call that acts outward needs a person, or a rule that names what its
   arguments may be (see listed.py). What the model says changes nothing.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from . import events as e
from .call import CallState
from .tool import Tool
from .values import Label, ProviderCall

if TYPE_CHECKING:
    from .state import State

_OF_STRANGERS: tuple[Label, ...] = ("untrusted", "private")
"""What a call can bring into a thread. `outward` is what it does there."""
_CAN_BRING = frozenset(
    (
        *(e.ToolReturned, e.ToolFailed, e.OutcomeDecided, e.ModelReplied),
        *(e.UserSaid, e.NotesRecalled, e.TrustChanged, e.AgentDescribed),
    )
)


@dataclass(frozen=True)
class Labelled:
    """What a tool returns that knows where its result comes from: this, and what that brings.

    It adds to what the tool itself is labelled with: `Labelled(text, ("untrusted",))`.
    """

    result: Any
    labels: tuple[Label, ...]


def unlabel(result: Any) -> tuple[Any, tuple[Label, ...]]:
    """The result itself, and the labels that it was given."""
    labels: tuple[Label, ...] = ()
    while isinstance(result, Labelled):
        result, labels = result.result, join_labels((labels, result.labels))
    return result, labels


def change_result(result: Any, change: Callable[[Any], Any]) -> Any:
    """What `change` makes of the result, with the labels that it was given."""
    bare, labels = unlabel(result)
    changed = change(bare)
    if labels:
        return Labelled(changed, labels)
    return changed


class Brought(msgspec.Struct, frozen=True, gc=False):
    """The first that has brought this into the thread."""

    label: Label
    by: str
    """Where it is from, in words for people."""
    seq: int


Held = tuple[Brought, ...]
"""What has come into a thread of strangers' text and of private data: the first of each, in the
order in which they came."""


def labels_of(held: Held) -> tuple[Label, ...]:
    return tuple(each.label for each in held)


def join_labels(each: Iterable[tuple[Label, ...]]) -> tuple[Label, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(label for labels in each for label in labels))


def held_after(state: "State", record: e.Record) -> Held:
    """What the thread holds after this record. `state` is the one before it."""
    held = state.held
    if type(record.event) not in _CAN_BRING or len(held) == len(_OF_STRANGERS):
        return held
    by, labels = _find_brought(state, record.event)
    if not labels:
        return held
    known = {*labels_of(held), "outward"}
    news = sorted(set(labels) - known, reverse=True)  # "untrusted" first, in every process
    return (*held, *(Brought(each, by, record.seq) for each in news))


def _find_brought(state: "State", event: e.Event) -> tuple[str, tuple[Label, ...]]:
    """What this event brings into the thread, and the words for it."""
    match event:
        case e.ToolReturned() | e.ToolFailed():
            return _describe_call(state, event.call_id, event.labels)
        case e.OutcomeDecided(outcome="ran", call_id=call_id, labels=labels):
            return _describe_call(state, call_id, labels)
        case e.ModelReplied():
            if names := tools_of_provider(event):
                return f"{names[0]}, which the model's provider ran", ("untrusted",)
        case e.UserSaid(labels=labels) if labels:
            return "a message that was labelled so", labels
        case e.NotesRecalled(labels=labels) if labels:
            return "notes of earlier threads", labels
        case e.TrustChanged(trusted=False):
            return "the import of this thread", ("untrusted",)
        case e.AgentDescribed(tools=tools):
            names = [name for name, told in tools.items() if told.foreign]
            if names:
                return f"the description of {names[0]}, which others wrote", ("untrusted",)
    return "", ()


def tools_of_provider(reply: e.ModelReplied) -> list[str]:
    """The tools that the provider ran for this reply, as its blocks, its count or its sources say:
    a model that searches by itself shows no call."""
    blocks: e.Replied = () if isinstance(reply.content, str) else reply.content
    names = [each.name for each in blocks if isinstance(each, ProviderCall)]
    cited = reply.opaque.get("annotations")
    if isinstance(cited, list) and any(
        isinstance(each, dict) and each.get("type") == "url_citation" for each in cited
    ):
        names.append("web_search")
    return [*names, *reply.usage.provider_calls]


def _describe_call(
    state: "State", call_id: str, besides: tuple[Label, ...] = ()
) -> tuple[str, tuple[Label, ...]]:
    """What a result or a failure of a call brings: its message is the tool's word, too."""
    call = state.turn.calls.get(call_id) if state.turn else None
    if call is None or (call.attempt == 0 and not besides):
        return "", ()  # nothing has run: the words are our own
    labels: set[Label] = {*besides, *call.labels}
    for described in state.described.values():
        told = described.tools.get(call.name)
        labels.update(told.labels if told else ())
    return f"{call.name}, call {call_id}", tuple(labels)


Outcome = TypeVar("Outcome", bound=e.Event)


def label_step(call: CallState, tool: Tool, outcome: Outcome) -> Outcome:
    """The outcome, which says of a flow's step what its tool brings, where its log didn't yet as it
    was asked for: no description does."""
    unsaid = tuple(label for label in tool.labels if label not in call.labels)
    if call.step and unsaid and isinstance(outcome, e.ToolReturned | e.ToolFailed):
        return replace(outcome, labels=(*outcome.labels, *unsaid))
    return outcome


def find_taint(state: "State", name: str, labels: Collection[Label]) -> str:
    """Why a call of the tool needs a person, in words; "" if this doesn't keep it from running.

    A tool that reaches private data and acts outward, such as one that shares a file, needs nothing
    else to carry it out: there untrusted text is enough.
    """
    by = {each.label: each.by for each in state.held}
    if "outward" not in labels or "untrusted" not in by:
        return ""
    text = f"this thread holds untrusted text (from {by['untrusted']})"
    if "private" in by:
        return f"{name} acts outward, and {text} and private data (from {by['private']})"
    if "private" in labels:
        return f"{name} acts outward and reaches private data, and {text}"
    return ""
