"""The alphabet: every fact that a log can hold. Knows nothing of files, models or clocks.

1. An event is a fact in the past tense. It never changes; a wrong one is followed by another.
2. It holds only what can't be derived from the events before it: never the prompt, never a total.
3. The set is closed. A new one comes here, into `state.LEGAL` and the golden log; a new field has a default; a meaning
   that changes is a new tag, with a lift in `codec.py`.
"""

from typing import Any, Literal

import msgspec


class Image(msgspec.Struct, frozen=True, tag=True):
    """A picture in a message: an https URL, or a `data:` URL that holds it."""

    url: str


class File(msgspec.Struct, frozen=True, tag=True):
    """A document in a message, e.g. a PDF: its name and a `data:` URL that holds it."""

    name: str
    url: str


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    """Ours, unique in the thread; providers repeat, omit and clash theirs."""
    name: str
    arguments: str
    """JSON text exactly as the model wrote it: it may be bad, and then the model is told."""
    opaque: dict[str, Any] = {}
    """What else the provider put on the call (signatures and the like); goes back verbatim."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that nobody sees."""
    estimated: bool = False
    """True where the provider gave no count and this is ours, from characters."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class _Event(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    """The options that the structs below share."""


class ThreadStarted(_Event, frozen=True):
    agent: str
    key: str
    """Random; with a call's place in the log it makes the idempotency key."""
    parent_thread_id: str = ""
    parent_call_id: str = ""


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent was when it claimed a thread, by name and hash: shows what has changed since."""

    agent: str
    model: str
    instructions: str
    """Hash of the system prompt."""
    tools: dict[str, str] = {}
    """Name to hash of its schema."""


class ThreadClaimed(_Event, frozen=True):
    """A process drives from here on. Every older one finds it and stops."""

    worker: str
    identity: Identity | None = None
    """None: the same as at the claim before."""


class ThreadForked(_Event, frozen=True):
    """The records before this one are shared with the parent, whose later records are not seen here."""

    parent_thread_id: str
    at_seq: int
    """The last record that is shared."""
    key: str
    """As in ThreadStarted, for the calls from here on."""


class UserSaid(_Event, frozen=True):
    """Opens a turn, or answers the question (a call id) that `answers` names, as `by` did."""

    text: str
    parts: tuple[Image | File, ...] = ()
    answers: str = ""
    by: str = ""


class ModelCalled(_Event, frozen=True):
    """Written before the request goes out: a crash in flight must leave a mark."""

    model: str
    prompt_hash: str
    """Of the messages and the tools' schemas."""
    prompt_tokens: int
    """Estimate; with `max_output_tokens` it is what the call could cost, until its reply settles it."""
    max_output_tokens: int
    purpose: Literal["step", "plan", "answer"] = "step"
    """`plan`: asked for a numbered plan, no tools. `answer`: asked for the last word, no tools."""
    attempt: int = 1
    reserved_usd: float = 0.0


class ModelReplied(_Event, frozen=True):
    text: str
    usage: Usage
    latency_s: float
    calls: tuple[Call, ...] = ()
    finish_reason: str = "stop"
    """The provider's word (chat completions'): a hint, never trusted alone."""
    refusal: str = ""
    cost_usd: float | None = None
    """At the price of that day; None where no price is known."""
    first_token_s: float | None = None
    opaque: dict[str, Any] = {}
    """What only the provider understands; goes back verbatim."""


class ModelFailed(_Event, frozen=True):
    kind: Literal["unavailable", "overflow", "denied", "rejected", "timeout"]
    message: str
    retry_after_s: float | None = None
    """None: the same request is not made again."""
    usage: Usage = Usage()
    """What a broken stream had already cost, estimated."""
    cost_usd: float | None = None


class ToolStarted(_Event, frozen=True):
    """Written before every attempt. Its arguments are the call's, or those an approval put in their place."""

    call_id: str
    key: str
    """The idempotency key: the same at every attempt, in every process."""
    attempt: int = 1


class ToolReturned(_Event, frozen=True):
    call_id: str
    content: str
    """As the model sees it."""
    duration_s: float
    cut_chars: int = 0
    """How many characters were left out of `content`."""


class ToolFailed(_Event, frozen=True):
    call_id: str
    kind: Literal["arguments", "unknown_tool", "repeated", "denied", "raised", "timeout", "result"]
    message: str
    """As the model sees it."""
    duration_s: float = 0.0
    retry_after_s: float | None = None
    """None: final, the model is told. Else tried again, that much later."""


class ApprovalAsked(_Event, frozen=True):
    call_id: str
    reason: str = ""


class ApprovalGiven(_Event, frozen=True):
    call_id: str
    allowed: bool
    by: str
    reason: str = ""
    arguments: str | None = None
    """JSON text that takes the place of the model's arguments; None leaves them."""
    always: bool = False
    """Later calls of this tool in this thread needn't be asked."""


class QuestionAsked(_Event, frozen=True):
    """A question to the person; a `UserSaid` that answers this call goes on."""

    call_id: str
    text: str


class OutcomeDecided(_Event, frozen=True):
    """What became of a call that was interrupted, as somebody says, or the agent's policy."""

    call_id: str
    outcome: Literal["ran", "not_run", "tell"]
    """`ran`: its result is `content`. `not_run`: it may run now. `tell`: nobody knows, and the model is told so."""
    by: str
    content: str = ""
    reason: str = ""


class AnswerRejected(_Event, frozen=True):
    """The answer failed its check (a structured output, a guardrail); the model is told why."""

    message: str


class LimitReached(_Event, frozen=True):
    limit: str
    used: float
    allowed: float


class TurnEnded(_Event, frozen=True):
    """The answer, or the best partial one, is the last text that the model said in the turn."""

    status: Literal["answered", "limit", "failed", "refused", "cancelled"]
    reason: str = ""


_OfThreads = ThreadStarted | ThreadClaimed | ThreadForked
_OfModels = ModelCalled | ModelReplied | ModelFailed
_OfTools = ToolStarted | ToolReturned | ToolFailed | OutcomeDecided
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
