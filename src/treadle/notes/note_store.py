"""Stores notes in the SQLite file of the logs, with a full-text index and vectors.

1. A write is identified by its idempotency key: a rerun after a crash writes nothing twice, even if
   the note has been refreshed, replaced or forgotten since.
2. A new note is reconciled with the others and written in one transaction, so that many processes
   agree on the result.
3. Forgetting leaves no word of the note behind: not in the table, the index, the vectors or the
   free pages.
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
from ..stores.connection import OpenFile, SharedConnection
from ..stores.deletion import delete_notes, erase_notes, keep_notes
from ..stores.full_text import space_out_cjk
from ..stores.memory import MemoryStore
from ..stores.sqlite import SQLiteStore
from ..stores.sqlite_file import BUSY_TIMEOUT_S, connect, connect_in_memory, default_path
from ..stores.store import Store
from .note import Note, WriteResult, check_note, normalize, note_id_of, reconcile

Connect = Callable[[Path | None], sqlite3.Connection]

FORGET_S = 0.2
"""How long forgetting waits for readers so that it can empty the write-ahead log.

If they read on for longer, the next checkpoint empties it.
"""

_COLUMNS = (
    "id, text, scope, about, origin, thread_id, seq, at, expires_at, replaced_by, replaced_at"
)
_SELECT = "select " + ", ".join(f"note.{name}" for name in _COLUMNS.split(", ")) + " from note"
_SAVE = (
    f"insert or replace into note (number, {_COLUMNS}, words, topic)"
    f" values (?, {', '.join('?' * 13)})"
)
_IN_SCOPE = "(:scopes is null or note.scope in (select value from json_each(:scopes)))"
_LIVE = (
    "(:now is null or (note.replaced_by = ''"
    " and (note.expires_at is null or note.expires_at > :now)))"
)
_TEXT = """
create virtual table if not exists note_text using
fts5(text, about, tokenize='porter unicode61 remove_diacritics 2')
"""


class NoteStore:
    """Notes in the file at `path`, which may hold logs too; None means SQLiteStore's default file.

    ":memory:" keeps them as long as this object lives. The file is opened at first use. Safe for
    many threads and many processes at once.
    """

    def __init__(self, path: str | Path | None = None, *, connect: Connect | None = None) -> None:
        self.path: Path | None
        """None: in memory."""
        if str(path) == ":memory:":
            self.path = None
        else:
            self.path = Path(path) if path else default_path()
        opening = partial(_open, connect or _connect, self.path)
        self._connection = SharedConnection(opening, OpenFile(self.path))

    async def write(self, note: Note, *, key: str, now: float, replaces: str = "") -> WriteResult:
        """Reconcile a note with the others (note.reconcile) and save it under an id made of `key`.

        Does nothing if the key was used before. Raises UsageError if the note isn't valid.
        """
        new = replace(check_note(note), id=note_id_of(key), replaced_by="", replaced_at=None)
        with self._transaction() as db:
            written = db.execute(
                "select outcome, note_id from note_write where key = ?", (key,)
            ).fetchone()
            if written:
                outcome, note_id = written
                return WriteResult(outcome, _note(db, note_id) or replace(new, id=note_id))
            result = reconcile(new, _find_related(db, new, now, replaces), replaces)
            if result.outcome != "known":
                for each in (result.note, *result.replaced):
                    _save(db, each)
            db.execute(
                "insert into note_write values (?, ?, ?)", (key, result.outcome, result.note.id)
            )
        return result

    async def get(self, note_id: str) -> Note | None:
        """The note with this id, live or not."""
        with self._use() as db:
            return _note(db, note_id)

    async def notes(
        self, scopes: Sequence[str] | None = None, now: float | None = None
    ) -> list[Note]:
        """The notes of these scopes (None: all), newest first; with `now`, only those live then."""
        query = f"{_SELECT} where {_IN_SCOPE} and {_LIVE} order by note.at desc, note.number desc"
        with self._use() as db:
            rows = db.execute(query, {"scopes": _to_json(scopes), "now": now})
            return [Note(*row) for row in rows]

    async def forget(self, note_id: str) -> bool:
        """Delete a note with its words and vectors; False if there is none.

        The logs still hold the conversation that the note was made from.
        """
        with self._transaction() as db:
            number = _number(db, note_id)
            if number is None:
                return False
            erase_notes(db, [(number, note_id)])
        self._empty_write_ahead_log()
        return True

    def _empty_write_ahead_log(self) -> None:
        """Do so unless somebody reads on and on."""
        with self._use() as db:
            db.execute(f"pragma busy_timeout = {FORGET_S * 1000:.0f}")
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")

    async def matching(
        self, match: str, scopes: Sequence[str] | None, now: float, limit: int
    ) -> list[Note]:
        """Live notes that match this FTS5 expression (see full_text.build_queries), best first."""
        with self._use() as db:
            rows = db.execute(
                f"{_SELECT} join note_text on note_text.rowid = note.number"
                f" where {_IN_SCOPE} and {_LIVE} and note_text match :match"
                " order by bm25(note_text, 1, 2), note.at desc, note.number desc limit :limit",
                {"scopes": _to_json(scopes), "now": now, "match": match, "limit": limit},
            )
            return [Note(*row) for row in rows]

    async def vectors(
        self, model: str, scopes: Sequence[str] | None, now: float
    ) -> list[tuple[Note, bytes | None]]:
        """The live notes, each with its vector from this model; None if it has none yet."""
        select = _SELECT.replace(" from note", ", note_vector.vector from note")
        with self._use() as db:
            rows = db.execute(
                f"{select} left join note_vector"
                " on note_vector.note_id = note.id and note_vector.model = :model"
                f" where {_IN_SCOPE} and {_LIVE} order by note.at desc, note.number desc",
                {"scopes": _to_json(scopes), "now": now, "model": model},
            )
            return [(Note(*row[:-1]), row[-1]) for row in rows]

    async def save_vectors(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """Save a vector for each note id; vectors of notes forgotten meanwhile are dropped."""
        with self._transaction() as db:
            db.executemany(
                "insert or replace into note_vector select id, ?, ? from note where id = ?",
                [(model, vector, note_id) for note_id, vector in vectors.items()],
            )

    def close(self) -> None:
        """Close the file; the next use opens it again. Notes in memory are lost."""
        self._connection.close()

    async def forget_threads(self, thread_ids: Sequence[str], *, keep: bool = False) -> int:
        """Forget the notes made from these threads, and say how many; or `keep` them.

        Those that are kept no longer say which thread they come from.
        """
        with self._transaction() as db:
            if keep:
                return keep_notes(db, thread_ids)
            forgotten = delete_notes(db, thread_ids)
        if forgotten:
            self._empty_write_ahead_log()
        return forgotten

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing, and no other process writes meanwhile."""
        with self._use() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            finally:
                if db.in_transaction:
                    db.execute("rollback")

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection as db:
                yield db
        except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
            raise StoreError(f"{self.path or 'notes'}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path or 'notes'}: {error}; it was left as it is") from error


def note_store_for(store: Store | None) -> NoteStore:
    """The notes that belong to a store of logs: in its file, or in memory with it.

    Raises UsageError for a store that is neither.
    """
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


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return connect_in_memory()
    return connect(path, "normal")


def _open(connect: Connect, path: Path | None) -> sqlite3.Connection:
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
            f"notes need SQLite with FTS5, and this Python's SQLite {sqlite3.sqlite_version}"
            f" has none ({error}); use a Python whose SQLite has it"
        ) from None


def _save(db: sqlite3.Connection, note: Note) -> None:
    values = (_number(db, note.id), *astuple(note), _digest(note.text), normalize(note.about))
    number = db.execute(_SAVE, values).lastrowid
    db.execute("delete from note_text where rowid = ?", (number,))
    words = (number, space_out_cjk(note.text), space_out_cjk(note.about))
    db.execute("insert into note_text (rowid, text, about) values (?, ?, ?)", words)


def _note(db: sqlite3.Connection, note_id: str) -> Note | None:
    row = db.execute(f"{_SELECT} where note.id = ?", (note_id,)).fetchone()
    return Note(*row) if row else None


def _find_related(db: sqlite3.Connection, new: Note, now: float, replaces: str) -> list[Note]:
    """The live notes that a new one may repeat, replace or contradict.

    A note with the same words may be about something; notes about that thing count too.
    """
    query = (  # each part of it uses its own index
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


def _to_json(scopes: Sequence[str] | None) -> str | None:
    if scopes is None:
        return None
    return json.dumps(list(scopes))
