"""Makes records of a store's rows, and rows of records. Pure."""

from collections.abc import Iterable

from ..core.codec import decode_event, encode_event
from ..core.events import Record
from .store import Row


def from_rows(thread_id: str, rows: Iterable[Row]) -> list[Record]:
    """The records that these rows of a thread hold. Raises StoreDamaged."""
    return [
        Record(thread_id, row.seq, row.at, decode_event(row.event), row.worked_s) for row in rows
    ]


def to_rows(records: Iterable[Record]) -> list[Row]:
    """The rows that hold these records. Raises UsageError for text that can't be encoded."""
    return [Row(each.seq, each.at, encode_event(each.event), each.worked_s) for each in records]
