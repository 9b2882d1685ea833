"""The phases of a thread, and which events may come in each. Pure; state.py goes by it."""

from typing import Literal

from . import events as e

Phase = Literal["empty", "idle", "ready", "calling", "acting"]
"""`empty`: no log yet. `idle`: no open turn. `ready`: nothing under way. `calling`: a model call in
flight. `acting`: tool calls without a result."""
OPEN_PHASES: frozenset[Phase] = frozenset(("ready", "calling", "acting"))
LEGAL_PHASES: dict[type, frozenset[Phase]] = {
    e.ThreadStarted: frozenset(("empty",)),
    e.ThreadClaimed: frozenset(("idle", *OPEN_PHASES)),
    e.ThreadForked: frozenset(("idle", *OPEN_PHASES)),
    e.TrustChanged: frozenset(("idle", *OPEN_PHASES)),
    e.AgentDescribed: frozenset(("ready", "acting")),
    e.UserSaid: frozenset(("idle", "ready", "acting")),
    e.NotesRecalled: frozenset(("idle",)),
    e.ContextCompacted: frozenset(("ready",)),  # never within a tool exchange
    e.ModelCalled: frozenset(("ready",)),
    e.ModelReplied: frozenset(("calling",)),
    e.ModelFailed: frozenset(("calling",)),
    e.StepAsked: frozenset(("ready", "acting")),
    e.ToolStarted: frozenset(("acting",)),
    e.CallNoted: frozenset(("acting",)),
    e.ChildStarted: frozenset(("acting",)),
    e.ChildWaits: frozenset(("acting",)),
    e.HandedOff: frozenset(("acting",)),
    e.ToolReturned: frozenset(("acting",)),
    e.ToolFailed: frozenset(("acting",)),
    e.ApprovalAsked: frozenset(("acting",)),
    e.ApprovalGiven: frozenset(("acting",)),  # and where it lets a parked thread go on
    e.QuestionAsked: frozenset(("acting",)),
    e.OutcomeDecided: frozenset(("acting",)),
    e.AnswerRejected: frozenset(("ready",)),
    e.LimitReached: frozenset(("ready", "acting")),
    e.LimitRaised: frozenset(("idle", *OPEN_PHASES)),
    e.TurnEnded: OPEN_PHASES,
}
