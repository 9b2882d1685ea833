"""What people found of turns: which turns they can rate, and what they have said. Pure."""

from collections.abc import Iterable

from . import events as e
from .errors import IllegalEvent
from .turn import Turn


def refuse_feedback(turn_seq: int, openings: int, turn: Turn | None) -> None:
    """Raise IllegalEvent unless this record opened a turn, and that turn has ended."""
    if turn_seq < 1 or not openings >> turn_seq & 1:
        raise IllegalEvent(f"record {turn_seq} is no message that opened a turn")
    if turn and turn.opened_seq == turn_seq and not turn.ended:
        raise IllegalEvent(f"the turn that record {turn_seq} opened hasn't ended yet")


def last_ended(openings: int, turn: Turn | None) -> int:
    """The seq of the message that opened the last turn that has ended; 0 where none has."""
    if turn is None:
        return 0
    if turn.ended:
        return turn.opened_seq
    before = openings & ((1 << turn.opened_seq) - 1)
    return max(0, before.bit_length() - 1)


def read_feedback(records: Iterable[e.Record]) -> list[e.FeedbackGiven]:
    """What holds of what people have said of turns: the last word of each person on each turn."""
    found: dict[tuple[int, str], e.FeedbackGiven] = {}
    for record in records:
        if isinstance(record.event, e.FeedbackGiven):
            found[record.event.turn_seq, record.event.by] = record.event
    return list(found.values())


def is_rated(records: Iterable[e.Record], rated: str) -> bool:
    """Whether a person found one of its turns `good`, or `bad`."""
    return any(said.good == (rated == "good") for said in read_feedback(records))
