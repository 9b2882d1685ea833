"""Notes, kept in the file that keeps the logs: the words for searching, the vectors where a model makes some.

1. A write is known by its idempotency key: a rerun after a crash writes nothing twice, also where the note was
   refreshed, replaced or forgotten since.
2. What becomes of a new note is worked out (note.place) and written in one transaction, so that many processes agree.
3. Forgetting leaves no word of the note behind: not in the table, the words' index, the vectors or the free pages.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from msgspec.structs import astuple, replace

from ..core.errors import StoreDamaged, StoreError, UsageError
from ..stores.connection import Connection
from ..stores.full_text import space_out_cjk
from ..stores.memory import MemoryStore
from ..stores.sqlite import BUSY_TIMEOUT_S, SQLiteStore, connect, connect_in_memory, default_path
from ..stores.store import Store
from .note import Note, WriteResult, check_note, normalize, note_id_of, reconcile

Connect = Callable[[Path | None], sqlite3.Connection]

FORGET_S = 0.2
"""How long forgetting waits for readers, so that the write-ahead log can be emptied. Else a later one empties it."""

_COLUMNS = (
    "id, text, scope, about, origin, thread_id, seq, at, expires_at, replaced_by, replaced_at"
)
_SELECT = "select " + ", ".join(f"note.{name}" for name in _COLUMNS.split(", ")) + " from note"
_KEEP = f"insert or replace into note (number, {_COLUMNS}, words, topic) values (?, {', '.join('?' * 13)})"
_IN_SCOPE = "(:scopes is null or note.scope in (select value from json_each(:scopes)))"
_LIVE = "(:now is null or (note.replaced_by = '' and (note.expires_at is null or note.expires_at > :now)))"
_TEXT = """
create virtual table if not exists note_text using
fts5(text, about, tokenize='porter unicode61 remove_diacritics 2')
"""


class NoteStore:
    """Notes in the file at `path`, which may hold logs too; without one, where SQLiteStore keeps them.

    ":memory:" keeps them as long as this object lives. The file is opened at the first use. Safe for many threads, and
    for many processes at once.
    """

    def __init__(self, path: str | Path | None = None, *, connect: Connect | None = None) -> None:
        self.path = None if str(path) == ":memory:" else Path(path) if path else default_path()
        """None: in memory."""
        self._connection = Connection(partial(_opened, connect or _connected, self.path), self.path)

    async def write(self, note: Note, *, key: str, now: float, replaces: str = "") -> WriteResult:
        """Keep a note, under an id of its key, as `note.place` says; a key that was used before changes nothing.

        Raises UsageError for what can't be a note.
        """
        new = replace(check_note(note), id=note_id_of(key), replaced_by="", replaced_at=None)
        with self._transaction() as db:
            written = db.execute(
                "select outcome, note_id from note_write where key = ?", (key,)
            ).fetchone()
            if written:
                outcome, note_id = written
                return WriteResult(outcome, _note(db, note_id) or replace(new, id=note_id))
            placed = reconcile(new, _concerned(db, new, now, replaces), replaces)
            if placed.outcome != "known":
                for each in (placed.note, *placed.replaced):
                    _keep(db, each)
            db.execute(
                "insert into note_write values (?, ?, ?)", (key, placed.outcome, placed.note.id)
            )
        return placed

    async def get(self, note_id: str) -> Note | None:
        """The note of this id, live or not."""
        with self._used() as db:
            return _note(db, note_id)

    async def notes(
        self, scopes: Sequence[str] | None = None, now: float | None = None
    ) -> list[Note]:
        """The notes of these scopes (None: of all), the newest first; with `now`, only those that hold then."""
        with self._used() as db:
            return _notes(db, scopes, now)

    async def forget(self, note_id: str) -> bool:
        """Delete it with its words and vectors; False where there is none. Its place in the logs stays."""
        with self._transaction() as db:
            number = _number(db, note_id)
            if number is None:
                return False
            db.execute("delete from note where number = ?", (number,))
            db.execute("delete from note_text where rowid = ?", (number,))
            db.execute("delete from note_vector where note_id = ?", (note_id,))
            db.execute(
                "insert into note_text (note_text) values ('optimize')"
            )  # or the index keeps deleted words
        with (
            self._used() as db
        ):  # so that the words leave the write-ahead log too, unless somebody reads on and on
            db.execute(f"pragma busy_timeout = {FORGET_S * 1000:.0f}")
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
        return True

    async def matching(
        self, match: str, scopes: Sequence[str] | None, now: float, limit: int
    ) -> list[Note]:
        """Live notes that this expression of FTS5's matches (`words.matches` makes them), the best first."""
        with self._used() as db:
            rows = db.execute(
                f"{_SELECT} join note_text on note_text.rowid = note.number where {_IN_SCOPE} and {_LIVE}"
                " and note_text match :match order by bm25(note_text, 1, 2), note.at desc, note.number desc"
                " limit :limit",
                {"scopes": _json(scopes), "now": now, "match": match, "limit": limit},
            )
            return [Note(*row) for row in rows]

    async def vectors(
        self, model: str, scopes: Sequence[str] | None, now: float
    ) -> list[tuple[Note, bytes | None]]:
        """The live notes with their vectors by this model; None where a note has none yet."""
        with self._used() as db:
            rows = db.execute(
                f"{_SELECT.replace(' from note', ', note_vector.vector from note')} left join note_vector"
                f" on note_vector.note_id = note.id and note_vector.model = :model where {_IN_SCOPE} and {_LIVE}"
                " order by note.at desc, note.number desc",
                {"scopes": _json(scopes), "now": now, "model": model},
            )
            return [(Note(*row[:-1]), row[-1]) for row in rows]

    async def save_vectors(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """Keep a vector for each of these note ids; one whose note was forgotten meanwhile is dropped."""
        with self._transaction() as db:
            db.executemany(
                "insert or replace into note_vector select id, ?, ? from note where id = ?",
                [(model, vector, note_id) for note_id, vector in vectors.items()],
            )

    def close(self) -> None:
        """Close the file; the next use opens it again. What is in memory is gone."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done with it, or nothing; no other process writes meanwhile."""
        with self._used() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            finally:
                if db.in_transaction:
                    db.execute("rollback")

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection as db:
                yield db
        except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
            raise StoreError(f"{self.path or 'notes'}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path or 'notes'}: {error}; it was left as it is") from error


def note_store_for(store: Store | None) -> NoteStore:
    """The notes that belong to a store of logs: in its file, or in memory. Raises UsageError where it has neither."""
    if store is None:
        return NoteStore()
    if isinstance(store, SQLiteStore):
        return NoteStore(store.path)
    if isinstance(store, MemoryStore):
        notes: NoteStore = store.extras.setdefault("notes", NoteStore(":memory:"))
        return notes
    raise UsageError(
        f"a {type(store).__name__} has no file for notes; give a NoteStore of a path of its own"
    )


def _connected(path: Path | None) -> sqlite3.Connection:
    return connect(path, "normal") if path else connect_in_memory()


def _opened(connect: Connect, path: Path | None) -> sqlite3.Connection:
    db = connect(path)
    try:
        db.execute("pragma secure_delete = on")
        _make_index(db)
    except BaseException:
        db.close()
        raise
    return db


def _make_index(db: sqlite3.Connection) -> None:
    if db.execute("select 1 from sqlite_master where name = 'note_text'").fetchone():
        return
    try:
        db.execute(_TEXT)
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"notes need SQLite with FTS5, and this Python's SQLite {sqlite3.sqlite_version} has none ({error});"
            " use a Python whose SQLite has it"
        ) from None


def _keep(db: sqlite3.Connection, note: Note) -> None:
    values = (_number(db, note.id), *astuple(note), _digest(note.text), normalize(note.about))
    number = db.execute(_KEEP, values).lastrowid
    db.execute("delete from note_text where rowid = ?", (number,))
    words = (number, space_out_cjk(note.text), space_out_cjk(note.about))
    db.execute("insert into note_text (rowid, text, about) values (?, ?, ?)", words)


def _note(db: sqlite3.Connection, note_id: str) -> Note | None:
    row = db.execute(f"{_SELECT} where note.id = ?", (note_id,)).fetchone()
    return Note(*row) if row else None


def _notes(db: sqlite3.Connection, scopes: Sequence[str] | None, now: float | None) -> list[Note]:
    query = f"{_SELECT} where {_IN_SCOPE} and {_LIVE} order by note.at desc, note.number desc"
    return [Note(*row) for row in db.execute(query, {"scopes": _json(scopes), "now": now})]


def _concerned(db: sqlite3.Connection, new: Note, now: float, replaces: str) -> list[Note]:
    """The live notes that a new one may repeat or contradict, also by what it repeats being about something."""
    query = (  # each part with its own index
        f"{_SELECT} where {_LIVE} and ((note.scope = :scope and note.words = :words)"
        " or (note.scope = :scope and note.topic <> '' and note.topic in"
        " (select :topic union select topic from note where scope = :scope and words = :words))"
        " or note.id = :replaces)"
        " order by note.at desc, note.number desc"
    )
    values = {
        "scope": new.scope,
        "now": now,
        "words": _digest(new.text),
        "topic": normalize(new.about),
        "replaces": replaces,
    }
    return [Note(*row) for row in db.execute(query, values)]


def _digest(text: str) -> str:
    return blake2b(normalize(text).encode(), digest_size=16).hexdigest()


def _number(db: sqlite3.Connection, note_id: str) -> Any:
    row = db.execute("select number from note where id = ?", (note_id,)).fetchone()
    return row[0] if row else None


def _json(scopes: Sequence[str] | None) -> str | None:
    return None if scopes is None else json.dumps(list(scopes))
