"""One tool call of a round, and what each event makes of it. Pure; turn.py says to which call an event speaks."""

import contextlib
import functools
import hashlib
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent
from .strict_json import value_of

CallStatus = Literal[
    "asked",
    "waiting",
    "question",
    "allowed",
    "denied",
    "started",
    "retrying",
    "child",
    "unknown",
    "done",
]
"""`child`: the agent that runs as this call waits for people. `unknown`: it had started, and its process is gone."""
LEGAL_STATUSES: dict[type, frozenset[CallStatus]] = {
    e.ToolStarted: frozenset(("asked", "allowed", "retrying", "unknown")),
    e.ToolReturned: frozenset(("started", "unknown")),
    e.ToolFailed: frozenset(
        (
            "asked",
            "denied",
            "started",
            "unknown",
            "allowed",
            "retrying",
            "waiting",
            "question",
            "child",
        )
    ),
    e.ApprovalAsked: frozenset(("asked",)),
    e.ApprovalGiven: frozenset(("waiting",)),
    e.QuestionAsked: frozenset(("asked",)),
    e.OutcomeDecided: frozenset(("unknown",)),
    e.UserSaid: frozenset(("question",)),
    e.ChildStarted: frozenset(("started",)),
    e.ChildWaits: frozenset(("started",)),
    e.HandedOff: frozenset(("asked", "allowed")),
}
"""What a call must be before an event may speak of it."""


class CallState(msgspec.Struct, frozen=True):
    """One call of the round that is under way, or one step of a flow."""

    call: e.Call
    key: str
    """Its idempotency key; another once a person has edited the arguments."""
    status: CallStatus = "asked"
    attempt: int = 0
    arguments: str | None = None
    reason: str = ""
    retry_after_s: float = 0.0
    step: bool = False
    """Asked for by a flow's code, not by a model."""
    child: e.ChildStarted | None = None
    """The thread of the agent that runs as this call."""
    waiting: tuple[e.PendingDecision, ...] = ()
    """What that agent waits for."""

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def name(self) -> str:
        return self.call.name

    @property
    def final_arguments(self) -> str:
        """What runs: a person's edit, else the model's own."""
        return self.call.arguments if self.arguments is None else self.arguments


def find_pending_decisions(call: CallState, thread_id: str) -> tuple[e.PendingDecision, ...]:
    """What people must decide before this call of that thread can go on; none where it needs nobody."""
    match call.status:
        case "child":
            return call.waiting
        case "waiting" | "question" | "unknown" as status:
            return (
                e.PendingDecision(
                    thread_id, call.id, call.name, call.final_arguments, status, call.reason
                ),
            )
    return ()


def apply_to_call(call: CallState, event: e.Event) -> CallState:
    """The call after one more event that speaks of it. Raises IllegalEvent where it can't have come to that."""
    if call.status not in LEGAL_STATUSES[type(event)]:
        raise IllegalEvent(
            f"{type(event).__name__} can't come for call {call.id}, which is {call.status}"
        )
    match event:
        case e.ToolStarted():
            return replace(call, status="started", attempt=event.attempt, waiting=())
        case e.ChildStarted():
            return replace(call, child=event)
        case e.ChildWaits():
            return replace(call, status="child", waiting=event.waiting)
        case e.ToolFailed(retry_after_s=float(wait)):
            return replace(call, status="retrying", retry_after_s=wait)
        case e.ApprovalAsked():
            return replace(call, status="waiting", reason=event.reason)
        case e.QuestionAsked():
            return replace(call, status="question", reason=event.text)
        case e.OutcomeDecided(outcome="not_run"):
            return replace(call, status="allowed")
        case e.ApprovalGiven(allowed=False):
            return replace(call, status="denied", reason=event.reason)
        case e.ApprovalGiven():
            edited = event.arguments
            key = call.key if edited is None else make_idempotency_key(call.key, call.id, edited)
            return replace(call, status="allowed", arguments=edited, key=key)
        case _:
            return replace(call, status="done")


def call_after_crash(call: CallState) -> CallState:
    """What a new driver finds: nobody knows what a started tool did; the thread of an agent knows it by itself."""
    if call.status == "started" and not call.child:
        return replace(call, status="unknown")
    return replace(call, status="allowed") if call.status in ("started", "child") else call


def call_after_import(call: CallState, thread_key: str) -> CallState:
    """What whoever adopts an imported thread finds: no approval that it brought along counts."""
    if call.status != "allowed":
        return call
    key = make_idempotency_key(thread_key, call.id, call.call.arguments)
    return replace(call, status="asked", arguments=None, key=key)


def call_after_fork(call: CallState) -> CallState:
    """What a fork finds: the threads below are the parent's, and what they did may not be done again unasked."""
    if call.child and call.status != "done":
        return replace(call, status="unknown", child=None, waiting=())
    return call_after_crash(call)


@functools.lru_cache(256)  # each call of a round is compared with all others
def call_digest(name: str, arguments: str) -> str:
    """Names a call by what it asks for, whatever the spacing or the order of keys in its arguments."""
    with contextlib.suppress(ValueError):  # bad JSON is itself
        arguments = msgspec.json.encode(value_of(arguments or "{}"), order="sorted").decode()
    return hashlib.blake2b(f"{name} {arguments}".encode(), digest_size=12).hexdigest()


def assign_ids(content: e.Replied, called_seq: int) -> e.Replied:
    """A reply whose calls have ids of ours: nine letters and digits (some providers take no other), unique by the seq.

    The provider's own stands beside it.
    """
    if isinstance(content, str):
        return content
    blocks: list[e.Block] = []
    count = 0
    for block in content:
        if isinstance(block, e.Call):
            block = replace(block, id=f"c{called_seq:05}{count:03}", provider_id=block.id)
            count += 1
        blocks.append(block)
    return tuple(blocks)


def make_idempotency_key(base: str, call_id: str, arguments: str) -> str:
    """The idempotency key of a call: another where the arguments are."""
    return hashlib.blake2b(f"{base} {call_id} {arguments}".encode(), digest_size=16).hexdigest()
