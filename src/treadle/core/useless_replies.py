"""Replies that bring a turn no further: empty, cut off, rejected, or a repeated call. Pure."""

from . import events as e
from .call import CallState
from .limits import Limits
from .turn import Turn

MAX_USELESS_REPLIES = 3
"""Replies in a row that are empty, cut off or rejected, after which the turn has failed."""


def is_used_up(reply: e.ModelReplied | None) -> bool:
    """Whether all tokens of the reply went into its text or its thinking.

    Asked again, the model would think as long, and be paid for it.
    """
    return reply is not None and reply.finish_reason == "length" and not reply.calls


def why_useless(turn: Turn, reply: e.ModelReplied) -> str:
    """Why the turn has failed after so many of them."""
    if turn.rejected:
        return (
            f"{MAX_USELESS_REPLIES} answers in a row were unfit; the last: {turn.rejected.message}"
        )
    return (
        f"{MAX_USELESS_REPLIES} replies in a row were of no use, empty or cut off; the last"
        f" finished with {reply.finish_reason!r}"
    )


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
