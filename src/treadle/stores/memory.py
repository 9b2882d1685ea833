"""A store in memory, gone when its process ends: for tests, and for work that nobody resumes.

It has the tables of a database file in SQLite's memory, and so the same lists, accounts and errors.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..core.account import Balance
from ..core.age import check_retention
from . import account_table, deletion, record_table, thread_list
from .connection import SharedConnection
from .sqlite_file import connect_in_memory
from .store import Erased, Row, ThreadInfo, ThreadQuery, Waking

T = TypeVar("T")


class MemoryStore:
    """Keeps logs in memory, for as long as the process lives."""

    def __init__(self, *, retention: str | None = None) -> None:
        self.retention = check_retention(retention)
        """As that of an SQLiteStore."""
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self._tables = SharedConnection(connect_in_memory)
        self._written = 0
        """How many appends and deletions there were."""
        self._attended: set[str] = set()
        """The claims that are driven now."""
        self._places: Counter[str] = Counter()
        """By name, how many are held."""
        self._lock = threading.Lock()  # the event loops of several threads may share one store

    def refuse_unkeepable(self, thread_id: str, rows: Sequence[Row]) -> None:
        """As `SQLiteStore.refuse_unkeepable`."""
        record_table.refuse_mark(thread_id, rows)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._tables as db, record_table.changing(db):
            record_table.insert(db, thread_id, rows)
            self._written += 1

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        with self._tables as db:
            return record_table.read_rows(db, thread_id, after_seq)

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
        query = ThreadQuery(limit, status, agent, parent, key, before)
        with self._tables as db:
            return thread_list.list_threads(db, query)

    async def forks(self, thread_id: str) -> list[str]:
        return self._find(thread_list.find_forks, thread_id)

    async def find_waking(self, now: float) -> list[Waking]:
        with self._tables as db:
            return thread_list.find_waking(db, now)

    async def find_handle(self, handle: str) -> list[str]:
        return self._find(thread_list.find_handle, handle)

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        self._find(thread_list.postpone, thread_id, seq, due)

    async def delete(self, ends: Mapping[str, int], *, notes: bool = False) -> Erased:
        with self._tables as db:
            erased = deletion.delete_rows(db, ends, notes)
            deletion.finish(db)
            self._written += 1
        if "notes" in self.extras:
            forgotten = await self.extras["notes"].forget_threads(list(ends), keep=not notes)
            return Erased(erased.threads, erased.records, forgotten)
        return erased

    async def was_deleted(self, thread_id: str, key: str) -> bool:
        return self._find(deletion.was_deleted, thread_id, key)

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        self._find(account_table.queue, thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        self._find(account_table.leave_queue, thread_id, claim)

    async def balance(self, account: str, now: float) -> Balance:
        return self._find(account_table.read_account, account, now)

    def _find(self, question: Callable[..., T], *values: Any) -> T:
        with self._tables as db:
            return question(record_table.FileTables(db), *values)

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        self._attended.add(claim)
        try:
            yield
        finally:
            self._attended.discard(claim)

    @contextmanager
    def take_place(self, name: str, most: int) -> Iterator[bool]:
        with self._lock:
            is_free = self._places[name] < most
            self._places[name] += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._places[name] -= is_free

    def find_beat(self, claim: str) -> int | None:
        if claim not in self._attended:
            return None
        return time.monotonic_ns()  # it is in this process, which is alive

    def is_gone(self, claim: str) -> bool:
        return self.find_beat(claim) is None

    def version(self) -> int:
        """How often it was written to."""
        return self._written

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        return self._find(thread_list.find_last_seqs, thread_ids)
