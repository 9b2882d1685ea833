"""The SQL of notes: the functions here work on an open connection and commit nothing."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, cast

import msgspec
from msgspec.structs import astuple, replace

from ..core.errors import StoreError, UsageError
from ..core.values import Label
from ..stores.deletion import NOTE_CHANGED
from ..stores.full_text import space_out_cjk
from .note import Note, WriteResult, find_same_about, is_live, normalize

_COLUMNS = (
    "id, text, scope, about, origin, thread_id, seq, at, expires_at, replaced_by, replaced_at"
)
_NOTE = ", ".join(f"note.{name}" for name in _COLUMNS.split(", "))
_SELECT = f"select {_NOTE} from note"  # noqa: S608  # columns and conditions of this file
_SAVE = (
    f"insert or replace into note (number, {_COLUMNS}, words, topic)"  # noqa: S608  # columns and conditions of this file
    f" values (?, {', '.join('?' * 13)})"
)
_IN_SCOPE = "(:scopes is null or note.scope in (select value from json_each(:scopes)))"
_LIVE = (
    "(:now is null or (note.replaced_by = ''"
    " and (note.expires_at is null or note.expires_at > :now)))"
)
_NEWEST = "order by note.at desc, note.number desc"
_TEXT = """
create virtual table if not exists {name} using
fts5(text, about, tokenize='porter unicode61 remove_diacritics 2')
"""


def make_index(db: sqlite3.Connection) -> None:
    """The full-text index, if it isn't there yet; an empty one in memory for a file that can only
    be read. Raises StoreError for an SQLite without FTS5."""
    if db.execute("select 1 from sqlite_master where name = 'note_text'").fetchone():
        return
    try:
        try:
            db.execute(_TEXT.format(name="note_text"))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY:
                raise
            db.execute(_TEXT.format(name="temp.note_text"))
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"notes need SQLite with FTS5, and this Python's SQLite {sqlite3.sqlite_version}"
            f" has none ({error}); use a Python whose SQLite has it"
        ) from None


def _read(row: Sequence[Any]) -> Note:
    """The note of a row, whose labels stand after its origin: a column more would move the schema
    of the file out of its first page, whose loss alone may hide a thread.

    Without any, a tool's note is of a time before there were labels, and counts as untrusted.
    """
    note = Note(*row)
    origin, is_labelled, labels = note.origin.partition(" ")
    if is_labelled:  # older versions put a blank after them with each copy of the database
        found = tuple(cast(Label, label) for label in labels.strip().split(",") if label)
        return replace(note, origin=origin, labels=found)
    return note if note.trusted else replace(note, labels=("untrusted",))


def _row_of(note: Note) -> tuple[Any, ...]:
    if note.labels or not note.trusted:
        note = replace(note, origin=f"{note.origin} {','.join(note.labels)}")
    return astuple(note)[:-1]


def get_note(db: sqlite3.Connection, note_id: str) -> Note | None:
    row = db.execute(f"{_SELECT} where note.id = ?", (note_id,)).fetchone()
    return _read(row) if row else None


def list_notes(
    db: sqlite3.Connection, scopes: Sequence[str] | None, now: float | None
) -> list[Note]:
    """Newest first; with `now`, only those live then."""
    given = None if scopes is None else json.dumps(list(scopes))
    rows = db.execute(
        f"{_SELECT} where {_IN_SCOPE} and {_LIVE} {_NEWEST}", {"scopes": given, "now": now}
    )
    return [_read(row) for row in rows]


def find_replaced(db: sqlite3.Connection, note_id: str) -> list[Note]:
    """The notes that this one replaced, newest first."""
    rows = db.execute(
        f"{_SELECT} where note.replaced_by = ? and note.replaced_by <> '' {_NEWEST}", (note_id,)
    )
    return [_read(row) for row in rows]


def find_related(db: sqlite3.Connection, new: Note, now: float, replaces: str) -> list[Note]:
    """The live notes that a new one may repeat or replace, or that are about the same.

    A note with the same words may be about something; notes about that thing count too.
    """
    query = (  # each part of it uses its own index
        f"{_SELECT} where {_LIVE} and ((note.scope = :scope and note.words = :words)"  # noqa: S608  # columns and conditions of this file
        " or (note.scope = :scope and note.topic <> '' and note.topic in"
        " (select :topic union select topic from note where scope = :scope and words = :words))"
        f" or note.id = :replaces) {_NEWEST}"
    )
    values = {
        "scope": new.scope,
        "now": now,
        "words": _digest(new.text),
        "topic": normalize(new.about),
        "replaces": replaces,
    }
    return [_read(row) for row in db.execute(query, values)]


def save_note(db: sqlite3.Connection, note: Note) -> None:
    row = _row_of(note)
    values = (find_number(db, note.id), *row, _digest(note.text), normalize(note.about))
    number = db.execute(_SAVE, values).lastrowid
    db.execute("delete from note_text where rowid = ?", (number,))
    words = (number, space_out_cjk(note.text), space_out_cjk(note.about))
    db.execute("insert into note_text (rowid, text, about) values (?, ?, ?)", words)
    db.execute(NOTE_CHANGED, (number,))


def save_vectors(db: sqlite3.Connection, model: str, vectors: Mapping[str, bytes]) -> None:
    """Save the vectors of each note, by its id; those of notes that are gone are dropped."""
    for note_id, vector in vectors.items():
        number = find_number(db, note_id)
        if number is not None:
            row = (note_id, model, vector)
            db.execute("insert or replace into note_vector values (?, ?, ?)", row)
            db.execute(NOTE_CHANGED, (number,))


def find_matching(db: sqlite3.Connection, match: str) -> list[int]:
    """The numbers of all notes that match an FTS5 expression, also of those that don't hold."""
    rows = db.execute("select rowid from note_text where note_text match ?", (match,))
    return [number for (number,) in rows]


def read_version(db: sqlite3.Connection) -> int:
    """A number that grows with each change to a note or its vectors, by any process."""
    [(version,)] = db.execute("select coalesce(max(version), 0) from note_change")
    return int(version)


def find_changed(db: sqlite3.Connection, after: int) -> list[int]:
    """The numbers of the notes that were changed, or are gone, since this version."""
    rows = db.execute("select number from note_change where version > ?", (after,))
    return [number for (number,) in rows]


def read_notes(db: sqlite3.Connection, numbers: Collection[int]) -> dict[int, Note]:
    """The notes that are not replaced, by number; only those of `numbers`."""
    rows = db.execute(
        f"select note.number, {_NOTE} from json_each(?) join note on note.number = value"  # noqa: S608  # columns and conditions of this file
        " where note.replaced_by = ''",
        (json.dumps(list(numbers)),),
    )
    return {number: _read(row) for number, *row in rows}


def read_vectors(
    db: sqlite3.Connection, model: str, numbers: Iterable[int]
) -> list[tuple[int, bytes]]:
    """Number and vectors of those of these notes that have some from this model."""
    return db.execute(
        "select note.number, note_vector.vector from json_each(?) join note on note.number = value"
        " join note_vector on note_vector.note_id = note.id and note_vector.model = ?",
        (json.dumps(list(numbers)), model),
    ).fetchall()


def find_write(
    db: sqlite3.Connection, note: Note, key: str, content: str, replaces: str
) -> WriteResult | None:
    """The result of the write under this key in the note's scope, as things are now; or None.

    Raises UsageError if something else was written under the key.
    """
    row = db.execute(  # the scope is '' where the note was forgotten before scopes were kept
        "select content, outcome, note_id from note_write where key = ? and scope in (?, '')",
        (key, note.scope),
    ).fetchone()
    if row is None:
        return None
    written, outcome, note_id = row
    now = get_note(db, note_id)
    if written not in ("", content):
        said = f"note {note_id}: {now.text!r}" if now else f"note {note_id}, forgotten since"
        raise UsageError(
            f"the key {key!r} has written another note in the scope {note.scope!r} ({said});"
            " take another key, and name that note in `replaces` if the new one corrects it"
        )
    current = now or replace(note, id=note_id)
    named = get_note(db, replaces) if replaces != note_id else None
    contradicts = (named,) if named and not named.replaced_by else ()
    others = find_related(db, current, note.at, "")
    return WriteResult(
        outcome,
        current,
        tuple(find_replaced(db, note_id)),
        contradicts,
        find_same_about(current, (each for each in others if is_live(each, note.at))),
    )


def save_write(db: sqlite3.Connection, key: str, content: str, result: WriteResult) -> None:
    """Remember what was written under this key."""
    row = (result.note.scope, key, content, result.outcome, result.note.id)
    db.execute("insert into note_write values (?, ?, ?, ?, ?)", row)


def digest_content(note: Note, replaces: str) -> str:
    """What a second write under the same key must have in common with the first."""
    content = msgspec.json.encode((note.text, note.about, replaces))
    return blake2b(content, digest_size=16).hexdigest()


def _digest(text: str) -> str:
    return blake2b(normalize(text).encode(), digest_size=16).hexdigest()


def find_number(db: sqlite3.Connection, note_id: str) -> int | None:
    """The number of the note with this id; None if there is none."""
    row = db.execute("select number from note where id = ?", (note_id,)).fetchone()
    return row[0] if row else None


class NoteRows(msgspec.Struct, frozen=True):
    """All that is kept of notes, as it stands in the tables."""

    notes: list[tuple[Any, ...]]
    vectors: list[tuple[Any, ...]]
    writes: list[tuple[Any, ...]]


def read_all(db: sqlite3.Connection) -> NoteRows:
    """All notes, the oldest first, with their vectors and with what was written under which key."""
    return NoteRows(
        db.execute(f"select {_COLUMNS} from note order by number").fetchall(),  # noqa: S608  # columns and conditions of this file
        db.execute("select note_id, model, vector from note_vector").fetchall(),
        db.execute("select scope, key, content, outcome, note_id from note_write").fetchall(),
    )


def add_missing(db: sqlite3.Connection, rows: NoteRows) -> int:
    """Add those of these notes whose ids aren't there; how many that were."""
    added: set[str] = set()
    for row in rows.notes:
        note = _read(row)
        if find_number(db, note.id) is None:
            save_note(db, note)
            added.add(note.id)
    for note_id, model, vector in rows.vectors:
        if note_id in added:
            save_vectors(db, model, {note_id: vector})
    save = "insert or ignore into note_write values (?, ?, ?, ?, ?)"
    db.executemany(save, rows.writes)
    return len(added)
