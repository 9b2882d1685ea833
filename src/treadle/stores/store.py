"""The Store protocol: where logs are kept.

Every store passes the contract suite in tests/stores.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import msgspec

from ..core.codec import row_checksum


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record as a store sees it: the envelope, with the event as bytes that it doesn't read."""

    seq: int
    at: float
    """Seconds since the epoch, UTC."""
    event: bytes
    """JSON, as codec.py writes it."""
    worked_s: float | None = None
    """As in Record."""
    checksum: int = 0
    """Of the other fields and the thread's name. The store computes it and ignores a caller's."""


class ThreadInfo(msgspec.Struct, frozen=True):
    """One line of a list of threads."""

    thread_id: str
    records: int
    updated_at: float
    """When the last record was written: seconds since the epoch, UTC."""
    damaged: str = ""
    """What is wrong with the thread, as far as the list shows it. Only `read` checks all of it."""


def with_checksum(thread_id: str, row: Row) -> Row:
    """The row with its checksum, as a store keeps it."""
    checksum = row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event)
    return msgspec.structs.replace(row, checksum=checksum)


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
        """The rows after `after_seq`, in order; none for a thread that doesn't exist.

        Raises StoreDamaged, which names thread and seq, if a row is missing or has changed.
        """
        ...

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        """The threads, the last written first. A damaged thread hides no other."""
        ...


@runtime_checkable
class Attended(Protocol):
    """What a store may offer beside, so that nobody takes a thread from a driver that is alive."""

    def attend(self, claim: str) -> AbstractContextManager[None]:
        """Drive this claim, in the running event loop, until the context is left."""
        ...

    def find_beat(self, claim: str) -> int | None:
        """A number that changes as long as the claim's driver works; None where nobody drives."""
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
