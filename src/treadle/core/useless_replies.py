"""Replies that bring a turn no further: empty, cut off or rejected. Pure."""

from . import events as e
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
