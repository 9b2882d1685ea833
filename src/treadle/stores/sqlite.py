"""The embedded default: one SQLite file, write-ahead logging, no server.

An append is one short transaction on the caller's thread. It takes some 20 microseconds, less than
handing it to another thread would. Once `append` returns, the records survive the death of the
process. With `durability="full"` they survive a power cut too: a background thread waits for the
disk, once for all the appends that came meanwhile (group_commit.py). Not for network file systems:
SQLite's locks don't work there.

The event loop never waits for other processes: on its thread a busy file is an error at once, and
what met it is done again by a background thread, which waits.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ..core.errors import StoreDamaged, StoreError, UsageError
from . import record_table
from .attendance import find_attendance
from .busy import telling_of_waits
from .connection import SharedConnection
from .group_commit import GroupCommit
from .sqlite_file import BUSY_TIMEOUT_S, connect, default_path, describe, is_busy
from .store import Row, ThreadInfo

T = TypeVar("T")

_LAST_SEQS = """
select value, (select max(seq) from record where thread_id = value) from json_each(?)
"""
_ENDS = """
select json_extract(first.event, '$.agent'), json_extract(first.event, '$.parent_thread_id'),
    json_extract(last.event, '$.type'), json_extract(last.event, '$.status')
from record as first join record as last on last.thread_id = first.thread_id and last.seq = ?
where first.thread_id = ? and first.seq = 1 and json_valid(first.event) and json_valid(last.event)
"""
_CHILDREN = """
select thread_id from record
where seq = 1
    and json_extract(case when json_valid(event) then event end, '$.parent_thread_id') = ?
order by id
"""
_SYNCHRONOUS: dict[str, Literal["normal", "full"]] = {"process": "normal", "full": "full"}
_UNLISTED = "select distinct thread_id from record except select thread_id from thread"


class Ends(msgspec.Struct, frozen=True):
    """What the first and the last record of a thread say of it."""

    agent: str
    parent_thread_id: str
    """Empty if a person started it."""
    last_type: str
    status: str
    """The status of a TurnEnded; empty if the last event is another."""


class SQLiteStore:
    """Logs in the file at `path`, by default TREADLE_DB or treadle.db in the user's data directory.

    The file is opened at the first use. Many threads and processes may use it at once, also after
    forks. Raises StoreDamaged for a file that is torn or that another program or a newer Treadle
    wrote, and doesn't change it. Raises StoreError once if the file was deleted, replaced or
    emptied while it was open; the next use opens what is there then.
    """

    def __init__(
        self, path: str | Path | None = None, *, durability: Literal["process", "full"] = "process"
    ) -> None:
        if str(path) == ":memory:":
            raise UsageError(
                "an SQLite database in memory would be lost; use MemoryStore() for that"
            )
        self.path = Path(path) if path else default_path()
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self._durability = durability
        self._quick = SharedConnection(partial(connect, self.path, busy_timeout_s=0), self.path)
        """For the event loop: it waits for nobody."""
        self._patient = SharedConnection(partial(connect, self.path), self.path)
        """For other threads: it waits until the file is free."""
        writer = SharedConnection(partial(connect, self.path, _SYNCHRONOUS[durability]), self.path)
        self._commits = GroupCommit(writer, record_table.insert)
        """Waits for the disk and for other processes, in a thread of its own."""
        self._appends = 0

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        try:
            if self._durability == "full" or not self._append_at_once(thread_id, rows):
                with telling_of_waits(self.path, BUSY_TIMEOUT_S):
                    await self._commits.append(thread_id, rows)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{describe(self.path, error)}; nothing was written") from error

    def _append_at_once(self, thread_id: str, rows: Sequence[Row]) -> bool:
        """False, and nothing is written, if that would have to wait for another process."""
        try:
            with self._quick as db:
                self._appends += 1
                db.execute("begin immediate")
                try:
                    record_table.insert(db, thread_id, rows)
                    db.execute("commit")
                finally:
                    if db.in_transaction:
                        db.execute("rollback")
        except (StoreError, sqlite3.OperationalError) as error:
            if not is_busy(error):
                raise
            return False
        return True

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self._read(lambda db: record_table.read(db, thread_id, after_seq))

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        return await self._read(lambda db: record_table.list_threads(db, limit))

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._ask(self._quick, question)
        except StoreError as error:
            if not is_busy(error):
                raise
        with telling_of_waits(self.path, BUSY_TIMEOUT_S):
            return await asyncio.to_thread(self._ask, self._patient, question)

    def attend(self, claim: str) -> AbstractContextManager[None]:
        return find_attendance(self.path).attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return find_attendance(self.path).find_beat(claim)

    def version(self) -> tuple[int, int, int]:
        """SQLite's own number, which counts what other connections write, and our appends.

        The number is that of a connection: another connection counts anew.
        """
        try:
            with self._quick as db:
                [number] = db.execute("pragma data_version").fetchone()
                return self._quick.opened, number, self._appends
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}") from error

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        names = msgspec.json.encode(thread_ids).decode()
        rows = self._ask(self._quick, lambda db: db.execute(_LAST_SEQS, (names,)).fetchall())
        return {name: seq or 0 for name, seq in rows}

    def select(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """The rows of any SQL query over the tables `record` and `thread`. Raises StoreDamaged."""
        return self._ask(self._patient, lambda db: db.execute(query, values).fetchall())

    def _ask(self, connection: SharedConnection, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with connection as db:
                return question(db)
        except sqlite3.OperationalError as error:
            raise StoreError(describe(self.path, error)) from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path}: {error}; it was left as it is") from error

    # Queries that read no whole log. They verify no checksums, and raise StoreDamaged.

    def read_ends(self, info: ThreadInfo) -> Ends:
        """What the ends of a listed thread say. Raises StoreDamaged if one can't be read."""
        found = self.select(_ENDS, (info.records, info.thread_id))
        if info.damaged or not found:
            reason = info.damaged or "its first or last record can't be read"
            raise StoreDamaged(f"thread {info.thread_id!r}: {reason}")
        return Ends(*(str(each or "") for each in found[0]))

    def count_records(self) -> int:
        [(count,)] = self.select("select count(*) from record")
        return int(count)

    def list_children(self, thread_id: str) -> list[str]:
        """The children of a thread, the oldest first."""
        return [child for (child,) in self.select(_CHILDREN, (thread_id,))]

    def find_file_damage(self) -> list[str]:
        """What is wrong with the file and its tables, a sentence each. Reads all of the file."""
        lines = [str(line) for (line,) in self.select("pragma integrity_check")]
        damage = [f"SQLite: {line}" for line in lines if line != "ok"]
        for (name,) in self.select(_UNLISTED):
            damage.append(f"thread {name} has records but isn't in the list of threads")
        return damage

    def vacuum(self) -> None:
        """Give unused space back to the disk, and move the write-ahead log into the file."""
        self.select("vacuum")
        self.select("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._commits.close()
        self._quick.close()
        self._patient.close()
