"""How many seconds of work a record stands for. Pure."""

from . import events as e
from .call import WAITING
from .turn import Turn


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
