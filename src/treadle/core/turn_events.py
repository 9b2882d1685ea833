"""The events about a turn as a whole: its limits, its end, and what people found of it.

events.py has the rules for all events.
"""

from typing import Literal

from . import values as v
from .event_struct import EventStruct


class LimitReached(EventStruct, frozen=True):
    """What comes next would break a limit: of the turn, or of an account that others use, too."""

    limit: str
    used: float
    allowed: float
    account: str = ""
    """The account whose limit it is; "" for the turn's own."""
    waits: bool = False
    """The turn waits until the limit is raised, or until `until`. Else it comes to its end."""
    until: float | None = None
    """Seconds since the epoch when the account begins anew; None: never."""


class LimitRaised(EventStruct, frozen=True):
    """The turn, and what works for it, may use so much more. One that had ended at a limit goes on.

    With no amount it only lets what waits for a limit try again.
    """

    by: str
    reason: str = ""
    steps: v.Count = 0
    tool_calls: v.Count = 0
    tokens: v.Count = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class TurnEnded(EventStruct, frozen=True):
    """The end of a turn. The answer, maybe a partial one, is the last text that the model said."""

    status: Literal["answered", "limit", "failed", "refused", "cancelled"]
    reason: str = ""
    value: str = ""
    """What a flow returned, as JSON."""
    failed_steps: tuple[str, ...] = ()
    """The steps of a flow whose failures its error came from."""


class FeedbackGiven(EventStruct, frozen=True):
    """A person found a turn good or bad. A later one by the same person takes its place."""

    good: bool
    by: str
    reason: str = ""
    turn_seq: v.Count = 0
    """The seq of the message that opened the turn, which has ended. 0, in a post alone: the last
    turn that has."""
