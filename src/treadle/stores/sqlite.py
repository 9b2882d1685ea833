"""The embedded default: one SQLite file, write-ahead logging, no server.

An append is one short transaction on the caller's thread: some 20 microseconds, less than handing it to another
thread would cost. Acknowledged records survive the death of the process. With `durability="full"` they survive a power
cut too; then the disk is waited for in another thread, once for all the appends that have come meanwhile.
Not for network file systems: SQLite's locks don't hold there.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..core.codec import row_checksum
from ..core.errors import StoreDamaged, StoreError, UsageError
from . import record_table
from .commits import GroupCommit
from .connection import Connection
from .store import Row, ThreadInfo

T = TypeVar("T")

APPLICATION_ID = 0x54524144  # "TRAD": whose file this is, in SQLite's own header
MIGRATIONS = (
    """
    create table record (
        id integer primary key,
        thread_id text not null,
        seq integer not null,
        at real not null,
        event text not null check (json_valid(event)),
        unique (thread_id, seq)
    ) strict
    """,
    """
    create table note (
        number integer primary key,
        id text not null unique,
        text text not null,
        scope text not null,
        about text not null,
        origin text not null,
        thread_id text not null,
        seq integer not null,
        at real not null,
        expires_at real,
        replaced_by text not null,
        replaced_at real,
        words text not null,
        topic text not null
    ) strict;
    create index note_words on note (scope, words);
    create index note_topic on note (scope, topic);
    create table note_write (
        key text primary key,
        outcome text not null,
        note_id text not null
    ) strict, without rowid;
    create table note_vector (
        note_id text not null,
        model text not null,
        vector blob not null,
        primary key (note_id, model)
    ) strict, without rowid
    """,
    """
    alter table record rename to record_1;
    create table record (
        id integer primary key,
        thread_id text not null,
        seq integer not null,
        at real not null,
        worked_s real not null,
        checksum integer not null,
        event text not null,
        unique (thread_id, seq)
    ) strict;
    insert into record
    select id, thread_id, seq, at, 0.0,
        row_checksum(thread_id, seq, at, 0.0, cast(event as blob)), event
    from record_1 order by id;
    drop table record_1;
    create table thread (
        thread_id text primary key,
        seq integer not null,
        at real not null,
        record_id integer not null
    ) strict, without rowid;
    insert into thread select thread_id, seq, at, id from record
    where (thread_id, seq) in (select thread_id, max(seq) from record group by thread_id)
    """,
)
"""Each brings the file from its index to the next version (`pragma user_version`). Never edited once released."""
BUSY_TIMEOUT_S = 30.0
"""How long an append waits for other processes before it gives up."""


class SQLiteStore:
    """Logs in the file at `path`; without one, TREADLE_DB, else treadle.db in the user's data directory.

    The file is opened at the first use. Safe for many threads, for many processes at once, and across forks. Raises
    StoreDamaged for a file that is torn, foreign or of a newer Treadle, and leaves it as it is.
    """

    def __init__(
        self, path: str | Path | None = None, *, durability: Literal["process", "full"] = "process"
    ) -> None:
        if str(path) == ":memory:":
            raise UsageError(
                "an SQLite database in memory would be lost; use MemoryStore() for that"
            )
        self.path = Path(path) if path else default_path()
        self._connection = Connection(partial(connect, self.path, "normal"), self.path)
        self._commits = (
            GroupCommit(
                Connection(partial(connect, self.path, "full"), self.path), record_table.insert
            )
            if durability == "full"
            else None
        )

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        try:
            if self._commits:
                await self._commits.append(thread_id, rows)
                return
            with self._connection as db:
                db.execute("begin immediate")
                try:
                    record_table.insert(db, thread_id, rows)
                    db.execute("commit")
                finally:
                    if db.in_transaction:
                        db.execute("rollback")
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}; nothing was written") from error

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return self._ask(lambda db: record_table.read(db, thread_id, after_seq))

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        return self._ask(lambda db: record_table.list_threads(db, limit))

    def select(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Rows of a query of one's own over `record` and `thread`. Raises StoreDamaged."""
        return self._ask(lambda db: db.execute(query, values).fetchall())

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._connection as db:
                return question(db)
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path}: {error}; it was left as it is") from error

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._commits:
            self._commits.close()
        self._connection.close()


def default_path() -> Path:
    """TREADLE_DB, else treadle.db in the user's data directory."""
    if os.environ.get("TREADLE_DB"):
        return Path(os.environ["TREADLE_DB"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("treadle", appauthor=False)) / "treadle.db"


def connect(path: Path, synchronous: Literal["normal", "full"]) -> sqlite3.Connection:
    """A connection to the file, made or brought to today's schema. Raises StoreDamaged, or StoreError for its place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(0o600)  # conversations are private
        if path.stat().st_size:
            _refuse_foreign(path)
        db = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(db)
            db.execute(f"pragma synchronous = {synchronous}")
            migrate(db)
        except BaseException:
            db.close()
            raise
        return db
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{path}: {error}; if it stays so, set TREADLE_DB or store= to another place"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(
            f"{path} is no usable database: {error}; it was left as it is"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} can't be opened: {error}; set TREADLE_DB or store= to another place"
        ) from error


def _write_ahead(db: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. Where others do the same at this moment, SQLite says so at once and doesn't wait."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def connect_in_memory() -> sqlite3.Connection:
    """A connection to a database of today's schema that lives as long as it is open."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(db)
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database to today's schema, in one transaction."""
    if db.execute("pragma user_version").fetchone()[0] == len(MIGRATIONS):
        return
    db.create_function("row_checksum", 5, row_checksum, deterministic=True)
    db.execute("begin immediate")  # another process may be doing the same: look again
    [(version,)] = db.execute("pragma user_version")
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in migration.split(
            ";"
        ):  # executescript() would commit what has been done so far
            db.execute(statement)
        db.execute(f"pragma user_version = {number}")
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute("commit")


def _marks(path: Path, mode: Literal["ro", "rw"]) -> tuple[int, int, int]:
    """Whose file it is, its schema's version, and how many tables it has."""
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S)
    ) as db:
        asks = (
            "pragma application_id",
            "pragma user_version",
            "select count(*) from sqlite_master",
        )
        db.execute(
            "begin"
        )  # all three as they are at one moment: another process may be making the file
        application, version, tables = (db.execute(ask).fetchone()[0] for ask in asks)
        return application, version, tables


def _refuse_foreign(path: Path) -> None:
    try:
        # Read-only: whoever closes a writable connection last moves the file's write-ahead log into it.
        application, version, tables = _marks(path, "ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        application, version, tables = _marks(
            path, "rw"
        )  # its maker was killed; only a writer can roll that back
    if application == version == tables == 0:
        return  # made by another process, a moment ago
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path} is a database of another program; it was left as it is")
    if version > len(MIGRATIONS):
        raise StoreDamaged(
            f"{path} was written by a newer Treadle (schema {version}); it was left as it is"
        )
