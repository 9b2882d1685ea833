"""The Store protocol: where logs are kept.

Every store passes the contract suite in tests/stores.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec


class Row(msgspec.Struct, frozen=True):
    """A record as a store sees it: the envelope, with the event as bytes that it doesn't read."""

    seq: int
    at: float
    """Seconds since the epoch, UTC."""
    event: bytes
    """JSON, as codec.py writes it."""
    worked_s: float | None = None
    """As in Record."""


class ThreadInfo(msgspec.Struct, frozen=True):
    """One line of a list of threads."""

    thread_id: str
    records: int
    updated_at: float
    """When the last record was written: seconds since the epoch, UTC."""


class Store(Protocol):
    """Append-only logs, one for each thread.

    A store refuses a seq that is already taken; that is why only one of several writers succeeds.
    """

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Write all of the rows or none. Once it returns, they survive the death of the process.

        Their seqs are consecutive. Raises SeqTaken if the first isn't the thread's next seq.
        """
        ...

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        """The rows after `after_seq`, in order; none for a thread that doesn't exist."""
        ...

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        """The threads, the last written first."""
        ...


@runtime_checkable
class Watchable(Protocol):
    """What a store may offer beside, so that those who drive its logs needn't read them to see that
    nothing happens. Both methods must be quick: the event loop waits for them. Raise StoreErrors.
    """

    def version(self) -> Any:
        """A value that differs from the one before if anything was written, by any process."""
        ...

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """The last seq of each of these threads; threads that don't exist may be left out."""
        ...
