"""The events about tool calls, steps and children. events.py has the rules for all events."""

from typing import Literal

from .event_struct import EventStruct
from .values import Attachment, Call, Count, Label, Original, PendingDecision, Usage


class ToolStarted(EventStruct, frozen=True):
    """Written before every attempt, which runs with the call's arguments or a person's edit."""

    call_id: str
    key: str
    """The idempotency key: the same at every attempt, in every process."""
    attempt: Count = 1


class ToolReturned(EventStruct, frozen=True):
    call_id: str
    content: str
    """As the model sees it; the result of a step is JSON."""
    duration_s: float
    cut_chars: Count = 0
    """How many characters were left out of `content`."""
    usage: Usage = Usage()
    """What the call's child has used, with its own children."""
    cost_usd: float | None = 0.0
    labels: tuple[Label, ...] = ()
    """What the result brings along, besides what its tool always does."""
    parts: tuple[Attachment, ...] = ()
    """Pictures, files and sounds of the result, which `content` names in their order."""
    claim: str = ""
    """Not "": the claim under which the call had started. Its driver had lost the thread by then,
    and learned this later."""
    by: str = ""
    """Not "": who posted this from elsewhere, for a call that had noted a handle."""
    original: Original | None = None
    """What the tool itself gave, where an after rule has put this in its place."""


class ToolFailed(EventStruct, frozen=True):
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
    claim: str = ""
    """As in ToolReturned."""
    unknown: bool = False
    """The call goes on: this attempt was cut off, and may have had its effect. Its tool's `verify`,
    a person or the policy says if it did."""
    by: str = ""
    """As in ToolReturned."""
    labels: tuple[Label, ...] = ()
    """As in ToolReturned."""
    original: Original | None = None
    """As in ToolReturned, of the message."""


class CallNoted(EventStruct, frozen=True):
    """The call's tool has begun work elsewhere, or is about to, which this handle names."""

    call_id: str
    handle: str
    """Any JSON value, as JSON text with sorted keys; "" for the one that was noted before."""
    pending: bool = False
    """The attempt is over without a result: it comes by a post, or by asking the tool's `poll`."""
    until: float | None = None
    """Seconds since the epoch when the `poll` is asked; without one, when the call has failed."""
    polls: bool = False
    """The tool has a `poll`, which can be asked what became of the work."""
    claim: str = ""
    """As in ToolReturned."""


class ToolDeferred(EventStruct, frozen=True):
    """The model goes on while this call is open. Its result comes as a later message."""

    call_id: str
    message: str
    """As the model sees it, in the place of the result."""


class StepAsked(EventStruct, frozen=True):
    """A flow's code has asked for a step: a call like a model's, with the same id at every run."""

    call: Call
    idempotent: bool = False
    """It may run again where nobody knows what became of it. Only the flow's code knows that."""
    until: float | None = None
    """Seconds since the epoch when its time is up, also while it waits for people; None: never."""
    early: bool = False
    """It waits for an event, and one that was posted before it asked is taken."""
    verifies: bool = False
    """It has a `verify`, which says what became of it. Only the flow's code has that."""
    labels: tuple[Label, ...] = ()
    """What its tool is labelled with: whoever brings the result, it brings these along."""


class ChildStarted(EventStruct, frozen=True):
    """The call runs as a child thread, whose model calls are paid from the turn's account."""

    call_id: str
    thread_id: str
    tokens: int | None = None
    """Only in older logs: its share of the turn's limit."""
    cost_usd: float | None = None
    """As above."""
    account: str = ""
    """The turn's account."""


class ChildWaits(EventStruct, frozen=True):
    """What the call's child waits for now; with nothing there, the child can go on."""

    call_id: str
    waiting: tuple[PendingDecision, ...]


class HandedOff(EventStruct, frozen=True):
    """The call has put another agent in charge of the thread."""

    call_id: str
    agent: str
