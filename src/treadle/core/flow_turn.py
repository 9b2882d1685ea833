"""What the steps of a flow's code change in its turn. Pure; turn.py has all other events."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import events as e
from .call import CallState, make_idempotency_key
from .errors import IllegalEvent
from .open_calls import OpenCalls, keep_call
from .shared_map import remove

if TYPE_CHECKING:
    from .turn import Turn


def apply_step(turn: "Turn", event: e.StepAsked, thread_key: str) -> "Turn":
    """The turn in which a flow's code has asked for a step. Raises IllegalEvent."""
    call = event.call
    if call.id in turn.calls:
        raise IllegalEvent(f"step {call.id} is under way already")
    if event.early and call.id in turn.early:
        return replace(turn, early=turn.early - {call.id}, questions=turn.questions | {call.id})
    step, given_up = turn.given_up.get(call.id), turn.given_up
    if step:
        given_up = remove(given_up, call.id)
    if step is None or step.call != call:
        key = make_idempotency_key(thread_key, call.id, call.arguments)
        step = CallState(call, key, step=True, idempotent=True)
    elif step.child:  # whoever starts it finds the child's thread, and how far that has come
        step = replace(step, status="allowed", child=None, waiting=())
    idempotent = event.idempotent and step.idempotent  # a child's never was
    step = replace(step, idempotent=idempotent, until=event.until or step.until)
    step = replace(step, verifies=event.verifies, labels=event.labels)
    calls = keep_call(turn.calls, step)
    return replace(turn, calls=calls, has_steps=True, given_up=given_up)


def given_up_after(given_up: OpenCalls, call: CallState, event: e.Event) -> OpenCalls:
    """The steps that were given up when they had begun, also this one if the event says that."""
    gives_up = isinstance(event, e.ToolFailed) and event.kind == "cancelled"
    if gives_up and call.step and call.attempt:
        return keep_call(given_up, call)
    return given_up


def comes_early(turn: "Turn", call_id: str) -> bool:
    """Whether an answer to this call is an event that a flow's code may still wait for."""
    is_known = call_id in turn.calls or call_id in turn.questions or call_id in turn.early
    return turn.has_steps and not is_known


def calls_at_limit(turn: "Turn") -> OpenCalls:
    """The calls that stay open where the turn has come to a limit.

    What a model has asked for and has not run, won't. A flow's code runs again once the limit is
    raised, and awaits its steps still.
    """
    return turn.calls if turn.has_steps else {}
