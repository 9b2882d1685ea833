"""What the steps of a flow's code change in its turn. Pure; turn.py has all other events."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import events as e
from .call import CallState, make_idempotency_key
from .errors import IllegalEvent
from .open_calls import OpenCalls, keep_call

if TYPE_CHECKING:
    from .turn import Turn


def apply_step(turn: "Turn", event: e.StepAsked, thread_key: str) -> "Turn":
    """The turn in which a flow's code has asked for a step. Raises IllegalEvent."""
    call = event.call
    if call.id in turn.calls:
        raise IllegalEvent(f"step {call.id} is under way already")
    if event.early and call.id in turn.early:
        return replace(turn, early=turn.early - {call.id}, questions=turn.questions | {call.id})
    key = make_idempotency_key(thread_key, call.id, call.arguments)
    step = CallState(call, key, step=True, until=event.until)
    step = replace(step, idempotent=event.idempotent, verifies=event.verifies, labels=event.labels)
    return replace(turn, calls=keep_call(turn.calls, step), has_steps=True)


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
