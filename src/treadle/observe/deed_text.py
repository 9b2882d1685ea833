"""What resuming a thread does, what has been done there, and may have been, in words. Pure."""

from collections.abc import Sequence

from ..core import events as e
from ..core.call import CallState, asked_calls
from ..core.changed_arguments import changed_call
from ..core.next_action import RunCheck
from ..core.state import State
from .checked_text import describe_checked, original_text
from .short_text import late_text, posted_text


def describe_check(call: CallState) -> str:
    """What is asked of the `verify` of this call's tool."""
    return (
        f"ask the verify of {call.name} what became of {call_state_text(call)}: if it ran, its"
        " result is used; if it surely didn't, it runs again, with the same idempotency key"
        f" {call.key}; else a person decides"
    )


def describe_asking(asked: RunCheck) -> str:
    """Which of the agent's checks is asked about what."""
    match asked.what:
        case "message":
            return f"ask check_input about the message in record {asked.seq}"
        case "answer":
            return "ask check_output about the answer"
    assert asked.call
    return f"ask the rules about {call_state_text(asked.call)}"


def describe_run(call: CallState) -> str:
    """That the call runs, runs again, or goes on as its child."""
    what = call_state_text(call)
    if call.child:
        return f"go on with {what} in thread {call.child.thread_id}"
    if call.attempt == 0:
        return f"run {what}"
    return f"run {what} again, with the same idempotency key {call.key}"


def describe_event(event: e.Event) -> str:
    """What is recorded, as the end of "record ..."."""
    match event:
        case e.ToolFailed(call_id=call_id, message=message):
            return f"that {call_id} can't run: {message}"
        case e.ToolDeferred(call_id=call_id):
            return f"that the model goes on without {call_id}, to be shown what a person has said"
        case e.ApprovalAsked(call_id=call_id):
            return f"that {call_id} needs approval"
        case e.TurnEnded(status=status, reason=reason):
            return f"that the turn has ended: {', '.join(filter(None, (status, reason)))}"
        case e.LimitReached(limit=limit):
            return f"that the limit of {limit} is reached"
        case _:
            return type(event).__name__


def call_state_text(call: CallState) -> str:
    """The call as it would run: its id, name and arguments."""
    return call_text(e.Call(call.id, call.name, call.final_arguments))


def call_text(call: e.Call) -> str:
    """The same of a call as it was asked for."""
    return f"{call.id} {call.name}({short(call.arguments)})"


def short(text: str, most: int = 120) -> str:
    """The text, cut where it is longer than so many characters."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text)} characters)"


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
