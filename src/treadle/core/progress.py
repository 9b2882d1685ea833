"""Which events show that the driver of a thread has got something done. Pure."""

from . import events as e
from .verify import VERIFY

_BEGINNINGS = (e.ModelCalled, e.ToolStarted, e.ToolDeferred, e.ChildStarted)
_NO_PROGRESS = (e.ThreadClaimed, e.AgentDescribed, e.FeedbackGiven, *_BEGINNINGS)
"""The events that don't say that anything came of the work."""


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
