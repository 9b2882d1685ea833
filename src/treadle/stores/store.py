"""What a log asks of the place it is kept in. Any store passes the one contract suite in tests/stores/."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from ..core.codec import row_checksum


class Row(msgspec.Struct, frozen=True):
    """A record as a store sees it: it knows the envelope, never the event."""

    seq: int
    at: float
    event: bytes
    """JSON, as codec.py writes it."""
    worked_s: float = 0.0
    """Seconds that the writer has worked on the thread since its own last record there."""
    checksum: int = 0
    """Of the other fields and the thread's name. The store works it out; a caller's is ignored."""


class ThreadInfo(msgspec.Struct, frozen=True):
    thread_id: str
    records: int
    updated_at: float
    """Seconds since the epoch, UTC, of the last record."""
    damaged: str = ""
    """What is wrong, where the listing meets it. Only `read` looks at every record."""


def with_checksum(thread_id: str, row: Row) -> Row:
    """The row as a store keeps it."""
    checksum = row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event)
    return msgspec.structs.replace(row, checksum=checksum)


class Store(Protocol):
    """Append-only logs, one for each thread. A taken seq is refused: that is what makes one writer of many."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """All of the rows or none; acknowledged ones survive the death of the process.

        Their seqs are consecutive. Raises SeqTaken if the thread's next seq isn't the first of them.
        """
        ...

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        """The rows above `after_seq`, in order; none for a thread that isn't there.

        Raises StoreDamaged, naming thread and seq, where a row is missing or isn't as written.
        """
        ...

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        """The threads, the last written first. A damaged one hides no other."""
        ...
