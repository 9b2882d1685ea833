"""What has been done in a turn, and what may have been, in words. Pure."""

from collections.abc import Sequence

from ..core import events as e
from ..core.call import asked_calls
from ..core.changed_arguments import changed_call
from ..core.state import State
from .checked_text import describe_checked, original_text
from .deed_text import call_state_text, call_text, short
from .short_text import late_text, posted_text

_WITHOUT_OUTCOME = ("started", "unknown")


def describe_unknown(state: State, claimed: State) -> list[str]:
    """The calls that may have had their effect; `claimed` is what the next driver finds."""
    if state.turn and state.turn.ended:
        how = f"started, and the turn was {state.turn.ended.status}: may have had its effect"
        calls = [call for call in state.turn.calls.values() if call.status in _WITHOUT_OUTCOME]
        return [f"{call_state_text(call)} {how}" for call in calls]
    if not claimed.turn:
        return []
    calls = [call for call in claimed.turn.calls.values() if call.status == "unknown"]
    return [call_state_text(call) for call in calls]


def describe_done(records: Sequence[e.Record]) -> list[str]:
    """What has been done in these records of a turn, a sentence each."""
    asked: dict[str, e.Call] = {}
    lines = []
    for record in records:
        for call in asked_calls(record.event):
            asked[call.id] = call
        asked |= changed_call(asked, record.event)
        match record.event:
            case e.UserSaid(text=text, steers=True):
                lines.append(f"a person said meanwhile: {short(text)}")
            case e.Checked() as checked:
                lines.append(describe_checked(checked))
            case e.ToolDeferred(call_id=call_id):
                lines.append(f"the model went on without {call_text(asked[call_id])}")
            case e.ToolReturned(call_id=call_id, content=content) as event:
                what = f"{call_text(asked[call_id])} returned {short(content)}"
                what += late_text(event.claim) + posted_text(event.by)
                lines.append(what + original_text(event.original))
            case e.ToolFailed(call_id=call_id, message=message, retry_after_s=None) as event:
                what = f"{call_text(asked[call_id])} failed: {short(message)}"
                what += late_text(event.claim) + posted_text(event.by)
                lines.append(what + original_text(event.original))
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell" as outcome, by=by):
                lines.append(f"{call_text(asked[call_id])} was decided by {by}: {outcome}")
    return lines
