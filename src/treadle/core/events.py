"""The events: all that a log can hold. Knows nothing of files, models or clocks.

1. An event is a fact in the past tense. It never changes; a wrong one is followed by another.
2. It holds only what can't be derived from the events before it: never the prompt, never a total.
3. The set is closed. A new event is added here, to `state.LEGAL_PHASES` and to the golden log. A
   new field has a default. An event whose meaning changes gets a new tag, and a lift in `codec.py`.
"""

from typing import Any, Literal

import msgspec

from .values import Call, File, Identity, Image, PendingDecision, Purpose, Usage


class _Event(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    """The options that all events share."""


class ThreadStarted(_Event, frozen=True):
    agent: str
    key: str
    """Random; with a call's place in the log it makes the idempotency key."""
    parent_thread_id: str = ""
    """The parent, whose tool call or step runs as this thread; "" for a person's own thread."""
    parent_call_id: str = ""
    depth: int = 0
    """How many parents it has, one above the other."""


class ThreadClaimed(_Event, frozen=True):
    """A process drives the thread from here on. Every older driver finds this and stops."""

    worker: str
    identity: Identity | None = None
    """None: as at the claim before."""


class ThreadForked(_Event, frozen=True):
    """The records before this one are another thread's, whose later records don't count here."""

    parent_thread_id: str
    at_seq: int
    """The last record that is shared."""
    key: str
    """As in ThreadStarted, for the calls from here on."""


class UserSaid(_Event, frozen=True):
    """A message that opens a turn, or the answer of `by` to the question with call id `answers`."""

    text: str
    parts: tuple[Image | File, ...] = ()
    answers: str = ""
    by: str = ""
    pinned: bool = False
    """It is never left out of the prompt."""


class NotesRecalled(_Event, frozen=True):
    """Notes of earlier threads that are put before this one."""

    ids: tuple[str, ...]
    text: str
    """As the model sees it."""


class ModelCalled(_Event, frozen=True):
    """Written before the request is sent: a crash in flight must leave a mark."""

    model: str
    prompt_hash: str
    """Of the messages and the tools' schemas."""
    prompt_tokens: int
    """An estimate; with `max_output_tokens` it is the worst case, until the reply comes."""
    max_output_tokens: int
    purpose: Purpose = "step"
    attempt: int = 1
    reserved_usd: float = 0.0
    upto_seq: int = 0
    """For a summary: the last record that it stands for."""


class ModelReplied(_Event, frozen=True):
    text: str
    usage: Usage
    latency_s: float
    calls: tuple[Call, ...] = ()
    finish_reason: str = "stop"
    """The provider's word, in terms of chat completions: a hint, never trusted alone."""
    refusal: str = ""
    cost_usd: float | None = None
    """At the price of that day; None if no price is known."""
    first_token_s: float | None = None
    opaque: dict[str, Any] = {}
    """Fields that only the provider understands, which go back to it verbatim."""


class ModelFailed(_Event, frozen=True):
    kind: Literal["unavailable", "overflow", "denied", "rejected", "timeout"]
    message: str
    retry_after_s: float | None = None
    """Seconds until the same request is made again; None: it isn't."""
    usage: Usage = Usage()
    """What a broken stream had already used, estimated."""
    cost_usd: float | None = None


class ToolStarted(_Event, frozen=True):
    """Written before every attempt, which runs with the call's arguments or a person's edit."""

    call_id: str
    key: str
    """The idempotency key: the same at every attempt, in every process."""
    attempt: int = 1


class ToolReturned(_Event, frozen=True):
    call_id: str
    content: str
    """As the model sees it; the result of a step is JSON."""
    duration_s: float
    cut_chars: int = 0
    """How many characters were left out of `content`."""
    usage: Usage = Usage()
    """What the call's child has used, with its own children."""
    cost_usd: float | None = 0.0


class ToolFailed(_Event, frozen=True):
    call_id: str
    kind: Literal[
        "arguments",
        "unknown_tool",
        "repeated",
        "denied",
        "raised",
        "timeout",
        "result",
        "cancelled",
    ]
    message: str
    """As the model sees it."""
    duration_s: float = 0.0
    retry_after_s: float | None = None
    """Seconds until the next attempt; None: there is none, and the model is told."""
    usage: Usage = Usage()
    """As in ToolReturned."""
    cost_usd: float | None = 0.0


class StepAsked(_Event, frozen=True):
    """A flow's code has asked for a step: a call like a model's, with the same id at every run."""

    call: Call


class ChildStarted(_Event, frozen=True):
    """The call runs as a child thread, which gets this share of the turn's limits."""

    call_id: str
    thread_id: str
    tokens: int | None = None
    cost_usd: float | None = None


class ChildWaits(_Event, frozen=True):
    """The call's child waits for people. The call goes on when the thread is resumed."""

    call_id: str
    waiting: tuple[PendingDecision, ...]


class HandedOff(_Event, frozen=True):
    """The call has put another agent in charge of the thread."""

    call_id: str
    agent: str


class ApprovalAsked(_Event, frozen=True):
    call_id: str
    reason: str = ""


class ApprovalGiven(_Event, frozen=True):
    call_id: str
    allowed: bool
    by: str
    reason: str = ""
    arguments: str | None = None
    """JSON text that replaces the model's arguments; None keeps them."""
    always: bool = False
    """Later calls of this tool in this thread need no approval."""


class QuestionAsked(_Event, frozen=True):
    """A question to a person, whose `UserSaid` answers this call."""

    call_id: str
    text: str


class OutcomeDecided(_Event, frozen=True):
    """What became of an interrupted call, as a person says, or the agent's policy."""

    call_id: str
    outcome: Literal["ran", "not_run", "tell"]
    """`ran`: with the result `content`. `not_run`: it may run now.

    `tell`: nobody knows, and the model is told so.
    """
    by: str
    content: str = ""
    reason: str = ""


class ContextCompacted(_Event, frozen=True):
    """From here on the prompt leaves something out. The log keeps it."""

    upto_seq: int = 0
    """Records up to this one are left out, except pinned messages; `summary` stands for them."""
    summary: str = ""
    results_upto_seq: int = 0
    """Tool results up to this record are cut to `result_chars`."""
    result_chars: int = 0


class AnswerRejected(_Event, frozen=True):
    """The answer failed its check (by its type, say); the model is told why."""

    message: str


class LimitReached(_Event, frozen=True):
    limit: str
    used: float
    allowed: float


class TurnEnded(_Event, frozen=True):
    """The end of a turn. The answer, maybe a partial one, is the last text that the model said."""

    status: Literal["answered", "limit", "failed", "refused", "cancelled"]
    reason: str = ""
    value: str = ""
    """What a flow returned, as JSON."""


_OfThreads = (
    ThreadStarted | ThreadClaimed | ThreadForked | HandedOff | NotesRecalled | ContextCompacted
)
_OfModels = ModelCalled | ModelReplied | ModelFailed
_OfTools = (
    StepAsked | ToolStarted | ToolReturned | ToolFailed | OutcomeDecided | ChildStarted | ChildWaits
)
_OfPeople = UserSaid | ApprovalAsked | ApprovalGiven | QuestionAsked
_OfTurns = AnswerRejected | LimitReached | TurnEnded
Event = _OfThreads | _OfModels | _OfTools | _OfPeople | _OfTurns


class Record(msgspec.Struct, frozen=True):
    """An event in its envelope. `seq` starts at 1 in each thread and has no gaps."""

    thread_id: str
    seq: int
    at: float
    """Seconds since the epoch, UTC."""
    event: Event
