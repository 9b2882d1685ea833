"""One turn among the turns of a thread: where it begins, whether it is over. Pure."""

from collections.abc import Sequence

from ..core import events as e
from ..core.state import State, fold

_OPENINGS = (e.ThreadStarted, e.ThreadClaimed, e.NotesRecalled)
"""What a driver writes together with the message that opens a turn."""


def seq_before(records: Sequence[e.Record], opened_seq: int) -> int:
    """The seq of the last record before those that opened this turn."""
    at = opened_seq - 1
    while at > 0 and isinstance(records[at - 1].event, _OPENINGS):
        at -= 1
    return at


def is_over(state: State, opened_seq: int) -> bool:
    """Whether the turn that this message opened has ended; by now there may be a later one."""
    turn = state.turn
    return turn is None or turn.opened_seq != opened_seq or not state.is_open


def up_to_turn(
    records: Sequence[e.Record], state: State, opened_seq: int
) -> tuple[Sequence[e.Record], State]:
    """The records up to the end of this turn, and the state after them."""
    if state.turn is None or state.turn.opened_seq <= opened_seq:
        return records, state
    end = opened_seq
    for record in records[opened_seq:]:
        if isinstance(record.event, e.UserSaid) and record.event.opens_turn:
            break
        if isinstance(record.event, e.TurnEnded):
            end = record.seq
    return records[:end], fold(records[:end])
