"""One turn, and what each event makes of it. Pure; state.py says which events may come when.

A turn is a user message, rounds of a model call and the tool calls that its reply asks for, and an end.
"""

import contextlib
import hashlib
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent

CallStatus = Literal["asked", "waiting", "question", "allowed", "denied", "started", "retrying", "unknown", "done"]
BEFORE: dict[type, frozenset[CallStatus]] = {
    e.ToolStarted: frozenset(("asked", "allowed", "retrying", "unknown")),
    e.ToolReturned: frozenset(("started", "unknown")),
    e.ToolFailed: frozenset(("asked", "denied", "started", "unknown", "allowed", "retrying")),
    e.ApprovalAsked: frozenset(("asked",)),
    e.ApprovalGiven: frozenset(("waiting",)),
    e.QuestionAsked: frozenset(("asked",)),
    e.OutcomeDecided: frozenset(("unknown",)),
    e.UserSaid: frozenset(("question",)),
}
"""What a call must be before an event may speak of it."""


CUT = ("length", "content_filter")
"""How a reply finishes that isn't whole."""


class CallState(msgspec.Struct, frozen=True):
    """One call of the round that is under way."""

    call: e.Call
    key: str
    """Its idempotency key; another once a person has edited the arguments."""
    status: CallStatus = "asked"
    attempt: int = 0
    arguments: str | None = None
    reason: str = ""
    retry_after_s: float = 0.0

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


class Turn(msgspec.Struct, frozen=True):
    """One user message, through to its answer."""

    opened_seq: int
    calls: tuple[CallState, ...] = ()
    """The round under way; empty once all have a result."""
    called: e.ModelCalled | None = None
    """The model call in flight."""
    replied: e.ModelReplied | None = None
    """The last reply, until the next model call."""
    failed: e.ModelFailed | None = None
    """The last failure, until the next reply."""
    rejected: e.AnswerRejected | None = None
    limit: e.LimitReached | None = None
    ended: e.TurnEnded | None = None
    purpose: Literal["step", "plan", "answer"] = "step"
    """Of the last model call."""
    purposes: tuple[str, ...] = ()
    """Of the model calls that replied, except plain steps."""
    attempts: int = 0
    """Tries of the request under way."""
    faults: int = 0
    """Replies in a row that were no use: empty, cut off, or of an unfit answer."""
    overflows: int = 0
    steps: int = 0
    tool_calls: int = 0
    usage: e.Usage = e.Usage()
    cost_usd: float = 0.0
    lost_tokens: int = 0
    """Reserved for calls whose reply never came: they may have been billed."""
    active_s: float = 0.0
    answer: str = ""
    """The last text that the model said to the person."""
    repeats: dict[str, int] = {}
    """How often each call (a digest of name and arguments) was answered."""


def digest(name: str, arguments: str) -> str:
    """Names a call by what it asks for, whatever the spacing or the order of keys in its arguments."""
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):  # bad JSON is itself
        arguments = msgspec.json.encode(msgspec.json.decode(arguments or "{}"), order="sorted").decode()
    return hashlib.blake2b(f"{name} {arguments}".encode(), digest_size=12).hexdigest()


def numbered(calls: tuple[e.Call, ...], called_seq: int) -> tuple[e.Call, ...]:
    """The calls under ids of ours: nine letters and digits (some providers take no other), unique by the seq."""
    return tuple(
        e.Call(f"c{called_seq:05}{index:03}", call.name, call.arguments, call.opaque)
        for index, call in enumerate(calls)
    )


def turned(turn: Turn, event: e.Event, thread_key: str) -> Turn:
    """The turn after one more event. Raises IllegalEvent where a call can't have come to that."""
    match event:
        case e.ModelCalled():
            steps = turn.steps + (event.attempt == 1)
            changes = {"steps": steps, "attempts": event.attempt, "purpose": event.purpose}
            return replace(turn, called=event, replied=None, rejected=None, **changes)
        case e.ModelReplied():
            return _replied(turn, event, thread_key)
        case e.ModelFailed():
            return replace(
                turn,
                called=None,
                failed=event,
                overflows=turn.overflows + (event.kind == "overflow"),
                usage=turn.usage + event.usage,
                cost_usd=turn.cost_usd + (event.cost_usd or 0.0),
            )
        case e.AnswerRejected():
            return replace(turn, rejected=event, faults=turn.faults + 1)
        case e.LimitReached():
            return replace(turn, limit=event, calls=())  # what has not run, won't
        case e.TurnEnded():
            return replace(turn, ended=event, called=None)
        case _:
            return _called(turn, event)


def _replied(turn: Turn, reply: e.ModelReplied, thread_key: str) -> Turn:
    assert turn.called is not None
    whole = reply.finish_reason not in CUT  # a call that may be cut is never read
    calls = tuple(CallState(call, _key(thread_key, call.id, call.arguments)) for call in reply.calls if whole)
    purpose, no_plan = turn.called.purpose, bool(calls) or not reply.text.strip()
    return replace(
        turn,
        called=None,
        replied=reply,
        failed=None,
        calls=calls,
        purposes=turn.purposes if purpose == "step" or (purpose == "plan" and no_plan) else (*turn.purposes, purpose),
        faults=0 if calls else turn.faults + (not reply.text.strip() or not whole),
        usage=turn.usage + reply.usage,
        cost_usd=turn.cost_usd + (reply.cost_usd or 0.0),
        answer=reply.text if reply.text.strip() and purpose != "plan" else turn.answer,
    )


def _called(turn: Turn, event: e.Event) -> Turn:
    """What an event says of one call of the round."""
    call_id = event.answers if isinstance(event, e.UserSaid) else getattr(event, "call_id", "")
    before = call_of(turn, call_id)
    if before.status not in BEFORE[type(event)]:
        raise IllegalEvent(f"{type(event).__name__} can't come for call {call_id}, which is {before.status}")
    after = _next(before, event)
    calls = tuple(after if one is before else one for one in turn.calls)
    if isinstance(event, e.ApprovalGiven) and event.allowed and event.always:
        waiting = [one for one in calls if one.status == "waiting" and one.name == before.name]
        calls = tuple(replace(one, status="allowed") if one in waiting else one for one in calls)
    if isinstance(event, e.ToolStarted):
        return replace(turn, calls=calls, tool_calls=turn.tool_calls + (before.attempt == 0))
    if after.status != "done":
        return replace(turn, calls=calls)
    name = digest(after.name, after.final_arguments)
    repeats = turn.repeats | {name: turn.repeats.get(name, 0) + 1}
    done = all(one.status == "done" for one in calls)
    return replace(turn, calls=() if done else calls, repeats=repeats)


def _next(call: CallState, event: e.Event) -> CallState:
    match event:
        case e.ToolStarted():
            return replace(call, status="started", attempt=event.attempt)
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
            key = call.key if edited is None else _key(call.key, call.id, edited)
            return replace(call, status="allowed", arguments=edited, key=key)
        case _:
            return replace(call, status="done")


def orphaned(turn: Turn) -> Turn:
    """What a new driver finds: nobody waits for the model's reply, nobody knows what started tools did."""
    lost = turn.called.prompt_tokens + turn.called.max_output_tokens if turn.called else 0
    cost_usd = turn.called.reserved_usd if turn.called else 0.0
    return replace(
        turn,
        called=None,
        lost_tokens=turn.lost_tokens + lost,
        cost_usd=turn.cost_usd + cost_usd,
        calls=tuple(replace(c, status="unknown") if c.status == "started" else c for c in turn.calls),
    )


def call_of(turn: Turn, call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    for one in turn.calls:
        if one.id == call_id:
            return one
    raise IllegalEvent(f"no call {call_id!r} is open; there are: {', '.join(c.id for c in turn.calls) or 'none'}")


def _key(base: str, call_id: str, arguments: str) -> str:
    return hashlib.blake2b(f"{base} {call_id} {arguments}".encode(), digest_size=16).hexdigest()
