"""The alphabet: every fact that a log can hold. Knows nothing of files, models or clocks.

1. An event is a fact in the past tense. It never changes; a wrong one is followed by another.
2. It holds only what can't be derived from the events before it: never the prompt, never a total.
3. The set is closed. A new one comes here, into `state.LEGAL` and the golden log; a new field has a default; a meaning
   that changes is a new tag, with a lift in `codec.py`.
"""

from typing import Any, Literal

import msgspec

from . import values as v
from .values import (  # noqa: F401 -- the values stand here too, so that one import gives all of a log
    Always,
    Block,
    Call,
    File,
    Identity,
    Image,
    Label,
    PendingDecision,
    ProviderCall,
    Purpose,
    Replied,
    Source,
    Text,
    Thinking,
    ToolDescription,
    Usage,
)


class _Event(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    """The options that the structs below share."""


class ThreadStarted(_Event, frozen=True):
    agent: str
    key: str
    """Random; with a call's place in the log it makes the idempotency key."""
    parent_thread_id: str = ""
    """The thread whose call this one works for, as an agent that is a tool, or as a step; "" for a person's own."""
    parent_call_id: str = ""
    depth: int = 0
    """How many threads are above it."""


class ThreadClaimed(_Event, frozen=True, tag="ThreadClaimed.2"):
    """A driver takes the thread. Whoever drove it before finds this, and stops."""

    claim: str
    """Names this claim, and no other of the same driver."""
    driver: str = ""
    """Names the process that drives."""
    identity: Identity | None = None
    """Only in logs of format 1."""


class AgentDescribed(_Event, frozen=True):
    """What the agent in charge is made of, as the model is told: written before the first call that it changes."""

    agent: str
    model: str
    instructions: str
    """The system prompt."""
    tools: dict[str, ToolDescription] = {}
    """By name, in the order in which the model is told of them."""
    settings: dict[str, Any] = {}
    """The model's own: what the user set, such as a temperature."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the answer must fit; None for prose."""


class TrustChanged(_Event, frozen=True):
    """Whether this thread counts as one's own. An imported one doesn't, until a person adopts it."""

    trusted: bool
    by: str
    reason: str = ""


class ThreadForked(_Event, frozen=True):
    """The records before this one are shared with the parent, whose later records are not seen here."""

    parent_thread_id: str
    at_seq: int
    """The last record that is shared."""
    key: str
    """As in ThreadStarted, for the calls from here on."""


class UserSaid(_Event, frozen=True, tag="UserSaid.2"):
    """Opens a turn, or answers a question.

    `UserSaid("What is this?")`, or with pictures and files in their order:
    `UserSaid(("What is this?", Image(url), "And this?", Image(other)))`.
    """

    content: v.Said
    answers: str = ""
    """The call whose question it answers."""
    by: str = ""
    pinned: bool = False
    """It stays in the prompt for as long as the thread lasts."""
    key: str = ""
    """Names the message: the same key again is the same message."""

    @property
    def text(self) -> str:
        return v.text_of(self.content)

    @property
    def parts(self) -> tuple[Image | File, ...]:
        """Its pictures and files."""
        return v.attachments_of(self.content)


class NotesRecalled(_Event, frozen=True):
    """What was found in the notes of earlier threads, and is put before this one."""

    ids: tuple[str, ...]
    text: str
    """As the model sees it."""


class ModelCalled(_Event, frozen=True):
    """Written before the request goes out: a crash in flight must leave a mark."""

    model: str
    prompt_hash: str
    """Of the messages and the tools' schemas."""
    prompt_tokens: int
    """Estimate; with `max_output_tokens` it is what the call could cost, until its reply settles it."""
    max_output_tokens: int
    purpose: Purpose = "step"
    attempt: int = 1
    reserved_usd: float = 0.0
    upto_seq: int = 0
    """Of a call that compacts: the last record that its summary stands for."""


class ModelReplied(_Event, frozen=True, tag="ModelReplied.2"):
    """A whole reply. `content` is its text, or ordered blocks where there is more than text."""

    content: v.Replied
    usage: Usage
    latency_s: float
    finish_reason: str = "stop"
    """The provider's word (chat completions'): a hint, never trusted alone."""
    refusal: str = ""
    cost_usd: float | None = None
    """At the price of that day; None where no price is known."""
    first_token_s: float | None = None
    opaque: dict[str, Any] = {}
    """What the provider put on the reply as a whole; it goes back to the same model as it came."""

    @property
    def text(self) -> str:
        return v.text_of(self.content)

    @property
    def calls(self) -> tuple[Call, ...]:
        return v.calls_of(self.content)

    @property
    def thinking(self) -> str:
        return v.thinking_of(self.content)


class ModelFailed(_Event, frozen=True):
    kind: Literal["unavailable", "overflow", "denied", "rejected", "timeout"]
    message: str
    retry_after_s: float | None = None  # the same request is not made again
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
    """As the model sees it; what a step gave is JSON."""
    duration_s: float
    cut_chars: int = 0
    """How many characters were left out of `content`."""
    usage: Usage = Usage()
    """What the agent that ran as this call has used, in its thread and those below."""
    cost_usd: float | None = 0.0
    labels: tuple[Label, ...] = ()
    """What the result brings along, besides what its tool always does."""


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
    retry_after_s: float | None = (
        None  # final: the model is told. Else tried again, that much later
    )
    usage: Usage = Usage()
    """As of ToolReturned."""
    cost_usd: float | None = 0.0


class StepAsked(_Event, frozen=True):
    """A flow's code asks for a step: a call like a model's, under an id that is the same whenever the code runs."""

    call: Call


class ChildStarted(_Event, frozen=True):
    """The call runs as a turn of another agent, in a thread of its own, and is lent so much of this turn's limits."""

    call_id: str
    thread_id: str
    tokens: int | None = None
    cost_usd: float | None = None


class ChildWaits(_Event, frozen=True):
    """The agent that runs as this call waits for people; the call goes on when the thread is resumed."""

    call_id: str
    waiting: tuple[PendingDecision, ...]


class HandedOff(_Event, frozen=True):
    """This call has put another agent in charge of the thread, from here on."""

    call_id: str
    agent: str


class ApprovalAsked(_Event, frozen=True):
    call_id: str
    reason: str = ""


class ApprovalGiven(_Event, frozen=True, tag="ApprovalGiven.2"):
    """A person allows a call or refuses it. A refusal of a call that gave a standing permission revokes that."""

    call_id: str
    allowed: bool
    by: str
    reason: str = ""
    arguments: str | None = None
    """JSON text that takes the place of the model's arguments; None leaves them."""
    always: Always | None = None
    """Later calls of this tool that fit needn't be asked for."""
    digest: str = ""
    """Of the call as the person saw it (PendingDecision.digest); "" where they didn't say."""


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


class ContextCompacted(_Event, frozen=True):
    """From here on the prompt leaves something out. The log keeps it, and a fork can go back before this."""

    upto_seq: int = 0
    """What was said up to this record isn't shown any more, but for what is pinned; a `summary` stands for it."""
    summary: str = ""
    results_upto_seq: int = 0
    """Tool results up to this record are shown cut to `result_chars`."""
    result_chars: int = 0


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
    value: str = ""
    """What a flow returned, as JSON."""


_OfThreads = ThreadStarted | ThreadClaimed | ThreadForked | TrustChanged | NotesRecalled
_OfAgents = AgentDescribed | HandedOff | ContextCompacted
_OfModels = ModelCalled | ModelReplied | ModelFailed
_OfTools = (
    StepAsked | ToolStarted | ToolReturned | ToolFailed | OutcomeDecided | ChildStarted | ChildWaits
)
_OfPeople = UserSaid | ApprovalAsked | ApprovalGiven | QuestionAsked
_OfTurns = AnswerRejected | LimitReached | TurnEnded
Event = _OfThreads | _OfAgents | _OfModels | _OfTools | _OfPeople | _OfTurns


class Record(msgspec.Struct, frozen=True):
    """An event in its envelope. `seq` starts at 1 in each thread and has no gaps."""

    thread_id: str
    seq: int
    at: float
    """Seconds since the epoch, UTC."""
    event: Event
    worked_s: float | None = None
    """Seconds that its writer has worked on the thread since its own last record there, by a clock that never jumps.

    0 in what somebody posts from elsewhere; None in logs of format 1, which didn't say.
    """
