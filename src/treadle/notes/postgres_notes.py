"""Notes in PostgreSQL: its tables are the truth, and a copy in this process is what is searched.

1. The copy is an SQLite database in memory, with the tables and the index of words that notes in a
   file have. So notes are reconciled, ranked and found by the same code, with the same results.
2. Before each use it takes in what others have changed since: each change has a version
   (stores/postgres_notes.py).
3. A write holds the tenant's lock for notes: it is judged by all that others have written, and goes
   to PostgreSQL before anybody is told of it. Where that fails, the copy is made anew.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..core.errors import StoreError
from ..stores import postgres_notes
from ..stores.deletion import NOTE_CHANGED
from ..stores.full_text import space_out_cjk
from ..stores.postgres import PostgresStore
from ..stores.postgres_pool import import_psycopg
from ..stores.record_table import changing
from . import note_table

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = (
    "number, id, text, scope, about, origin, thread_id, seq, at, expires_at, replaced_by,"
    " replaced_at, words, topic"
)
_MARKS = ", ".join("?" * 14)
_NOTE_SQLITE = f"insert into note ({_COLUMNS}) values ({_MARKS})"  # noqa: S608  # columns and tables of this file
_NOTES = f"select {_COLUMNS} from treadle.note where tenant = %s and number = any(%s)"  # noqa: S608  # columns and tables of this file
_SAVE_NOTE = f"""
insert into treadle.note (tenant, {_COLUMNS}) values (%s, {_MARKS.replace("?", "%s")})
"""  # noqa: S608  # columns and tables of this file
_VECTORS = """
select note_id, model, vector from treadle.note_vector join treadle.note
on note.tenant = note_vector.tenant and note.id = note_vector.note_id
where note.tenant = %s and number = any(%s)
"""
_CHANGED = "select number from treadle.note_change where tenant = %s and version > %s"
_WRITES = """
select scope, key, content, outcome, note_id from treadle.note_write
where tenant = %s and version > %s
"""
_SAVE_WRITE = """
insert into treadle.note_write values (%s, %s, %s, %s, %s, %s, %s)
on conflict (tenant, scope, key) do update
set content = excluded.content, outcome = excluded.outcome, note_id = excluded.note_id,
    version = excluded.version
"""
_FOLLOW_WRITES = """
create temp table changed_write (scope text, key text);
create temp trigger written after insert on main.note_write
begin insert into changed_write values (new.scope, new.key); end;
create temp trigger rewritten after update on main.note_write
begin insert into changed_write values (new.scope, new.key); end;
"""
_CHANGED_WRITES = """
select distinct scope, key, content, outcome, note_id from changed_write join note_write
using (scope, key)
"""
_TABLES = ("note", "note_text", "note_vector", "note_write", "note_change")


class PostgresNotes:
    """Keeps a copy of a tenant's notes, an SQLite database, in step with PostgreSQL."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._tenant = store.tenant
        self._version = 0
        """The last change in the copy."""
        self.made = 0
        """How often the copy was made anew."""
        self._is_broken = True

    def pull(self, copy: sqlite3.Connection) -> None:
        """Take in what has changed since the last time. Raises StoreError."""
        self._store.pool.ask(lambda db: self._pull(db, copy))

    @contextmanager
    def changing(self, copy: sqlite3.Connection) -> Iterator[None]:
        """While nobody else changes notes: what the block has changed in the copy is written.

        All of it or nothing; then the copy is made anew at its next use. Raises StoreError.
        """
        psycopg = import_psycopg()
        pool = self._store.pool
        try:
            with pool.connection() as db, db.transaction():
                version = postgres_notes.lock(db, self._tenant)
                self._pull(db, copy)
                before = note_table.read_version(copy)
                yield
                self._is_broken = True  # until it is written
                is_changed = self._push(db, copy, before, version)
        except psycopg.Error as error:
            raise StoreError(f"{pool.describe(error)}; nothing was written") from error
        self._is_broken = False
        if is_changed:
            self._version = version

    def _pull(self, db: "Connection[Any]", copy: sqlite3.Connection) -> None:
        if self._is_broken:
            self._empty(copy)
        version = postgres_notes.read_version(db, self._tenant)
        if version == self._version:
            return
        since = (self._tenant, self._version)
        numbers = [number for (number,) in db.execute(_CHANGED, since)]
        mine = (self._tenant, numbers)
        notes = db.execute(_NOTES, mine).fetchall()
        vectors = db.execute(_VECTORS, mine, binary=True).fetchall()
        writes = db.execute(_WRITES, since).fetchall()
        with changing(copy):
            _take_in(copy, numbers, notes, vectors, writes)
        self._version = version

    def _empty(self, copy: sqlite3.Connection) -> None:
        if not copy.execute("select 1 from temp.sqlite_master").fetchone():
            copy.executescript(_FOLLOW_WRITES)
        for table in _TABLES:
            copy.execute(f"delete from {table}")  # noqa: S608  # columns and tables of this file
        self._version = 0
        self.made += 1
        self._is_broken = False

    def _push(
        self, db: "Connection[Any]", copy: sqlite3.Connection, before: int, version: int
    ) -> bool:
        """Write what was changed in the copy after its version `before`; whether anything was."""
        numbers = note_table.find_changed(copy, before)
        for number in numbers:
            self._push_note(db, copy, number)
        db.execute(postgres_notes.CHANGED, (self._tenant, version, numbers))
        writes = copy.execute(_CHANGED_WRITES).fetchall()
        for row in writes:
            db.execute(_SAVE_WRITE, (self._tenant, *row, version))
        copy.execute("delete from changed_write")
        return bool(numbers or writes)

    def _push_note(self, db: "Connection[Any]", copy: sqlite3.Connection, number: int) -> None:
        """The note of this number and its vectors, as they are in the copy, or that it is gone."""
        mine = (self._tenant, number)
        db.execute(
            "delete from treadle.note_vector where tenant = %s and note_id in"
            " (select id from treadle.note where tenant = %s and number = %s)",
            (self._tenant, *mine),
        )
        db.execute("delete from treadle.note where tenant = %s and number = %s", mine)
        note = copy.execute(f"select {_COLUMNS} from note where number = ?", (number,)).fetchone()  # noqa: S608  # columns and tables of this file
        if note is None:
            return
        db.execute(_SAVE_NOTE.encode(), (self._tenant, *note))
        vectors = "select note_id, model, vector from note_vector where note_id = ?"
        for row in copy.execute(vectors, (note[1],)).fetchall():
            save = "insert into treadle.note_vector values (%s, %s, %s, %s)"
            db.execute(save, (self._tenant, *row))


def _take_in(
    copy: sqlite3.Connection,
    numbers: Sequence[int],
    notes: Sequence[tuple[Any, ...]],
    vectors: Sequence[tuple[Any, ...]],
    writes: Sequence[tuple[Any, ...]],
) -> None:
    """Let the copy say the same of these numbers, and of these writes."""
    for number in numbers:
        of_note = "delete from note_vector where note_id = (select id from note where number = ?)"
        copy.execute(of_note, (number,))
        copy.execute("delete from note where number = ?", (number,))
        copy.execute("delete from note_text where rowid = ?", (number,))
        copy.execute(NOTE_CHANGED, (number,))
    for note in notes:
        copy.execute(_NOTE_SQLITE, note)
        number, _, text, _, about, *_ = note
        words = (number, space_out_cjk(text), space_out_cjk(about))
        copy.execute("insert into note_text (rowid, text, about) values (?, ?, ?)", words)
    copy.executemany("insert or replace into note_vector values (?, ?, ?)", vectors)
    copy.executemany("insert or replace into note_write values (?, ?, ?, ?, ?)", writes)
    copy.execute("delete from changed_write")
