"""Opens a database file: its default path, whether it is Treadle's, its schema's migrations.

A file that another program or a newer Treadle wrote, or that is no database, is refused and not
changed.
"""

import functools
import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

from ..core.codec import row_checksum
from ..core.errors import StoreDamaged, StoreError, UsageError
from ..core.name_kind import name_kind
from ..this_user import expand_home, user_folder
from .busy import describe_writer
from .deletion import finish, is_unfinished
from .migrations import LISTED_SINCE, MIGRATIONS
from .postgres_url import is_postgres
from .read_only import is_read_only, reading_uri

APPLICATION_ID = 0x54524144
""""TRAD" in SQLite's own file header: marks the file as Treadle's."""
BUSY_TIMEOUT_S = 30.0
"""How long a write waits for other processes before it gives up."""


def default_path() -> Path:
    """TREADLE_DB if it is set, else treadle.db in the user's data directory.

    Raises UsageError where TREADLE_DB is no file, and where it isn't set and the user has no home.
    """
    given = os.environ.get("TREADLE_DB")
    if given and is_postgres(given):
        raise UsageError("TREADLE_DB is a PostgreSQL database; name the path of the file here")
    if given:
        check_path("TREADLE_DB", given)
        return expand_home(given)
    return user_folder("data", "TREADLE_DB to a path") / "treadle.db"


def check_path(setting: str, path: str | Path) -> None:
    """Raise UsageError, which names the setting, for what is no path of a file."""
    if str(path) == ":memory:":
        raise UsageError(
            f"{setting}: an SQLite database in memory would be lost; use MemoryStore() for that"
        )
    if not str(path).strip():
        raise UsageError(f"{setting} is {name_kind(path)}; give the path of an SQLite file")
    if "://" in str(path):
        raise UsageError(
            f"{setting} is {name_kind(path)}, which is a URL; give the path of an SQLite file,"
            ' such as "agents.db", or postgresql://host/name'
        )
    if expand_home(path).is_dir():
        raise UsageError(f"{setting}: {path} is a folder; give the path of a file in it")


def is_busy(error: BaseException) -> bool:
    """Whether the error says that another process or connection is at work in the file."""
    if isinstance(error, StoreError) and error.__cause__:
        error = error.__cause__
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def describe(path: Path, error: sqlite3.Error) -> str:
    """What has failed, and what the user can do if the file was busy or can't be written to."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
        return (
            f"{path} can only be read: you may not write to it or to its folder. To go on with"
            " its threads, copy it to a folder of yours"
        )
    if not is_busy(error):
        return f"{path}: {error}"
    return (
        f"{path} is busy: {describe_writer(path)}, and hasn't finished within {BUSY_TIMEOUT_S:g} s"
    )


def connect(
    path: Path,
    synchronous: Literal["normal", "full"] = "normal",
    busy_timeout_s: float = BUSY_TIMEOUT_S,
) -> sqlite3.Connection:
    """A connection to the file, which is created or migrated if need be; one that only reads, where
    the file or its folder can't be written to.

    Where another process is at work in it, each use waits up to `busy_timeout_s`; then the error is
    one of which `is_busy` is true. Raises StoreDamaged for what is in the file, StoreError for a
    place that can't be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(0o600)  # conversations are private
        if path.stat().st_size == 0:
            with suppress(PermissionError):  # another's file: then its mode is that person's choice
                path.chmod(0o600)
        else:
            if is_read_only(path):
                return _connect_to_read(path, busy_timeout_s)
            _refuse_foreign(path, _look_at(path, busy_timeout_s))
        db = sqlite3.connect(
            path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(db, busy_timeout_s)
            db.execute(f"pragma synchronous = {synchronous}")
            migrate(db)
            _finish_deletion(db)
        except BaseException:
            db.close()
            raise
        return db
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{describe(path, error)}; if it stays so, set TREADLE_DB or store= to another place"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(
            f"{path} is no usable database: {error}; it was left as it is"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} can't be opened: {error}; set TREADLE_DB or store= to another place"
        ) from error


def _connect_to_read(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    uri, kind = reading_uri(path)
    db = sqlite3.connect(
        uri,
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )
    try:
        marks = _read_marks(db)
        _refuse_foreign(path, marks)
        if marks[1] != len(MIGRATIONS):
            raise StoreError(
                f"{path} was written by an older Treadle, and can't be written to; copy it to a"
                " folder of yours"
            )
    except BaseException:
        db.close()
        raise
    return db


def _finish_deletion(db: sqlite3.Connection) -> None:
    """Remove what a process has deleted that died before it was gone from the file."""
    with suppress(sqlite3.DatabaseError):  # busy, say, or damaged: then the next one does it
        if is_unfinished(db):
            finish(db)


def _write_ahead(db: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Turn the write-ahead log on.

    If another process does the same at this moment, SQLite fails at once instead of waiting: so
    this retries.
    """
    until = time.monotonic() + busy_timeout_s
    while True:
        try:
            db.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)


def connect_in_memory() -> sqlite3.Connection:
    """A connection to a new database in memory, with the current schema."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.deserialize(_make_empty())
        empty.backup(db)
    return db


@functools.cache
def _make_empty() -> bytes:
    """An empty database with the current schema: to migrate each one anew takes 20 ms."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        return db.serialize()


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database to the current schema, in one transaction."""
    if db.execute("pragma user_version").fetchone()[0] == len(MIGRATIONS):
        return
    db.create_function("row_checksum", 5, row_checksum, deterministic=True)
    db.execute("begin immediate")  # another process may have migrated meanwhile: look again
    [(version,)] = db.execute("pragma user_version")
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in migration.split(";"):  # executescript() would commit in between
            db.execute(_squeeze(statement))
        db.execute(f"pragma user_version = {number}")
    if 0 < version < LISTED_SINCE:
        from .rebuild_list import rebuild_list  # only now: it reads logs, and needs all of the core

        rebuild_list(db)
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute("commit")


def _squeeze(statement: str) -> str:
    """The statement without needless space.

    SQLite keeps the text. A small schema fits on the first page, so that no damage to another page
    can make the whole file unreadable.
    """
    return re.sub(r"\s*([(),])\s*", r"\1", " ".join(statement.split()))


def _read_marks(db: sqlite3.Connection) -> tuple[int, int, int]:
    """The file's application id, its schema's version, and how many tables it has."""
    # One transaction: another process may be creating the file at this moment.
    db.execute("begin")
    [(application,)] = db.execute("pragma application_id")
    [(version,)] = db.execute("pragma user_version")
    [(tables,)] = db.execute("select count(*) from sqlite_master")
    db.execute("commit")
    return application, version, tables


def _look_at(path: Path, busy_timeout_s: float) -> tuple[int, int, int]:
    """The marks of a file that can be written to."""
    uri = f"{path.absolute().as_uri()}?mode="
    try:
        # Read-only, since closing a writable connection would move the write-ahead log into the
        # file.
        with closing(sqlite3.connect(f"{uri}ro", uri=True, timeout=busy_timeout_s)) as db:
            return _read_marks(db)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
    # Its writer was killed, and only a writable connection can roll that back.
    with closing(sqlite3.connect(f"{uri}rw", uri=True, timeout=busy_timeout_s)) as db:
        return _read_marks(db)


def _refuse_foreign(path: Path, marks: tuple[int, int, int]) -> None:
    application, version, _tables = marks
    if not any(marks):
        return  # empty: another process has just created it
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path} is a database of another program; it was left as it is")
    if version > len(MIGRATIONS):
        raise StoreDamaged(
            f"{path} was written by a newer Treadle (schema {version}); it was left as it is"
        )
