"""Stores notes in the SQLite file of the logs, with a full-text index and vectors.

1. A write is identified by its scope and its idempotency key: a rerun after a crash writes nothing
   twice, even if the note has been refreshed, replaced or forgotten since.
2. A new note is reconciled with the others and written in one transaction, so that many processes
   agree on the result.
3. Forgetting leaves no word of the note behind: not in the table, the index, the vectors or the
   free pages.
4. With a file, everything happens in background threads: the event loop waits neither for other
   processes nor for a search.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from ..core.errors import StoreDamaged, StoreError, UsageError
from ..core.name_kind import name_kind
from ..stores.connection import OpenFile, SharedConnection
from ..stores.deletion import delete_notes, erase_notes, keep_notes
from ..stores.memory import MemoryStore
from ..stores.open_store import open_database
from ..stores.postgres_url import is_postgres
from ..stores.record_table import changing
from ..stores.sqlite import SQLiteStore
from ..stores.sqlite_file import (
    BUSY_TIMEOUT_S,
    check_path,
    connect,
    connect_in_memory,
    default_path,
    describe,
)
from ..stores.store import Store
from ..this_user import expand_home
from . import note_table
from .note import Note, WriteResult, check_note, note_id_of, reconcile
from .note_index import NoteIndex

if TYPE_CHECKING:
    from .postgres_notes import PostgresNotes

Connect = Callable[[Path | None], sqlite3.Connection]
T = TypeVar("T")

FORGET_S = 0.2
"""How long forgetting waits for readers so that it can empty the write-ahead log.

If they read on for longer, the next checkpoint empties it.
"""


class NoteStore:
    """Notes in the file at `path`, which may hold logs too; None means SQLiteStore's default file.

    ":memory:" keeps them as long as this object lives. The file is opened at first use. Safe for
    many threads and many processes at once. After the first search, the notes and their vectors are
    also in this object's memory: a search reads only what has changed since the one before.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        connect: Connect | None = None,
        original: "PostgresNotes | None" = None,
    ) -> None:
        self.path = None if path == ":memory:" else _find_path(path)
        """None: in memory."""
        self._original = original
        """Where the notes are, if what is in memory is a copy."""
        opening = partial(_open, connect or _connect, self.path)
        self._connection = SharedConnection(opening, OpenFile(self.path))
        self._index = NoteIndex()
        """Used by whoever has the connection."""
        self._indexed = (0, 0)
        """Which opening of the file, and which copy, the index was read from."""

    async def write(self, note: Note, *, key: str, now: float, replaces: str = "") -> WriteResult:
        """Reconcile a note with the others (note.reconcile) and save it under an id made of `key`.

        Writes nothing if the key was used before in the note's scope: the result is that of the
        first write, with what it replaced. Raises UsageError if the note isn't valid, or if the key
        has written another note.
        """
        note = check_note(note)
        new = replace(note, id=note_id_of(key, note.scope), replaced_by="", replaced_at=None)
        content = note_table.digest_content(note, replaces)

        def work() -> WriteResult:
            with self._transaction() as db:
                earlier = note_table.find_write(db, new, key, content, replaces)
                if earlier:
                    return earlier
                others = note_table.find_related(db, new, now, replaces)
                result = reconcile(new, others, replaces)
                changed = result.replaced
                if result.outcome != "known":
                    changed = (result.note, *changed)
                for each in changed:
                    note_table.save_note(db, each)
                note_table.save_write(db, key, content, result)
                return result

        return await self._do(work)

    async def get(self, note_id: str) -> Note | None:
        """The note with this id, live or not."""
        return await self._read(lambda db: note_table.get_note(db, note_id))

    async def notes(
        self, scopes: Sequence[str] | None = None, now: float | None = None
    ) -> list[Note]:
        """The notes of these scopes (None: all), newest first; with `now`, only those live then."""
        return await self._read(lambda db: note_table.list_notes(db, scopes, now))

    async def replaced_by(self, note_id: str) -> list[Note]:
        """The notes that this one has replaced, newest first."""
        return await self._read(lambda db: note_table.find_replaced(db, note_id))

    async def forget(self, note_id: str) -> bool:
        """Delete a note with its words and vectors; False if there is none.

        The logs still hold the conversation that the note was made from.
        """

        def work() -> bool:
            with self._transaction() as db:
                number = note_table.find_number(db, note_id)
                if number is None:
                    return False
                erase_notes(db, [(number, note_id)])
            self._empty_write_ahead_log()
            return True

        return await self._do(work)

    async def forget_threads(self, thread_ids: Sequence[str], *, keep: bool = False) -> int:
        """Forget the notes made from these threads, and say how many; or `keep` them.

        Those that are kept no longer say which thread they come from.
        """

        def work() -> int:
            with self._transaction() as db:
                if keep:
                    return keep_notes(db, thread_ids)
                forgotten = delete_notes(db, thread_ids)
            if forgotten:
                self._empty_write_ahead_log()
            return forgotten

        return await self._do(work)

    async def search(self, question: Callable[[sqlite3.Connection, NoteIndex], T]) -> T:
        """The answer to a question about the connection and the index, which is up to date."""

        def ask(db: sqlite3.Connection) -> T:
            copies = self._original.made if self._original else 0
            found = (self._connection.opened, copies)
            if self._indexed != found:  # the file may be another one now
                self._index = NoteIndex()
                self._indexed = found
            self._index.follow(db)
            return question(db, self._index)

        return await self._read(ask)

    async def save_vectors(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """Save the vectors of each note by its id, one after the other in one piece of bytes.

        Those of notes that were forgotten meanwhile are dropped.
        """

        def work() -> None:
            with self._transaction() as db:
                note_table.save_vectors(db, model, vectors)

        await self._do(work)

    async def add_missing_to(self, target: "NoteStore") -> int:
        """Add those notes to another store that it doesn't have, by their ids; how many."""
        rows = await self._read(note_table.read_all)

        def work() -> int:
            with target._transaction() as db:
                return note_table.add_missing(db, rows)

        return await target._do(work)

    def close(self) -> None:
        """Close the file; the next use opens it again. Notes in memory are lost."""
        self._connection.close()

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        def work() -> T:
            with self._use() as db:
                if self._original:
                    self._original.pull(db)
                return question(db)

        return await self._do(work)

    async def _do(self, work: Callable[[], T]) -> T:
        if self.path is None and self._original is None:
            return work()  # nobody else uses it: there is nothing to wait for
        return await asyncio.to_thread(work)

    def _empty_write_ahead_log(self) -> None:
        """Do so unless somebody reads on and on."""
        with self._use() as db:
            db.execute(f"pragma busy_timeout = {FORGET_S * 1000:.0f}")
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing, and no other process writes meanwhile."""
        original = self._original
        shared = original.changing if original else nullcontext
        with self._use() as db, shared(db), changing(db):
            yield db

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection as db:
                yield db
        except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
            raise StoreError(describe(self.path or Path("notes"), error)) from error
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{self.path or 'notes'}: {error}; it was left as it is") from error


def note_store_for(store: Store | None) -> NoteStore:
    """The notes that belong to a store of logs: in its file or database, or in memory with it.

    The same store has the same notes each time. Raises UsageError for a store of another kind.
    """
    if store is None:
        store = open_database(None)
    from ..stores.postgres import PostgresStore
    from .postgres_notes import PostgresNotes

    if isinstance(store, SQLiteStore):
        made = NoteStore(store.path)
    elif isinstance(store, MemoryStore):
        made = NoteStore(":memory:")
    elif isinstance(store, PostgresStore):
        made = NoteStore(":memory:", original=PostgresNotes(store))
    else:
        raise UsageError(
            f"a {type(store).__name__} has no file for notes; give a NoteStore of a path of its own"
        )
    notes: NoteStore = store.extras.setdefault("notes", made)
    return notes


def _find_path(given: str | Path | None) -> Path:
    if given is None or given == "":
        return default_path()
    if not isinstance(given, str | Path):
        raise UsageError(f"NoteStore({name_kind(given)}): give the path of a file")
    if is_postgres(str(given)):
        raise UsageError(
            "NoteStore is for a file; notes are in PostgreSQL where an agent keeps its threads"
            " there and its Notes() name no other place"
        )
    check_path("NoteStore", given)
    return expand_home(given)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return connect_in_memory()
    return connect(path, "normal")


def _open(connect: Connect, path: Path | None) -> sqlite3.Connection:
    db = connect(path)
    try:
        db.execute("pragma secure_delete = on")
        note_table.make_index(db)
    except BaseException:
        db.close()
        raise
    return db
