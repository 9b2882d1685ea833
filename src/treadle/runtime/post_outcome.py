"""Writes what a person says became of a call. It counts for the attempt that they could see."""

from ..core import events as e
from ..core.call import CallState, decision_digest
from ..core.errors import IllegalEvent, SeqTaken
from .log import Log


async def post_outcome(log: Log, event: e.OutcomeDecided) -> None:
    """Append the event. Raises as `Log.append`; IllegalEvent where the call has run again since.

    Until somebody claims the thread, its calls count as running. The person who says what became of
    a call need not be the one who resumes.
    """
    call = _find(log, event.call_id)
    seen = event.digest or (call and decision_digest(call))
    while True:
        call = _find(log, event.call_id)
        if call and decision_digest(call) != seen:
            raise IllegalEvent(
                f"call {call.id} of thread {log.thread_id} has run again since: look again,"
                " and say what became of that attempt"
            )
        events: list[e.Event] = [event]
        if call and call.status == "started":
            events.insert(0, e.ThreadClaimed(log.world.new_id()))
        try:
            await log.append(*events, after=log.state.seq)
            return
        except SeqTaken:  # somebody else wrote; the log has been taken in
            continue


def _find(log: Log, call_id: str) -> CallState | None:
    turn = log.state.turn
    if turn is None or turn.ended:
        return None
    return turn.calls.get(call_id)
