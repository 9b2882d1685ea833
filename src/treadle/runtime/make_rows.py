"""What an append writes: records as they will be read, their rows, the state after them. Pure."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from ..core import events as e
from ..core.account import find_entries
from ..core.limits import Ceiling
from ..core.state import State, apply
from ..core.status import line_at_append
from ..core.write_event import write_event
from ..stores.store import Row


def make_rows(
    thread_id: str,
    state: State,
    events: Sequence[e.Event],
    at: float,
    worked_s: Callable[[int], float | None],
    ceilings: Mapping[str, Ceiling] | None,
) -> tuple[list[e.Record], list[Row], State]:
    """The records of these events, which come after this state, their rows, and the state then.

    `worked_s` gives the seconds of work of the record at each place. Raises UsageError for an event
    that can't be written, IllegalEvent.
    """
    records: list[e.Record] = []
    rows: list[Row] = []
    for index, event in enumerate(events):
        data, read = write_event(event)
        record = e.Record(thread_id, state.seq + 1, at, read, worked_s(index))
        entries = find_entries(state.turn, state.claim, record, ceilings)
        state = apply(state, record)
        records.append(record)
        rows.append(Row(record.seq, at, data, record.worked_s, entries=entries))
    status, due = line_at_append(state)
    rows[-1] = replace(rows[-1], status=status, due=due)
    return records, rows, state
