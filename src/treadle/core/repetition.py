"""A model that repeats a call: what it is told, and when the turn ends. Pure."""

from . import events as e
from .call import CallState
from .limits import Limits


def find_repetition(call: CallState, limits: Limits) -> e.Event | None:
    """The answer to a call that the model has made too often in this turn.

    A model that repeats itself is told so once; after that the turn ends.
    """
    times = call.asked_before + call.twins_before
    if limits.repeats is None or times < limits.repeats:
        return None
    if call.asked_before > limits.repeats:  # it has been told
        return e.LimitReached("repeats", times, limits.repeats)
    advice = (
        f"not run: you have made this very call {times} times in this turn, and its results"
        " are above. Use them, change the arguments, or give the answer now; the next"
        " repetition ends the turn"
    )
    return e.ToolFailed(call.id, "repeated", advice)
