"""Logs in PostgreSQL: for many processes on many machines, and for many tenants in one database.

1. Who has written reads it: an append is committed, and on the server's disk, when it returns.
2. Everything is of one tenant, which is a part of every key and every query: a store sees no other
   tenant's threads, notes or accounts, and a thread of another is one that doesn't exist.
3. No clock but the server's says who is alive (`postgres_drivers.py`).
4. Where the connection breaks off in the middle of an append, nobody knows whether it was written.
   So the log is looked at before it is tried again: a record is never written twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.account import Balance
from ..core.age import check_retention
from ..core.errors import AccountFull, SeqTaken, UsageError
from . import account_table, postgres_accounts, postgres_check, postgres_deletion, postgres_list
from . import postgres_records as records
from .deletion import was_deleted
from .group_commit import wait_to_the_end
from .marks import Marks, read_marks
from .postgres_drivers import ASK_S, Drivers
from .postgres_pool import Pool
from .postgres_schema import is_there
from .postgres_url import read_url
from .postgres_watch import Watch
from .store import Erased, Row, ThreadInfo, ThreadQuery, Waking
from .thread_list import find_forks, find_handle, find_last_seqs, postpone

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")


class PostgresStore:
    """Logs of one tenant in the PostgreSQL database at a URL such as postgresql://host/agents.

    The tenant is `tenant`, or `?tenant=acme` in the URL, or main. The tables are made at the first
    use. Any number of event loops, threads, processes and machines may use it at once, and it may
    be used after forks. Raises StoreDamaged for a database that a newer Treadle has written, and
    StoreError for a server that can't be reached, once it has been tried for 15 seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        tenant: str | None = None,
        retention: str | None = None,
        connections: int = 8,
    ) -> None:
        address = read_url(url, tenant)
        if connections < 1:
            raise UsageError(f"connections={connections}: a store needs one at least")
        self.url = url
        self.place = address.shown
        """The database in words, without its password."""
        self.tenant = address.tenant
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self.retention = check_retention(retention)
        """How old a thread may become, such as "90d"; `delete_expired(store)` deletes older ones.
        Nothing does so by itself."""
        self.pool = Pool(address.url, self.tenant, self.place, connections)
        digest = blake2b(self.tenant.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        self._watch = Watch(self.pool, f"treadle_{digest}")
        self._drivers = Drivers(self.pool, self.tenant)

    def refuse_unkeepable(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Raise UsageError for rows that PostgreSQL can't keep."""
        refuse_text("thread", thread_id)
        marks = read_marks(rows) or Marks()
        for what, texts in (
            ("agent", [marks.agent]),
            ("thread", [marks.parent, *marks.sources]),
            ("key", marks.keys),
            ("account", [entry.account for row in rows for entry in row.entries]),
        ):
            for text in texts:
                refuse_text(what, text)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        self.refuse_unkeepable(thread_id, rows)
        await self.run(partial(self._append, thread_id, rows))

    def _append(self, thread_id: str, rows: Sequence[Row]) -> None:
        tried = False

        def write(db: "Connection[Any]") -> None:
            nonlocal tried
            was_tried, tried = tried, True
            if was_tried and records.has_written(db, self.tenant, thread_id, rows):
                return
            try:
                position = records.append(db, self.tenant, thread_id, rows)
                self._watch.note_own(position)
            except (SeqTaken, AccountFull):
                # By what was sent before the connection broke off, and has come to its end now.
                if not was_tried or not records.has_written(db, self.tenant, thread_id, rows):
                    raise

        self.pool.ask(write)
        self._watch.tell()

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        if "\0" in thread_id:
            return []
        return await self._ask(records.read, thread_id, after_seq)

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
        if any(text and "\0" in text for text in (status, agent, parent, key)):
            return []  # PostgreSQL has none such
        query = ThreadQuery(limit, status, agent, parent, key, before)
        return await self._ask(postgres_list.list_threads, query)

    async def forks(self, thread_id: str) -> list[str]:
        if "\0" in thread_id:
            return []
        return await self._find(find_forks, thread_id)

    async def find_waking(self, now: float) -> list[Waking]:
        return await self._ask(postgres_list.find_waking, now)

    async def find_handle(self, handle: str) -> list[str]:
        return await self._find(find_handle, handle)

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        await self._find(postpone, thread_id, seq, due)

    async def was_deleted(self, thread_id: str, key: str) -> bool:
        return await self._find(was_deleted, thread_id, key)

    async def delete(self, ends: Mapping[str, int], *, notes: bool = False) -> Erased:
        """As `Store.delete`. Bytes of them stay in the server's files for a while."""
        erased = await self._ask(postgres_deletion.delete_threads, ends, notes)
        self._watch.note_own(0)
        self._watch.tell()
        return erased

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        await self._ask(postgres_accounts.queue, thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        await self._find(account_table.leave_queue, thread_id, claim)

    async def balance(self, account: str, now: float) -> Balance:
        return await self._find(account_table.read_account, account, now)

    async def _ask(self, question: Callable[..., T], *values: Any) -> T:
        """The answer to a question about this tenant, from a thread of the store's own."""
        return await self.run(partial(self.ask, question, *values))

    async def _find(self, question: Callable[..., T], *values: Any) -> T:
        """As `_ask`, a question about tables that SQLite has too."""
        return await self._ask(lambda *mine: question(records.TenantTables(*mine), *values))

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in a thread of the store's own; to its end, even where the caller is cancelled."""
        loop = asyncio.get_running_loop()
        return await wait_to_the_end(loop.run_in_executor(self.pool.executor(), work))

    def ask(self, question: Callable[..., T], *values: Any) -> T:
        """As `_ask`, in this thread."""
        return self.pool.ask(lambda db: question(db, self.tenant, *values))

    def attend(self, claim: str) -> AbstractContextManager[None]:
        return self._drivers.attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return self._drivers.find_beat(claim)

    def take_place(self, name: str, most: int) -> AbstractContextManager[bool]:
        return self._drivers.take_place(name, most)

    def is_gone(self, claim: str) -> bool:
        return self._drivers.is_gone(claim)

    def version(self) -> object:
        return self._watch.version()

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        def question(db: "Connection[Any]") -> dict[str, int]:
            return find_last_seqs(records.TenantTables(db, self.tenant), thread_ids)

        return dict.fromkeys(thread_ids, 0) | self.pool.ask(question, ASK_S)

    # Queries that read no whole log.

    def exists(self) -> bool:
        """Whether there is anything to read: always, where the server can be reached."""
        return self.pool.ask(is_there)

    def count_records(self) -> int:
        return self.ask(postgres_check.count_records)

    def list_children(self, thread_id: str) -> list[str]:
        """The children of a thread, the oldest first."""
        return self.ask(postgres_check.list_children, thread_id)

    def list_names(self, beginning: str) -> list[str]:
        """The threads whose names begin so, the last written first."""
        return self.ask(postgres_check.list_names, beginning)

    def find_file_damage(self) -> list[str]:
        """What is wrong with the tables, a sentence each."""
        return self.ask(postgres_check.find_unlisted)

    def find_wrong_lines(self) -> list[str]:
        """What the list of threads and the accounts say that the logs don't, a sentence each."""
        return self.ask(postgres_check.find_wrong_lines)

    def repair_list(self) -> int:
        """Derive the list of threads and the accounts from the logs anew; how many were wrong."""
        return self.ask(postgres_check.repair_list)

    def size(self) -> int:
        """Bytes of all tables, of all tenants."""
        return self.pool.ask(postgres_check.measure)

    def vacuum(self) -> None:
        """Write the tables anew, of all tenants, which leaves no byte of deleted rows in them.

        Nobody else can use a table meanwhile. It takes the right of the tables' owner.
        """
        self.pool.ask(postgres_check.vacuum)

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._watch.close()
        self._drivers.close()
        self.pool.close()


MAX_NAME_BYTES = 800
"""An index of PostgreSQL takes rows of 2,704 bytes: a tenant and two names."""


def refuse_text(what: str, text: str) -> None:
    """Raise UsageError for a name that PostgreSQL can't keep as text, or not in an index."""
    if "\0" in text:
        raise UsageError(f"the {what} {text!r} has a NUL character, which PostgreSQL can't keep")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_NAME_BYTES:
        raise UsageError(
            f"the {what} {text[:60]!r}… is {size:,} bytes long; PostgreSQL finds names of at most"
            f" {MAX_NAME_BYTES}. Give a shorter one"
        )
