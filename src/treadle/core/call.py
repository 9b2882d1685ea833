"""One tool call of a round, and how each event changes it. Pure; turn.py finds an event's call."""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args

import msgspec
from msgspec.structs import replace

from . import events as e
from .call_question import apply_answer, apply_question
from .errors import IllegalEvent
from .question import Answered
from .strict_json import value_of

CallStatus = Literal[
    "asked",
    "waiting",
    "question",
    "allowed",
    "denied",
    "started",
    "pending",
    "retrying",
    "child",
    "unknown",
]
"""Of a call without a result. `waiting`: for an approval. `question`: for a person's answer.

`pending`: its work goes on elsewhere, under the handle that it has noted. `child`: its child waits.
`unknown`: it had started, and was cut off: its time was up, or its process is gone.
"""
WAITING: tuple[str, ...] = ("waiting", "question", "pending", "child", "unknown")
"""The statuses in which a call waits for people, or for work elsewhere."""
LEGAL_STATUSES: dict[type, frozenset[CallStatus]] = {
    e.ToolStarted: frozenset(("asked", "allowed", "retrying", "unknown", "child")),
    e.CallNoted: frozenset(("started", "pending", "unknown")),
    e.ToolReturned: frozenset(("started", "pending", "unknown")),
    e.ToolFailed: frozenset(get_args(CallStatus)),
    e.ApprovalAsked: frozenset(("asked", "unknown")),  # the latter in older logs alone
    e.Checked: frozenset(("asked", "allowed")),
    e.ApprovalGiven: frozenset(("waiting",)),
    e.QuestionAsked: frozenset(("asked", "started", "pending")),
    e.OutcomeDecided: frozenset(("pending", "unknown")),
    e.UserSaid: frozenset(("question",)),
    e.ChildStarted: frozenset(("started",)),
    e.ChildWaits: frozenset(("started", "child")),
    e.HandedOff: frozenset(("asked", "allowed")),
    e.ToolDeferred: frozenset(get_args(CallStatus)),
}
"""The statuses that a call may have before an event about it."""


class CallState(msgspec.Struct, frozen=True, gc=False):
    """One call of the round that is under way, or one step of a flow."""

    call: e.Call
    key: str
    """Its idempotency key; another once a person has edited the arguments."""
    status: CallStatus = "asked"
    attempt: int = 0
    failures: int = 0
    """How many attempts have failed that were to be tried again: not those that a crash or a
    question has ended."""
    arguments: str | None = None
    """What a person, or a rule, has put in the place of the arguments."""
    checked: e.Checked | None = None
    """What the rules with functions have said of it."""
    reason: str = ""
    """Why it was denied or waits for approval; the text of its question."""
    retry_after_s: float = 0.0
    step: bool = False
    """Asked for by a flow's code, not by a model."""
    idempotent: bool = False
    """Of a step, but of no child: it may run again where nobody knows what became of it."""
    verifies: bool = False
    """Of a step: it has a `verify`."""
    labels: tuple[e.Label, ...] = ()
    """Of a step: what its tool is labelled with."""
    asked_before: int = 0
    """How often this turn's earlier replies asked for the same: the same tool and arguments."""
    twins_before: int = 0
    """How often the same reply asked for the same before."""
    child: e.ChildStarted | None = None
    """The child thread, if it runs as one."""
    waiting: tuple[e.PendingDecision, ...] = ()
    """What that child waits for."""
    until: float | None = None
    """When its time is up: seconds since the epoch; None: never."""
    handle: str = ""
    """What names its work elsewhere, as JSON."""
    polls: bool = False
    """Its tool can be asked what became of that: at `until`, and where its outcome is unknown."""
    claim: str = ""
    """With the status `unknown`: the claim under which it had started."""
    is_unclear: bool = False
    """With the status `unknown`: its tool's `verify` can't tell what became of it."""
    state: str = ""
    """With the status `question`: what its tool has kept with that, as JSON."""
    answers: tuple[Answered, ...] = ()
    """What its tool has asked in mid-call, and was told."""
    deferred: bool = False
    """The model goes on without it: it was told that the result comes later."""

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def name(self) -> str:
        return self.call.name

    @property
    def final_arguments(self) -> str:
        """The arguments to run with: as a person or a rule has changed them, else the model's."""
        if self.arguments is None:
            return self.call.arguments
        return self.arguments


def asked_calls(event: e.Event) -> tuple[e.Call, ...]:
    """The calls, or the step of a flow, that this event asks for."""
    match event:
        case e.ModelReplied(calls=calls):
            return calls
        case e.StepAsked(call=call):
            return (call,)
        case _:
            return ()


def find_pending_decisions(call: CallState, thread_id: str) -> tuple[e.PendingDecision, ...]:
    """What people must decide before this call of that thread can go on; often nothing."""
    match call.status:
        case "child":
            return call.waiting
        case "waiting" | "question" | "pending" | "unknown" as status:
            shown = (thread_id, call.id, call.name, call.final_arguments)
            more = (decision_digest(call), call.until, call.handle, call.polls)
            return (e.PendingDecision(*shown, status, call.reason, *more),)
    return ()


def decision_digest(call: CallState) -> str:
    """The digest of what a person is shown of a call. A decision that names it fits that alone.

    What they say of one attempt says nothing of the next.
    """
    attempt = (call.attempt,) if call.attempt else ()
    shown = msgspec.json.encode((call.id, call.name, call.final_arguments, *attempt))
    return hashlib.blake2b(shown, digest_size=12).hexdigest()


def apply_to_call(call: CallState, event: e.Event) -> CallState | None:
    """The call after one more event about it; None once it has its result. Raises IllegalEvent."""
    if call.status not in _legal_statuses(event):
        raise IllegalEvent(
            f"{type(event).__name__} can't come for call {call.id}, which is {call.status}"
        )
    match event:
        case e.ToolStarted(attempt=n):
            return replace(
                call, status="started", attempt=n, waiting=(), reason="", is_unclear=False
            )
        case e.CallNoted():
            return _apply_note(call, event)
        case e.ToolDeferred():
            return _defer(call)
        case e.ChildStarted():
            return replace(call, child=event, idempotent=False)
        case e.ChildWaits():
            status = "child" if event.waiting else "allowed"
            return replace(call, status=status, waiting=event.waiting)
        case e.ToolFailed(retry_after_s=float(wait)):
            return _apply_failure(call, event, wait)
        case e.ApprovalAsked():
            return replace(call, status="waiting", reason=event.reason)
        case e.QuestionAsked():
            return apply_question(call, event)
        case e.UserSaid():
            return apply_answer(call, event)
        case e.OutcomeDecided(outcome="not_run"):
            return replace(call, status="allowed", handle="", polls=False)
        case e.OutcomeDecided(outcome="unclear"):
            return replace(call, is_unclear=True, reason=event.reason)
        case e.ApprovalGiven():
            return _apply_approval(call, event)
        case e.Checked():
            return _apply_check(call, event)
        case _:
            return None


def _apply_failure(call: CallState, event: e.ToolFailed, wait_s: float) -> CallState:
    if event.unknown:
        return replace(call, status="unknown", reason=event.message, child=None, waiting=())
    return replace(call, status="retrying", retry_after_s=wait_s, failures=call.failures + 1)


def _apply_approval(call: CallState, event: e.ApprovalGiven) -> CallState:
    if not event.allowed:
        return replace(call, status="denied", reason=event.reason)
    if event.arguments is not None:
        call = _with_arguments(call, event.arguments)
    return replace(call, status="allowed")


def _apply_check(call: CallState, event: e.Checked) -> CallState:
    if event.content is None:
        return replace(call, checked=event)
    changed = _with_arguments(call, str(event.content))
    return replace(changed, checked=event, status="asked")  # an approval was for the others


def _with_arguments(call: CallState, arguments: str) -> CallState:
    key = make_idempotency_key(call.key, call.id, arguments)
    return replace(call, arguments=arguments, key=key)


def _legal_statuses(event: e.Event) -> Collection[CallStatus]:
    if isinstance(event, e.ToolFailed) and event.unknown:
        return frozenset(("started",))
    return LEGAL_STATUSES[type(event)]


def _defer(call: CallState) -> CallState:
    if call.deferred or call.step:
        raise IllegalEvent(f"call {call.id} is deferred already, or a step of a flow")
    return replace(call, deferred=True)


def _apply_note(call: CallState, noted: e.CallNoted) -> CallState:
    call = replace(call, handle=noted.handle or call.handle, polls=noted.polls)
    if not noted.pending:
        return call
    return replace(call, status="pending", until=noted.until)


def call_digest(name: str, arguments: str) -> str:
    """The same for two calls of one tool with equal arguments, whatever their spacing and order."""
    with contextlib.suppress(ValueError):  # bad JSON is compared as text
        arguments = msgspec.json.encode(value_of(arguments or "{}"), order="sorted").decode()
    return hashlib.blake2b(f"{name} {arguments}".encode(), digest_size=12).hexdigest()


def assign_ids(content: e.Replied, called_seq: int) -> e.Replied:
    """The reply with ids of our own for its calls, unique in the thread by the model call's seq.

    Nine letters and digits: some providers take no other. The provider's own id is kept beside it.
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


def records_about(records: Sequence[e.Record], call_id: str) -> Iterator[e.Record]:
    """The records about this call, the newest first."""
    for record in reversed(records):
        event = record.event
        its = event.answers if isinstance(event, e.UserSaid) else getattr(event, "call_id", "")
        if its == call_id:
            yield record


def make_idempotency_key(base: str, call_id: str, arguments: str) -> str:
    """The idempotency key of a call: the same for the same arguments."""
    return hashlib.blake2b(f"{base} {call_id} {arguments}".encode(), digest_size=16).hexdigest()
