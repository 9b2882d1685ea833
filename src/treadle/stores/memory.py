"""A store in memory, gone when its process ends: for tests, and for work that nobody resumes."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from msgspec.structs import asdict

from ..core.account import Balance
from ..core.age import check_retention
from ..core.errors import IllegalEvent, SeqTaken, StoreDamaged
from ..core.state import fold
from ..core.status import find_status
from . import account_table
from .connection import SharedConnection
from .deletion import refuse_grown
from .marks import Marks, digest_of_key, read_claim, read_marks, tells_driver
from .migrations import ACCOUNTS
from .record_table import FileTables, changing
from .rows import from_rows
from .store import Erased, Row, ThreadInfo, ThreadQuery, Waking, with_checksum
from .thread_list import fits


@dataclass
class _Line:
    """What lists of threads say of a log."""

    marks: Marks = field(default_factory=Marks)
    status: str = ""
    position: int = 0
    due: float | None = None


class MemoryStore:
    """Keeps logs in memory, for as long as the process lives."""

    def __init__(self, *, retention: str | None = None) -> None:
        self.retention = check_retention(retention)
        """As that of an SQLiteStore."""
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self._rows: dict[str, list[Row]] = {}
        """By thread, the last written last."""
        self._lines: dict[str, _Line] = {}
        self._written = 0
        """How many appends and deletions there were."""
        self._accounts = SharedConnection(_make_accounts)
        """The tables of accounts, opened when a row first changes one."""
        self._deleted: set[bytes] = set()
        """Digests of the keys of deleted threads."""
        self._attended: set[str] = set()
        """The claims that are driven now."""
        self._places: Counter[str] = Counter()
        """By name, how many are held."""
        self._lock = threading.Lock()  # the event loops of several threads may share one store

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._lock:
            log = self._rows.get(thread_id, [])
            if rows[0].seq != len(log) + 1:
                raise SeqTaken(
                    f"seq {rows[0].seq} of thread {thread_id!r} can't be written;"
                    f" {len(log)} are there"
                )
            if any(row.entries for row in rows):
                self._book(thread_id, rows)
            # Removed and added again: the last written thread is then the last of the dict.
            self._rows.pop(thread_id, None)
            self._rows[thread_id] = log
            log.extend(with_checksum(thread_id, row) for row in rows)
            self._written += 1
            line = self._lines.setdefault(thread_id, _Line())
            line.position = self._written
            line.status, line.due = rows[-1].status, rows[-1].due
            _add_marks(line.marks, read_marks(rows))

    def _book(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._accounts as db, changing(db):
            account_table.book(FileTables(db), thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        with self._lock:
            return self._rows.get(thread_id, [])[after_seq:]

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
        with self._lock:
            keyed = [name for name, line in self._lines.items() if key in line.marks.keys]
            infos = (
                _info(name, rows, self._lines[name]) for name, rows in reversed(self._rows.items())
            )
            return list(islice((info for info in infos if fits(info, query, keyed)), limit))

    async def forks(self, thread_id: str) -> list[str]:
        with self._lock:
            lines = self._lines.items()
            return sorted(name for name, line in lines if thread_id in line.marks.sources)

    async def find_waking(self, now: float) -> list[Waking]:
        with self._lock:
            found = [
                _wake(name, self._rows[name], line)
                for name, line in self._lines.items()
                if line.due is not None and line.due <= now and not line.marks.parent
            ]
        return [each for each in found if each.status == "waiting"]

    async def find_handle(self, handle: str) -> list[str]:
        with self._lock:
            lines = self._lines.items()
            return sorted(name for name, line in lines if handle in line.marks.handles)

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        with self._lock:
            if len(self._rows.get(thread_id, ())) == seq:
                self._lines[thread_id].due = due

    async def delete(self, ends: Mapping[str, int], *, notes: bool = False) -> Erased:
        with self._lock:
            there = {name: self._rows[name] for name in ends if name in self._rows}
            for name, rows in there.items():
                refuse_grown(name, len(rows), ends[name])
            for name in there:
                del self._rows[name]
                with self._accounts as db:
                    account_table.forget(FileTables(db), name)
                keys = self._lines.pop(name).marks.keys
                self._deleted.update(digest_of_key(name, key) for key in keys)
            self._written += 1
        erased_notes = 0
        if "notes" in self.extras:
            erased_notes = await self.extras["notes"].forget_threads(list(ends), keep=not notes)
        records = sum(map(len, there.values()))
        return Erased(tuple(there), records, erased_notes)

    async def was_deleted(self, thread_id: str, key: str) -> bool:
        with self._lock:
            return digest_of_key(thread_id, key) in self._deleted

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        with self._accounts as db:
            account_table.queue(FileTables(db), thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        with self._accounts as db:
            account_table.leave_queue(FileTables(db), thread_id, claim)

    async def balance(self, account: str, now: float) -> Balance:
        with self._accounts as db:
            return account_table.read_account(FileTables(db), account, now)

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
        with self._lock:
            return {name: len(self._rows.get(name, ())) for name in thread_ids}


def _make_accounts() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(ACCOUNTS)
    return db


def _add_marks(marks: Marks, more: Marks | None) -> None:
    if more is None:
        return
    marks.agent = more.agent or marks.agent
    marks.parent = "" if more.sources else more.parent or marks.parent
    marks.sources += more.sources
    marks.keys += more.keys
    marks.handles += more.handles


def _info(name: str, rows: Sequence[Row], line: _Line) -> ThreadInfo:
    status = line.status or _fold_status(name, rows)
    marks, end = line.marks, rows[-1]
    about = (marks.agent, marks.parent, status, marks.source, line.position)
    return ThreadInfo(name, len(rows), end.at, "", *about)


def _wake(name: str, rows: Sequence[Row], line: _Line) -> Waking:
    claim = None
    if line.due:  # else its own log doesn't say when it goes on
        claim = read_claim(row.event for row in rows if tells_driver(row.event))
    return Waking(**asdict(_info(name, rows, line)), claim=claim)


def _fold_status(name: str, rows: Sequence[Row]) -> str:
    try:
        return find_status(fold(from_rows(name, rows)))
    except (StoreDamaged, IllegalEvent):
        return "damaged"
