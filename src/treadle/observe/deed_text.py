"""Says in words what resuming a thread does with a call, or records. Pure."""

from ..core import events as e
from ..core.call import CallState
from ..core.next_action import RunCheck


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
