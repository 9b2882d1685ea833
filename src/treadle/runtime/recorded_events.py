"""What a replay takes from its recording, and what it works out itself. Pure."""

from typing import TypeGuard

from ..core import events as e
from ..core.late import is_late
from ..core.verify import VERIFY

END_OF_DRIVE = e.ThreadClaimed | e.ThreadForked | e.TrustChanged | e.TurnEnded
"""The events that no driver writes while it works, and after which it goes on with nothing."""


def ends_drive(event: e.Event) -> bool:
    """Whether the driver before this event was gone."""
    lets_go_on = isinstance(event, e.ApprovalGiven) and not event.call_id
    return lets_go_on or isinstance(event, END_OF_DRIVE)


def is_cut_off(event: e.Event) -> TypeGuard[e.ToolFailed]:
    """Whether it ends a call because the turn has ended or come to a limit."""
    return isinstance(event, e.ToolFailed) and event.kind == "cancelled"


def is_external(event: e.Event) -> bool:
    """Whether the event can't be worked out from the records before it."""
    if is_late(event):
        return True
    match event:
        case e.ToolReturned() | e.ToolFailed():
            return bool(event.by)
        case e.TurnEnded():
            return event.status == "cancelled" or event.reason.startswith("a bug")
        case e.OutcomeDecided():
            return event.by not in ("policy", VERIFY)
        case e.ThreadStarted() | e.ThreadClaimed() | e.ThreadForked() | e.AgentDescribed():
            return True
        case e.TrustChanged() | e.NotesRecalled() | e.UserSaid() | e.ApprovalGiven():
            return True
        case e.LimitRaised():
            return True
    return False


def is_written_by_tool(event: e.Event) -> bool:
    """Whether it was written while a tool ran: a note, or a second ChildStarted, where somebody
    else had begun a thread of the first one's name."""
    return isinstance(event, e.ChildStarted) or (
        isinstance(event, e.CallNoted) and not event.pending
    )
