"""The embedded default: one SQLite file, write-ahead logging, no server.

An append is one short transaction on the caller's thread. It takes some 20 microseconds, less than
handing it to another thread would. Once `append` returns, the records survive the death of the
process. With `durability="full"` they survive a power cut too: a background thread waits for the
disk, once for all the appends that came meanwhile (group_commit.py). Not for network file systems:
SQLite's locks don't work there.

The event loop never waits for other processes: on its thread a busy file is an error at once, and
what met it is done again by a background thread, which waits. Reads have a connection of their own,
so that no append waits for a long one of another event loop.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ..core.account import Balance
from ..core.age import check_retention
from ..core.errors import StoreDamaged, StoreError, UsageError
from ..core.name_kind import name_kind
from ..this_user import expand_home
from . import account_table, deletion, record_table
from .attendance import Attendance, find_attendance
from .busy import telling_of_waits
from .connection import OpenFile, SharedConnection
from .group_commit import GroupCommit, wait_to_the_end
from .rebuild_list import find_wrong_lines, repair_list
from .sqlite_file import BUSY_TIMEOUT_S, check_path, connect, default_path, describe, is_busy
from .store import Erased, Row, ThreadInfo, ThreadQuery, Waking
from .thread_list import (
    find_forks,
    find_handle,
    find_last_seqs,
    find_waking,
    list_threads,
    postpone,
)

T = TypeVar("T")

_CHILDREN = """
select thread_id from record
where seq = 1 and thread_id in (select thread_id from thread where parent = ?) order by id
"""
_SYNCHRONOUS: dict[str, Literal["normal", "full"]] = {"process": "normal", "full": "full"}
_UNLISTED = """
select distinct thread_id from record
except select thread_id from thread
except select char(31) || id from record where seq = 1
"""


class SQLiteStore:
    """Logs in the file at `path`, by default TREADLE_DB or treadle.db in the user's data directory.

    The file is opened at the first use. Many threads and processes may use it at once, also after
    forks. Raises StoreDamaged for a file that is torn or that another program or a newer Treadle
    wrote, and doesn't change it. Raises StoreError once if the file was deleted, replaced or
    emptied while it was open; the next use opens what is there then.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        durability: Literal["process", "full"] = "process",
        retention: str | None = None,
    ) -> None:
        if path is not None and not isinstance(path, str | Path):
            raise UsageError(f"SQLiteStore({name_kind(path)}): give the path of a file")
        if path:
            check_path("SQLiteStore", path)
        self.path = expand_home(path) if path else default_path()
        self.place = str(self.path)
        """The database in words."""
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self.retention = check_retention(retention)
        """How old a thread may become, such as "90d"; `delete_expired(store)` deletes older ones.
        Nothing does so by itself."""
        self._durability = durability
        at_once = partial(connect, self.path, busy_timeout_s=0)
        self._file = OpenFile(self.path)
        self._quick = SharedConnection(at_once, self._file)
        """For the appends of event loops: it waits for no other process."""
        self._reader = SharedConnection(at_once, self._file)
        """For their reads."""
        self._patient = SharedConnection(partial(connect, self.path), self._file)
        """For other threads: it waits until the file is free."""
        writer = SharedConnection(partial(connect, self.path, _SYNCHRONOUS[durability]), self._file)
        self._commits = GroupCommit(writer, record_table.insert)
        """Waits for the disk and for other processes, in a thread of its own."""

    def refuse_unkeepable(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Raise UsageError for rows that no file can keep."""
        record_table.refuse_mark(thread_id, rows)

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
            with self._quick as db, record_table.changing(db):
                record_table.insert(db, thread_id, rows)
        except (StoreError, sqlite3.OperationalError) as error:
            if not is_busy(error):
                raise
            return False
        return True

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self._read(lambda db: record_table.read(db, thread_id, after_seq))

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
        return await self._read(lambda db: list_threads(db, query))

    async def forks(self, thread_id: str) -> list[str]:
        return await self._find(find_forks, thread_id)

    async def find_waking(self, now: float) -> list[Waking]:
        return await self._read(lambda db: find_waking(db, now))

    async def find_handle(self, handle: str) -> list[str]:
        return await self._find(find_handle, handle)

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        await self._ask_soon(
            self._quick, lambda db: postpone(record_table.FileTables(db), thread_id, seq, due)
        )

    async def was_deleted(self, thread_id: str, key: str) -> bool:
        return await self._find(deletion.was_deleted, thread_id, key)

    async def delete(self, ends: Mapping[str, int], *, notes: bool = False) -> Erased:
        """As `Store.delete`. The file is written anew: appends wait as long as that takes."""
        loop = asyncio.get_running_loop()
        work = partial(self._ask, self._patient, lambda db: self._delete(db, ends, notes))
        return await wait_to_the_end(loop.run_in_executor(None, work))

    def _delete(self, db: sqlite3.Connection, ends: Mapping[str, int], notes: bool) -> Erased:
        erased = deletion.delete_rows(db, ends, notes)
        if not erased.threads and not deletion.is_unfinished(db):
            return erased
        try:
            deletion.finish(db)
        except sqlite3.DatabaseError as error:
            left = describe(self.path, error)
            return msgspec.structs.replace(erased, left=left)
        return erased

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        await self._find(account_table.queue, thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        await self._find(account_table.leave_queue, thread_id, claim)

    async def balance(self, account: str, now: float) -> Balance:
        return await self._find(account_table.read_account, account, now)

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        return await self._ask_soon(self._reader, question)

    async def _find(self, question: Callable[..., T], *values: Any) -> T:
        """The answer to a question about tables that PostgreSQL has too."""
        return await self._read(lambda db: question(record_table.FileTables(db), *values))

    async def _ask_soon(
        self, connection: SharedConnection, question: Callable[[sqlite3.Connection], T]
    ) -> T:
        """Ask at once, or in a thread where that has to wait for another process."""
        try:
            return self._ask(connection, question)
        except StoreError as error:
            if not is_busy(error):
                raise
        with telling_of_waits(self.path, BUSY_TIMEOUT_S):
            return await asyncio.to_thread(self._ask, self._patient, question)

    @cached_property
    def _attendance(self) -> Attendance:
        return find_attendance(self.path)

    def attend(self, claim: str) -> AbstractContextManager[None]:
        return self._attendance.attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return self._attendance.find_beat(claim)

    def take_place(self, name: str, most: int) -> AbstractContextManager[bool]:
        return self._attendance.take_place(name, most)

    def is_gone(self, claim: str) -> bool:
        return self._attendance.is_gone(claim)

    def version(self) -> tuple[int, int]:
        """SQLite's own number, which counts what other connections write, as all appends do.

        The number is that of a connection: another connection counts anew.
        """
        try:
            with self._reader as db:
                [number] = db.execute("pragma data_version").fetchone()
                return self._reader.opened, number
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}") from error

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        return self._ask(
            self._reader, lambda db: find_last_seqs(record_table.FileTables(db), thread_ids)
        )

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

    def exists(self) -> bool:
        """Whether there is a file yet. To read from a store makes it."""
        return self.path.exists()

    def size(self) -> int:
        """Bytes of its files, without what only others' locks need."""
        files = (self.path, Path(f"{self.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

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
            if name.startswith(record_table.NUMBER_MARK):
                damage.append(f"records of number {name[1:]} have lost the first of their thread")
            else:
                damage.append(f"thread {name} has records but isn't in the list of threads")
        return damage

    def find_wrong_lines(self) -> list[str]:
        """What the list of threads and the accounts say that the logs don't, a sentence each."""
        return self._ask(self._patient, lambda db: list(find_wrong_lines(db)))

    def repair_list(self) -> int:
        """Derive the list of threads and the accounts from the logs anew; how many were wrong."""
        return self._ask(self._patient, repair_list)

    def vacuum(self) -> None:
        """Give unused space back to the disk, and move the write-ahead log into the file."""
        self._ask(self._patient, deletion.finish)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._commits.close()
        self._quick.close()
        self._reader.close()
        self._patient.close()
        self._file.forget()
