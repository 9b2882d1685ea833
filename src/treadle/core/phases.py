"""The phases of a thread, and which events may come in each. Pure; state.py goes by it."""

from typing import Literal

from . import events as e
from .errors import IllegalEvent
from .turn import Turn

Phase = Literal["empty", "idle", "ready", "calling", "acting"]
"""`empty`: no log yet. `idle`: no open turn. `ready`: nothing under way. `calling`: a model call in
flight. `acting`: calls for whose results the model waits."""
OPEN_PHASES: frozenset[Phase] = frozenset(("ready", "calling", "acting"))
LEGAL_PHASES: dict[type, frozenset[Phase]] = {
    e.ThreadStarted: frozenset(("empty",)),
    e.ThreadClaimed: frozenset(("idle", *OPEN_PHASES)),
    e.ThreadForked: frozenset(("idle", *OPEN_PHASES)),
    e.TrustChanged: frozenset(("idle", *OPEN_PHASES)),
    e.AgentDescribed: frozenset(("ready", "acting")),
    e.UserSaid: frozenset(("idle", *OPEN_PHASES)),
    e.NotesRecalled: frozenset(("idle",)),
    e.ContextCompacted: frozenset(("ready",)),  # never within a tool exchange
    e.ModelCalled: frozenset(("ready",)),
    e.ModelReplied: frozenset(("calling",)),
    e.ModelFailed: frozenset(("calling",)),
    e.StepAsked: frozenset(("ready", "acting")),
    # Of a call, which must be open: turn.find_call looks.
    e.ToolDeferred: frozenset(("acting",)),
    e.ToolStarted: frozenset(("ready", "acting")),
    e.CallNoted: OPEN_PHASES,
    e.ChildStarted: OPEN_PHASES,
    e.ChildWaits: OPEN_PHASES,
    e.HandedOff: frozenset(("ready", "acting")),
    e.ToolReturned: OPEN_PHASES,
    e.ToolFailed: OPEN_PHASES,
    e.ApprovalAsked: frozenset(("ready", "acting")),
    e.ApprovalGiven: OPEN_PHASES,  # and where it lets a parked thread go on
    e.QuestionAsked: frozenset(("ready", "acting")),
    e.OutcomeDecided: OPEN_PHASES,
    e.AnswerRejected: frozenset(("ready",)),
    e.Checked: frozenset(("ready", "acting")),
    e.LimitReached: frozenset(("ready", "acting")),
    e.LimitRaised: frozenset(("idle", *OPEN_PHASES)),
    e.TurnEnded: OPEN_PHASES,
    e.FeedbackGiven: frozenset(("idle", *OPEN_PHASES)),  # on a turn that has ended
}
OF_A_FLOW = (
    "a flow's code drives this thread, and no model would see a message; post what it waits for, or"
    " cancel it"
)


def refuse_said(said: e.UserSaid, turn: Turn | None, is_flow: bool = False) -> None:
    """Raise IllegalEvent where the message can't come. `turn` is the open one; None: there is none.

    A message opens a turn. While one is open, it steers that, or answers a question in it.
    """
    if said.opens_turn and turn:
        raise IllegalEvent("a message opens no turn while another is open; there it steers that")
    if not said.opens_turn and turn is None:
        raise IllegalEvent("no turn is open: a message opens one, and answers or steers none")
    if said.answers and said.steers:
        raise IllegalEvent("a message answers a question or steers the turn, not both")
    if said.steers and turn and (is_flow or turn.has_steps):
        raise IllegalEvent(OF_A_FLOW)
