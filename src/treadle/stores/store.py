"""What a log asks of the place it is kept in. Any store passes the one contract suite in tests/stores/."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Row(msgspec.Struct, frozen=True):
    """A record as a store sees it: it knows the envelope, never the event."""

    seq: int
    at: float
    event: bytes
    """JSON, as codec.py writes it."""
    worked_s: float | None = None
    """As in Record."""


class ThreadInfo(msgspec.Struct, frozen=True):
    thread_id: str
    records: int
    updated_at: float
    """Seconds since the epoch, UTC, of the last record."""


class Store(Protocol):
    """Append-only logs, one for each thread. A taken seq is refused: that is what makes one writer of many."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """All of the rows or none; acknowledged ones survive the death of the process.

        Their seqs are consecutive. Raises SeqTaken if the thread's next seq isn't the first of them.
        """
        ...

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        """The rows above `after_seq`, in order; none for a thread that isn't there."""
        ...

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        """The threads, the last written first."""
        ...
