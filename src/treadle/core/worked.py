"""What a record shows of its driver's work: its seconds, and whether something came of it. Pure."""

from . import events as e
from .call import WAITING
from .turn import Turn
from .verify import VERIFY

_BEGINNINGS = (e.ModelCalled, e.ToolStarted, e.ToolDeferred, e.ChildStarted)
_NO_PROGRESS = (e.ThreadClaimed, e.AgentDescribed, e.FeedbackGiven, *_BEGINNINGS)
"""The events that don't say that anything came of the work."""


def active_s(record: e.Record, turn: Turn, last_at: float) -> float:
    """Seconds of work on the turn since the last record, which was written at `last_at`.

    Format 1 didn't record them: there they are the time since then, or 0 while a person was waited
    for.
    """
    if record.worked_s is not None:
        return record.worked_s
    if isinstance(record.event, e.ThreadClaimed | e.ThreadForked):
        return 0.0
    waits = WAITING
    if isinstance(record.event, e.ApprovalGiven | e.OutcomeDecided | e.UserSaid):
        # A person's decisions come one after the other, perhaps days apart.
        waits += ("allowed", "denied")
    if turn.calls and all(call.status in waits for call in turn.calls.values()):
        return 0.0
    return max(0.0, record.at - last_at)


def shows_progress(event: e.Event) -> bool:
    """Whether something came of what was done.

    That a call didn't run, or may not have, is none: what kills each driver would do so again.
    """
    if isinstance(event, e.OutcomeDecided) and event.by == VERIFY:
        return event.outcome == "ran"
    if isinstance(event, e.CallNoted):
        return event.pending
    if isinstance(event, e.UserSaid) and event.steers:
        return False
    return not isinstance(event, _NO_PROGRESS)
