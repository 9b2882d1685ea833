"""One turn among the turns of a thread: where it begins, whether it is over. Pure."""

from collections.abc import Callable, Iterable, Sequence

from ..core import events as e
from ..core.state import State, apply, fold

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


def up_to_end(
    records: Sequence[e.Record], state: State, number: int
) -> tuple[Sequence[e.Record], State]:
    """The records up to where a turn has ended so often, and the state after them; all of them
    where it has ended no more often, and isn't open again.
    """
    ends = [record.seq for record in records if isinstance(record.event, e.TurnEnded)]
    if len(ends) < number or (len(ends) == number and not state.is_open):
        return records, state
    shared = records[: ends[number - 1]]
    return shared, fold(shared)


def read_on(
    state: State,
    new: Iterable[e.Record],
    is_over: Callable[[State], bool],
    drives: bool,
    turn_seq: int,
) -> tuple[list[e.Record], State]:
    """The new records that belong to the turn that is driven or read, and the state after them.

    For its driver it is over with its end. Whoever only reads the turn that began at `turn_seq`
    (0: all turns) reads on where it was reopened: its end is the last one.
    """
    kept_state = state
    records: list[e.Record] = []
    kept = 0
    for record in new:
        state = apply(state, record)
        if turn_seq and state.turn and state.turn.opened_seq > turn_seq:
            break
        records.append(record)
        has_ended = is_over(state)
        if not has_ended or isinstance(record.event, e.TurnEnded):
            kept, kept_state = len(records), state
        if has_ended and drives:
            break
    return records[:kept], kept_state
