"""Makes records of a store's rows, and rows of records. Pure."""

from collections.abc import Iterable
from contextlib import suppress

from msgspec.structs import replace

from ..core.account import entries_of
from ..core.codec import decode_event, encode_event
from ..core.errors import IllegalEvent
from ..core.events import Record
from ..core.state import fold
from ..core.status import find_line
from .store import Row


def from_rows(thread_id: str, rows: Iterable[Row]) -> list[Record]:
    """The records that these rows of a thread hold. Raises StoreDamaged."""
    return [
        Record(thread_id, row.seq, row.at, decode_event(row.event), row.worked_s) for row in rows
    ]


def to_rows(log: Iterable[Record]) -> list[Row]:
    """The rows that hold the records of a whole log, with what follows from it: what a list of
    threads says of it, and what it changes in accounts.

    Raises UsageError for text that can't be encoded.
    """
    records = list(log)
    rows = [Row(each.seq, each.at, encode_event(each.event), each.worked_s) for each in records]
    with suppress(IllegalEvent):  # whoever reads it will meet that
        status, due = find_line(fold(records))
        rows[-1] = replace(rows[-1], status=status, due=due)
        entries = entries_of(records)
        for index, each in enumerate(entries):
            if each:
                rows[index] = replace(rows[index], entries=each)
    return rows
