"""The embedded default: one SQLite file, write-ahead logging, no server.

An append is one short transaction on the caller's thread: some 20 microseconds, less than handing it to another
thread would cost. Acknowledged records survive the death of the process; with `durability="full"` also a power cut.
Not for network file systems: SQLite's locks don't hold there.
"""

import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ..errors import SeqTaken, StoreDamaged, StoreError
from .store import Row, ThreadInfo

APPLICATION_ID = 0x54524144  # "TRAD": whose file this is, in SQLite's own header
SCHEMA_VERSION = 1
_SCHEMA = """
create table record (
    id integer primary key,
    thread_id text not null,
    seq integer not null,
    at real not null,
    event text not null check (json_valid(event)),
    unique (thread_id, seq)
) strict
"""
_APPEND = """
insert into record (thread_id, seq, at, event) select ?, ?, ?, ?
where (select coalesce(max(seq), 0) from record where thread_id = ?) = ?
"""
BUSY_S = 30.0
"""How long an append waits for other processes before it gives up."""


class SQLiteStore:
    """Logs in the file at `path`; without one, TREADLE_DB, else treadle.db in the user's data directory.

    The file is opened at the first use. Safe for many threads, and for many processes at once. Raises StoreDamaged
    for a file that is torn, foreign or of a newer Treadle, and leaves it as it is.
    """

    def __init__(self, path: str | Path | None = None, *, durability: Literal["process", "full"] = "process") -> None:
        self.path = Path(path) if path else default_path()
        self._durability = durability
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._pid = 0

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._lock:
            db = self._connection()
            try:
                if len(rows) > 1:
                    db.execute("begin immediate")
                for row in rows:
                    values = (thread_id, row.seq, row.at, row.event.decode(), thread_id, row.seq - 1)
                    if not db.execute(_APPEND, values).rowcount:
                        raise SeqTaken(f"seq {row.seq} of thread {thread_id!r} can't be written: it isn't the next")
                if len(rows) > 1:
                    db.execute("commit")
            except sqlite3.DatabaseError as error:
                _rollback(db)
                raise StoreError(f"{self.path}: {error}; nothing was written") from error
            except BaseException:
                _rollback(db)
                raise

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        query = "select seq, at, event from record where thread_id = ? and seq > ? order by seq"
        return [Row(seq, at, event.encode()) for seq, at, event in self._select(query, (thread_id, after_seq))]

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        query = (
            "select thread_id, count(*), max(at), max(id) as last from record"
            " group by thread_id order by last desc limit ?"
        )
        return [ThreadInfo(thread_id, count, at) for thread_id, count, at, _ in self._select(query, (limit,))]

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _select(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            try:
                return self._connection().execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise StoreDamaged(f"{self.path}: {error}; it was left as it is") from error

    def _connection(self) -> sqlite3.Connection:
        if self._open is None or self._pid != os.getpid():  # a connection must not cross a fork
            self._open, self._pid = _opened(self.path, self._durability), os.getpid()
        return self._open


def default_path() -> Path:
    """TREADLE_DB, else treadle.db in the user's data directory."""
    if os.environ.get("TREADLE_DB"):
        return Path(os.environ["TREADLE_DB"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("treadle", appauthor=False)) / "treadle.db"


def _opened(path: Path, durability: str) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists() or path.stat().st_size == 0
        db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        if not fresh:
            _refuse_foreign(db, path)
        db.execute("pragma journal_mode = wal")
        db.execute(f"pragma synchronous = {'full' if durability == 'full' else 'normal'}")
        db.execute("begin immediate")
        [(version,)] = db.execute("pragma user_version")
        if version == 0:
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            db.execute(_SCHEMA)
            db.execute(f"pragma user_version = {SCHEMA_VERSION}")
        db.execute("commit")
        if fresh:
            path.chmod(0o600)  # conversations are private
        return db
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"{path} is no usable database: {error}; it was left as it is") from error
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error}; set TREADLE_DB or store= to another place") from error


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    [(application,)] = db.execute("pragma application_id")
    [(version,)] = db.execute("pragma user_version")
    if application == 0 and version == 0 and not db.execute("select count(*) from sqlite_master").fetchone()[0]:
        return  # made by another process, a moment ago
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path} is a database of another program; it was left as it is")
    if version > SCHEMA_VERSION:
        raise StoreDamaged(f"{path} was written by a newer Treadle (schema {version}); it was left as it is")


def _rollback(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("rollback")
