"""The embedded default: one SQLite file, write-ahead logging, no server.

An append is one short transaction on the caller's thread. It takes some 20 microseconds, less than
handing it to another thread would. Once `append` returns, the records survive the death of the
process. With `durability="full"` they survive a power cut too: a background thread waits for the
disk, once for all the appends that came meanwhile (group_commit.py). Not for network file systems:
SQLite's locks don't work there.
"""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..core.codec import decode_event, tags_of
from ..core.errors import SeqTaken, StoreDamaged, StoreError, UsageError
from ..core.events import Event, ModelReplied, UserSaid
from .connection import SharedConnection
from .group_commit import GroupCommit
from .sqlite_file import connect, default_path
from .store import Row, ThreadInfo

_APPEND = """
insert into record (thread_id, seq, at, event) select ?, ?, ?, ?
where (select coalesce(max(seq), 0) from record where thread_id = ?) = ?
"""
_LAST_RECORDS = """
with recursive name(thread_id) as (
    select min(thread_id) from record
    union all
    select (select min(thread_id) from record where thread_id > name.thread_id)
    from name where thread_id is not null
)
select last.thread_id, last.seq, last.at,
    json_extract(last.event, '$.type') as type, json_extract(last.event, '$.status') as status
from name join record as last on last.thread_id = name.thread_id
    and last.seq = (select max(seq) from record where thread_id = name.thread_id)
order by last.id desc
"""
"""Jumps from thread to thread in the index, so that the lengths of the logs don't matter."""
_LAST_SEQS = """
select value, (select max(seq) from record where thread_id = value) from json_each(?)
"""
_ORIGIN = """
select json_extract(event, '$.agent'), json_extract(event, '$.parent_thread_id') from record
where thread_id = ? and seq = 1
"""
_TEXTS = """
select event from record
where thread_id = :thread_id
    and json_extract(event, '$.type') in (select value from json_each(:types))
order by seq limit :limit
"""
_COUNT_TURNS = """
select count(*) from record
where thread_id = :thread_id
    and json_extract(event, '$.type') in (select value from json_each(:types))
    and json_extract(event, '$.answers') is null
"""
_CHILDREN = """
select thread_id from record
where seq = 1 and json_extract(event, '$.type') = 'ThreadStarted'
    and json_extract(event, '$.parent_thread_id') = ?
order by id
"""
_WITHOUT_TEXTS = """
select thread_id, seq, at,
    case json_type(event, '$.content') when 'array' then event
    else json_replace(event, '$.text', '', '$.content', '', '$.instructions', '') end
from record
where {threads} and json_extract(event, '$.type') in (select value from json_each(:types))
order by id
"""


class LastRecord(msgspec.Struct, frozen=True):
    """A thread's last record: the parts that a list of threads shows."""

    thread_id: str
    seq: int
    at: float
    type: str
    status: str | None
    """The status of a TurnEnded; None for other events."""


class Origin(msgspec.Struct, frozen=True):
    """Who started a thread."""

    agent: str
    parent_thread_id: str
    """Empty if a person started it."""


class SQLiteStore:
    """Logs in the file at `path`, by default TREADLE_DB or treadle.db in the user's data directory.

    The file is opened at the first use. Many threads and processes may use it at once, also after
    forks. Raises StoreDamaged for a file that is torn or that another program or a newer Treadle
    wrote, and doesn't change it.
    """

    def __init__(
        self, path: str | Path | None = None, *, durability: Literal["process", "full"] = "process"
    ) -> None:
        if str(path) == ":memory:":
            raise UsageError(
                "an SQLite database in memory would be lost; use MemoryStore() for that"
            )
        self.path = Path(path) if path else default_path()
        self._connection = SharedConnection(partial(connect, self.path, "normal"))
        self._appends = 0
        self._commits: GroupCommit | None = None
        if durability == "full":
            self._commits = GroupCommit(partial(connect, self.path, "full"), insert)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        try:
            if self._commits:
                await self._commits.append(thread_id, rows)
                return
            with self._connection as db:
                self._appends += 1
                if len(rows) == 1:  # one statement is a transaction by itself
                    insert(db, thread_id, rows)
                    return
                db.execute("begin immediate")
                try:
                    insert(db, thread_id, rows)
                    db.execute("commit")
                finally:
                    if db.in_transaction:
                        db.execute("rollback")
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}; nothing was written") from error

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        query = "select seq, at, event from record where thread_id = ? and seq > ? order by seq"
        return [
            Row(seq, at, event.encode())
            for seq, at, event in self.select(query, (thread_id, after_seq))
        ]

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        rows = self.select(f"{_LAST_RECORDS} limit ?", (limit,))
        return [ThreadInfo(thread_id, seq, at) for thread_id, seq, at, *_ in rows]

    def version(self) -> tuple[int, int, int]:
        """SQLite's own number, which counts what other connections write, and our appends.

        The number is that of a connection: another connection counts anew.
        """
        try:
            with self._connection as db:
                [number] = db.execute("pragma data_version").fetchone()
                return self._connection.opened, number, self._appends
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}") from error

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        names = msgspec.json.encode(thread_ids).decode()
        return {name: seq or 0 for name, seq in self.select(_LAST_SEQS, (names,))}

    def select(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """The rows of any SQL query; the logs are in the table `record`. Raises StoreDamaged."""
        try:
            with self._connection as db:
                return db.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path}: {error}; it was left as it is") from error

    # Queries for lists of threads and sums over them, which decode no whole log. All raise
    # StoreDamaged.

    def last_records(self) -> list[LastRecord]:
        """The last record of each thread, the last written first."""
        return [LastRecord(*row) for row in self.select(_LAST_RECORDS)]

    def read_origin(self, thread_id: str) -> Origin:
        """The agent and the parent of a thread that exists."""
        [(agent, parent)] = self.select(_ORIGIN, (thread_id,))
        return Origin(str(agent or ""), str(parent or ""))

    def read_texts(self, thread_id: str) -> list[str]:
        """The texts of the user and the model in a thread, oldest first."""
        return self._texts(thread_id, (UserSaid, ModelReplied))

    def read_first_message(self, thread_id: str) -> str:
        """The text of the user's first message; empty if there is none."""
        return "".join(self._texts(thread_id, (UserSaid,), limit=1))

    def _texts(self, thread_id: str, kinds: Sequence[type[Event]], limit: int = -1) -> list[str]:
        """A damaged event says nothing."""
        values = {"thread_id": thread_id, "types": _encode_tags(kinds), "limit": limit}
        texts = []
        for (data,) in self.select(_TEXTS, values):
            with contextlib.suppress(StoreDamaged):
                event = decode_event(data)
                if isinstance(event, UserSaid | ModelReplied):
                    texts.append(event.text)
        return texts

    def count_turns(self, thread_id: str) -> int:
        """How many turns a thread has. An answer to a tool's question starts no turn."""
        values = {"thread_id": thread_id, "types": _encode_tags((UserSaid,))}
        [(count,)] = self.select(_COUNT_TURNS, values)
        return int(count)

    def count_records(self) -> int:
        [(count,)] = self.select("select count(*) from record")
        return int(count)

    def list_children(self, thread_id: str) -> list[str]:
        """The children of a thread, the oldest first."""
        return [child for (child,) in self.select(_CHILDREN, (thread_id,))]

    def read_types(
        self, kinds: Sequence[type[Event]], thread_id: str | None = None
    ) -> list[tuple[str, Row]]:
        """Thread ids and rows of the events of these kinds, in the order they were appended.

        Of one thread, or of all. The texts of the events, most of the file, are left out, but for
        those of a reply with more than text: its calls stand among them.
        """
        threads = "true" if thread_id is None else "thread_id = :thread_id"
        values = {"types": _encode_tags(kinds), "thread_id": thread_id}
        rows = self.select(_WITHOUT_TEXTS.format(threads=threads), values)
        return [(name, Row(seq, at, event.encode())) for name, seq, at, event in rows]

    def find_file_damage(self) -> list[str]:
        """What SQLite finds wrong with the file, a sentence each. Reads all of the file."""
        lines = [str(line) for (line,) in self.select("pragma integrity_check")]
        return [line for line in lines if line != "ok"]

    def vacuum(self) -> None:
        """Give unused space back to the disk, and move the write-ahead log into the file."""
        self.select("vacuum")
        self.select("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._commits:
            self._commits.close()
        self._connection.close()


def _encode_tags(kinds: Sequence[type[Event]]) -> str:
    """The names of these kinds of event in the file, as a JSON list."""
    return msgspec.json.encode(tags_of(kinds)).decode()


def insert(db: sqlite3.Connection, thread_id: str, rows: Sequence[Row]) -> None:
    """Add the rows in the open transaction. Raises SeqTaken if a seq isn't the thread's next."""
    for row in rows:
        values = (thread_id, row.seq, row.at, row.event.decode(), thread_id, row.seq - 1)
        if not db.execute(_APPEND, values).rowcount:
            raise SeqTaken(
                f"seq {row.seq} of thread {thread_id!r} can't be written: it isn't the next"
            )
