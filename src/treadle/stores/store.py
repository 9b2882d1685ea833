"""The Store protocol: where logs are kept.

Every store passes the contract suite in tests/stores.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import msgspec

from ..core.account import Balance, Entry
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
    status: str = ""
    """Of the thread after this record: `core.status.find_status`; "" where the writer can't say.
    The list of threads has it of the last record, and `read` doesn't give it back."""
    entries: tuple[Entry, ...] = ()
    """What the record changes in accounts. `read` doesn't give it back."""
    due: float | None = None
    """When somebody must look at the thread, if it waits: seconds since the epoch; None: never. As
    `status`, it is for the list of threads."""


class ThreadInfo(msgspec.Struct, frozen=True):
    """One line of a list of threads."""

    thread_id: str
    records: int
    updated_at: float
    """When the last record was written: seconds since the epoch, UTC."""
    damaged: str = ""
    """What is wrong with the thread, as far as the list shows it. Only `read` checks all of it."""
    agent: str = ""
    """The name of the agent that began it."""
    parent: str = ""
    """The thread that it works for; "" for one of a person's own."""
    status: str = ""
    """As `core.status.find_status` says; `damaged` where its log can't be read."""
    source: str = ""
    """The thread that it was forked from; "" for one that is no fork."""
    position: int = 0
    """Where it stands in the list: whatever was written later has a higher one."""


class Waking(ThreadInfo, frozen=True):
    """A thread that waits, and whose time to be looked at has come."""

    claim: str | None = None
    """Its last claim, where nothing but its driver, if there is one, keeps it from going on. None
    where only its log, or those of its children, say whether it can."""


class ThreadQuery(msgspec.Struct, frozen=True):
    """Which threads a list has: those that fit all of this, as `Store.threads` is asked."""

    limit: int = 100
    status: str | None = None
    agent: str | None = None
    parent: str | None = None
    key: str | None = None
    before: int | None = None


class Erased(msgspec.Struct, frozen=True):
    """What a store has deleted."""

    threads: tuple[str, ...]
    records: int
    notes: int = 0
    left: str = ""
    """Why bytes of them are still in a file; "" where none are. The next deletion removes them."""


def with_checksum(thread_id: str, row: Row) -> Row:
    """The row with its checksum, as a store keeps it."""
    checksum = row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event)
    return Row(row.seq, row.at, row.event, row.worked_s, checksum)


class Store(Protocol):
    """Append-only logs, one for each thread.

    A store refuses a seq that is already taken; that is why only one of several writers succeeds.
    """

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Write all of the rows or none. Once it returns, they survive the death of the process.

        Their seqs are consecutive. Raises SeqTaken if the first isn't the thread's next seq. Where
        the caller is cancelled, it raises that once the append has come to its end.

        Their `entries` are booked in the same transaction. Raises AccountFull, and writes nothing,
        where an account has no room for what is reserved, or another thread waits for it in front.
        """
        ...

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        """The rows after `after_seq`, in order; none for a thread that doesn't exist.

        Raises StoreDamaged, which names thread and seq, if a row is missing or has changed.
        """
        ...

    async def threads(
        self,
        limit: int = 100,
        *,
        status: str | None = None,
        agent: str | None = None,
        parent: str | None = None,
        key: str | None = None,
        before: int | None = None,
    ) -> list[ThreadInfo]:
        """The threads that fit all filters, the last written first, at most `limit` of them.

        `parent` is a thread whose children are asked for; "" asks for those that are nobody's
        child. `key` is that of a message. `before` is the `position` of a page's last thread: then
        the next page is given. A damaged thread hides no other.
        """
        ...


def tenant_of(store: Store) -> str:
    """Whose threads the store has; "" where it knows no tenants."""
    return str(getattr(store, "tenant", ""))


@runtime_checkable
class Queued(Protocol):
    """What a store may offer beside, so that those who wait for room in an account have it in the
    order in which they came."""

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        """Let the thread wait in line for these accounts, at the place that it has, if any."""
        ...

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        """Let it wait no longer, if it is this claim's driver that waits. One whose append was
        booked waits no longer either."""
        ...

    async def balance(self, account: str, now: float) -> Balance:
        """What the account has come to. `now`: seconds since the epoch."""
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
class Limiting(Protocol):
    """What a store may offer beside, so that only so many threads of a kind are driven at once."""

    def take_place(self, name: str, most: int) -> AbstractContextManager[bool]:
        """Hold one of so many places of this name until the context is left, in whatever process
        the others are held; False where none is free. A process that dies lets go of its places."""
        ...


@runtime_checkable
class Certain(Protocol):
    """What an Attended store may offer beside: to know, and not only to see nobody."""

    def is_gone(self, claim: str) -> bool:
        """Whether nobody can be driving this claim any more. False where the store can't know."""
        ...


@runtime_checkable
class Watchable(Protocol):
    """What a store may offer beside, so that those who drive its logs needn't read them to see that
    nothing happens. Both methods must be quick: the event loop waits for them. Raise StoreErrors.
    """

    def version(self) -> object:
        """A value that differs from the one before if anything was written, by any process."""
        ...

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        """The last seq of each of these threads; threads that don't exist may be left out."""
        ...


@runtime_checkable
class Timed(Protocol):
    """What a store may offer beside, so that nobody reads every thread that waits to find the one
    whose time has come, or the one that waits for a handle."""

    async def find_waking(self, now: float) -> list[Waking]:
        """The threads that wait, are nobody's child and have a `due` up to now; in any order."""
        ...

    async def find_handle(self, handle: str) -> list[str]:
        """The threads in which a call has noted this handle, as JSON text; by name."""
        ...

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        """Set the thread's `due`, unless it has more records than `seq` by now.

        The next record sets it anew. A list that is made anew from the logs has forgotten it.
        """
        ...


@runtime_checkable
class Erasable(Protocol):
    """What a store may offer beside, so that threads end some day: as the stores here do."""

    async def forks(self, thread_id: str) -> list[str]:
        """The threads that were forked from this one, or from a fork of it; by name."""
        ...

    async def delete(self, ends: Mapping[str, int], *, notes: bool = False) -> Erased:
        """Delete these threads, and leave no byte of them in any file; with `notes`, theirs too.

        All of them or none, also if the process is killed. `ends` gives the last seq of each:
        raises SeqTaken, and deletes nothing, if one has another by now. A thread that isn't there
        is no error: the rest of a deletion that was cut off is removed then.
        """
        ...

    async def was_deleted(self, thread_id: str, key: str) -> bool:
        """Whether a thread of this name with a message of this key has been deleted.

        Of a deleted thread nothing else is kept than a digest of the two.
        """
        ...
