"""The events: all that a log can hold. Knows nothing of files, models or clocks.

1. An event is a fact in the past tense. It never changes; a wrong one is followed by another.
2. It holds only what can't be derived from the events before it: never the prompt, never a total.
3. The set is closed. A new event is added here, to `phases.LEGAL_PHASES` and to the golden log. A
   new field has a default. An event whose meaning changes gets a new tag, and a lift in `codec.py`.
"""

# ruff: noqa: I001 -- it would give each `X as X`, which re-exports X, an import of its own
from typing import Literal

import msgspec

from . import values as v
from .agent_events import AgentDescribed as AgentDescribed, ContextCompacted as ContextCompacted
from .description_values import (
    Identity as Identity,
    PolicyDescription as PolicyDescription,
    ToolDescription as ToolDescription,
)
from .event_struct import EventStruct
from .model_events import (
    ModelCalled as ModelCalled,
    ModelFailed as ModelFailed,
    ModelReplied as ModelReplied,
)
from .tool_events import (
    CallNoted as CallNoted,
    ChildStarted as ChildStarted,
    ChildWaits as ChildWaits,
    HandedOff as HandedOff,
    StepAsked as StepAsked,
    ToolDeferred as ToolDeferred,
    ToolFailed as ToolFailed,
    ToolReturned as ToolReturned,
    ToolStarted as ToolStarted,
)
from .turn_events import (
    FeedbackGiven as FeedbackGiven,
    LimitRaised as LimitRaised,
    LimitReached as LimitReached,
    TurnEnded as TurnEnded,
)
from .values import (  # the values stand here too: one import gives all of a log
    Always as Always,
    Attachment as Attachment,
    Audio as Audio,
    Block as Block,
    Call as Call,
    File as File,
    Image as Image,
    Label as Label,
    Original as Original,
    PendingDecision as PendingDecision,
    RefusedPart as RefusedPart,
    ProviderCall as ProviderCall,
    Purpose as Purpose,
    Replied as Replied,
    Source as Source,
    Text as Text,
    Thinking as Thinking,
    Usage as Usage,
)


class ThreadStarted(EventStruct, frozen=True):
    agent: str
    key: str
    """Random; with a call's place in the log it makes the idempotency key."""
    parent_thread_id: str = ""
    """The parent, whose tool call or step runs as this thread; "" for a person's own thread."""
    parent_call_id: str = ""
    depth: v.Count = 0
    """How many parents it has, one above the other."""
    root_thread_id: str = ""
    """The thread above all of them; "" for a person's own thread, and in older logs."""
    flow: bool = False
    """The code of a flow drives it, and no model; False in older logs, too."""


class ThreadClaimed(EventStruct, frozen=True, tag="ThreadClaimed.2"):
    """A process drives the thread from here on. Every older driver finds this and stops."""

    claim: str
    """Names this claim, and no other by the same driver."""
    driver: str = ""
    """Names the process."""
    identity: Identity | None = None
    """Only in logs of format 1."""
    reopens: bool = False
    """The last turn, which has ended, goes on: after an outage of its models, or because a person
    has raised its limit or wants the failed steps of a flow to run again. That of a child which was
    ended from above goes on when its call starts again."""
    trace: str = ""
    """The span that the work is a part of, the caller's or the parent's call, as `traceparent` of
    the W3C's Trace Context; "" if there is none."""
    releases: bool = False
    """The driver of this claim has stopped, and lets the thread go: nobody drives it until the next
    claim. It has ended well, so this claim doesn't count among those that park a thread."""


class TrustChanged(EventStruct, frozen=True):
    """Whether the thread counts as one's own. An imported one doesn't until a person adopts it."""

    trusted: bool
    by: str
    reason: str = ""


class ThreadForked(EventStruct, frozen=True):
    """The records before this one are another thread's, whose later records don't count here."""

    parent_thread_id: str
    at_seq: v.Count
    """The last record that is shared."""
    key: str
    """As in ThreadStarted, for the calls from here on."""


class UserSaid(EventStruct, frozen=True, tag="UserSaid.2"):
    """A message, or the answer of `by` to the question with call id `answers`.

    `UserSaid("What is this?")`, or with pictures, files and sounds in their order:
    `UserSaid(("What is this?", Image.of("lamp.png"), "And this?", Image(url)))`.
    """

    content: v.Said
    answers: str = ""
    by: str = ""
    pinned: bool = False
    """It is never left out of the prompt."""
    key: str = ""
    """Names the message: the same key again is the same message."""
    steers: bool = False
    """Said while a turn is open: the next model call in it sees this. It opens no turn."""
    in_call: bool = False
    """It answers what a tool has asked in mid-call: the call goes on, and this isn't its result."""
    labels: tuple[Label, ...] = ()
    """What it brings along: a stranger's file is `untrusted`; a parent's task what that held."""

    @property
    def opens_turn(self) -> bool:
        """Whether a turn begins with it."""
        return not self.answers and not self.steers

    @property
    def text(self) -> str:
        return v.text_of(self.content)

    @property
    def parts(self) -> tuple[Attachment, ...]:
        """Its pictures and files."""
        return v.attachments_of(self.content)


class NotesRecalled(EventStruct, frozen=True):
    """Notes of earlier threads that are put before this one."""

    ids: tuple[str, ...]
    text: str
    """As the model sees it."""
    labels: tuple[Label, ...] = ()
    """What the notes bring along."""


class ApprovalAsked(EventStruct, frozen=True):
    call_id: str
    reason: str = ""


class ApprovalGiven(EventStruct, frozen=True, tag="ApprovalGiven.2"):
    """A person allows or refuses a call. Refusing one that gave a permission revokes that.

    With the call id "", it lets a parked thread go on.
    """

    call_id: str
    allowed: bool
    by: str
    reason: str = ""
    arguments: str | None = None
    """JSON text that replaces the model's arguments; None keeps them."""
    always: Always | None = None
    """Later calls of this tool that fit need no approval."""
    digest: str = ""
    """PendingDecision.digest of what the person saw; "" if they don't say."""


class QuestionAsked(EventStruct, frozen=True):
    """A question to a person, whose `UserSaid` answers this call.

    The call is the question itself, or its tool has asked in mid-call, after a ToolStarted.
    """

    call_id: str
    text: str
    state: str = ""
    """What the tool gets back with the answer, as JSON; "" for nothing."""


class OutcomeDecided(EventStruct, frozen=True):
    """What became of an interrupted call: a person says it, its tool's `verify`, or the policy."""

    call_id: str
    outcome: Literal["ran", "not_run", "tell", "unclear"]
    """`ran`: with the result `content`. `not_run`: it may run now.

    `tell`: nobody knows, and the model is told so. `unclear`: `verify` can't tell, for this reason;
    a person or the policy decides.
    """
    by: str
    content: str = ""
    reason: str = ""
    parts: tuple[Attachment, ...] = ()
    """As in ToolReturned."""
    digest: str = ""
    """As in ApprovalGiven: it tells the attempt that the person saw."""
    original: Original | None = None
    """As in ToolReturned."""
    labels: tuple[Label, ...] = ()
    """As in ToolReturned."""


class AnswerRejected(EventStruct, frozen=True):
    """The answer failed its check (by its type, say); the model is told why."""

    message: str


class Checked(EventStruct, frozen=True):
    """The agent's checks or rules have judged what was said, a call, or the answer."""

    what: Literal["message", "call", "answer"]
    verdict: Literal["pass", "allow", "ask", "deny"]
    """`pass`: of a call, nothing speaks against it, and the other rules decide. `deny`: of an
    answer, the model gets the reason for another try; of the message that opens a turn, its end."""
    by: str = ""
    """The names of the functions that said something."""
    said_seq: v.Count = 0
    """Of a message: its record."""
    call_id: str = ""
    reason: str = ""
    content: v.Said | None = None
    """What takes its place; of a call, its arguments as JSON text. None: it stays as it is."""


_OfThreads = ThreadStarted | ThreadClaimed | ThreadForked | TrustChanged | NotesRecalled
_OfAgents = AgentDescribed | HandedOff | ContextCompacted
_OfModels = ModelCalled | ModelReplied | ModelFailed
_OfTools = StepAsked | ToolStarted | ToolDeferred | CallNoted | ToolReturned | ToolFailed
_OfChildren = ChildStarted | ChildWaits
_OfPeople = UserSaid | ApprovalAsked | ApprovalGiven | QuestionAsked | OutcomeDecided
_OfTurns = AnswerRejected | Checked | LimitReached | LimitRaised | TurnEnded | FeedbackGiven
Event = _OfThreads | _OfAgents | _OfModels | _OfTools | _OfChildren | _OfPeople | _OfTurns


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event in its envelope. `seq` starts at 1 in each thread and has no gaps."""

    thread_id: str
    seq: int
    at: float
    """Seconds since the epoch, UTC."""
    event: Event
    worked_s: float | None = None
    """Seconds that its writer has worked on the thread since its own last record there.

    By a clock that never jumps. 0 for what is posted from elsewhere; None in logs of format 1.
    """
