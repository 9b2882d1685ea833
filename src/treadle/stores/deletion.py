"""Deletes threads from a database file so that no byte of them is left in any file of it.

1. One transaction deletes the records, the lines in the list of threads, and their notes where that
   is wanted; it also notes that the work isn't finished.
2. Then the file is written anew (SQLite's VACUUM) and the write-ahead log emptied. Overwriting what
   was deleted isn't enough: SQLite leaves copies behind where it has moved rows from page to page.
3. A process that dies in between leaves that note: the next deletion finishes, and so does whoever
   opens the file next.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from ..core.errors import SeqTaken
from . import account_table
from .marks import digest_of_key
from .record_table import OF_THREAD, FileTables, find_keys
from .store import Erased
from .tables import Tables

UNFINISHED = "deletion"
"""The line in the table `unfinished`."""
NOTE_CHANGED = """
insert or replace into note_change (number, version)
values (?, (select coalesce(max(version), 0) + 1 from note_change))
"""
"""Tells those who keep notes in memory that the note of this number has changed or is gone."""
_END = "select seq from thread where thread_id = ?"
_KEYS = "select key from treadle.thread_key where tenant = :tenant and thread_id = :thread"
_KEEP_DIGEST = """
insert into treadle.deleted_key (tenant, digest) values (:tenant, :digest) on conflict do nothing
"""
_WAS_DELETED = """
select 1 from treadle.deleted_key where tenant = :tenant and digest = :digest
"""
_NOTES = "select number, id from note where thread_id = ?"


def delete_rows(db: sqlite3.Connection, ends: Mapping[str, int], notes: bool) -> Erased:
    """Delete these threads in one transaction. Raises SeqTaken if one has gone on meanwhile."""
    records = 0
    threads: list[str] = []
    db.execute("pragma secure_delete = on")
    db.execute("begin immediate")
    try:
        was_unfinished = is_unfinished(db)
        db.execute("insert or ignore into unfinished values (?)", (UNFINISHED,))
        change_notes = delete_notes if notes else keep_notes
        erased_notes = change_notes(db, list(ends))
        for thread_id, end in ends.items():
            found = db.execute(_END, (thread_id,)).fetchone()
            if found:  # what its records say may differ, where it is damaged: such can be deleted
                refuse_grown(thread_id, found[0] or 0, end)
            deleted = 0
            for key in find_keys(db, thread_id):
                deleted += db.execute("delete from record where thread_id = ?", (key,)).rowcount
            records += deleted
            if forget(FileTables(db), thread_id) or deleted:
                threads.append(thread_id)
        if not threads and not erased_notes and not was_unfinished:
            return Erased((), 0)
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return Erased(tuple(threads), records, erased_notes)


def refuse_grown(thread_id: str, seq: int, end: int) -> None:
    """Raise SeqTaken for a thread that has gone on since it was found to end there."""
    if seq != end:
        raise SeqTaken(
            f"thread {thread_id!r} has {seq} records by now, and not {end}; nothing was deleted"
        )


def forget(tables: Tables, thread_id: str) -> bool:
    """Delete what is kept of a thread beside its records; whether it was in the list of threads.

    Of the keys of its messages, digests stay.
    """
    for (key,) in tables.execute(_KEYS, thread=thread_id).fetchall():
        tables.execute(_KEEP_DIGEST, digest=digest_of_key(thread_id, key))
    account_table.forget(tables, thread_id)
    gone = "delete from treadle.{} where tenant = :tenant and thread_id = :thread"
    for table in OF_THREAD:
        tables.execute(gone.format(table), thread=thread_id)
    return bool(tables.execute(gone.format("thread"), thread=thread_id).rowcount)


def was_deleted(tables: Tables, thread_id: str, key: str) -> bool:
    """Whether a thread of this name with a message of this key was deleted."""
    digest = digest_of_key(thread_id, key)
    return tables.execute(_WAS_DELETED, digest=digest).fetchone() is not None


def delete_notes(db: sqlite3.Connection, thread_ids: Sequence[str]) -> int:
    """Delete the notes made from these threads, in the open transaction; how many there were."""
    found = [row for name in thread_ids for row in db.execute(_NOTES, (name,))]
    if found:
        erase_notes(db, found)
    return len(found)


def erase_notes(db: sqlite3.Connection, notes: Sequence[tuple[int, str]]) -> None:
    """Delete these notes, by number and id, with their words, vectors and digests."""
    has_index = "select 1 from sqlite_master where name = 'note_text'"
    is_indexed = db.execute(has_index).fetchone() is not None
    for number, note_id in notes:
        db.execute("delete from note where number = ?", (number,))
        db.execute(NOTE_CHANGED, (number,))
        db.execute("delete from note_vector where note_id = ?", (note_id,))
        db.execute("update note_write set content = '' where note_id = ?", (note_id,))
        if is_indexed:
            db.execute("delete from note_text where rowid = ?", (number,))
    if is_indexed:  # without this the index keeps deleted words
        db.execute("insert into note_text (note_text) values ('optimize')")


def keep_notes(db: sqlite3.Connection, thread_ids: Sequence[str]) -> int:
    """Take the names of these threads out of the notes that stay; 0, since none is deleted."""
    for name in thread_ids:
        found = db.execute(_NOTES, (name,)).fetchall()
        db.execute("update note set thread_id = '', seq = 0 where thread_id = ?", (name,))
        db.executemany(NOTE_CHANGED, [(number,) for number, _ in found])
    return 0


def is_unfinished(db: sqlite3.Connection) -> bool:
    """Whether what was deleted is yet to be removed from the files."""
    found = db.execute("select 1 from unfinished where work = ?", (UNFINISHED,)).fetchone()
    return found is not None


def finish(db: sqlite3.Connection) -> None:
    """Remove what was deleted from the file and its write-ahead log.

    Raises sqlite3.OperationalError, of which `is_busy` is true, while others write or read: then it
    is still to do.
    """
    db.execute("vacuum")
    _empty_write_ahead_log(db)
    db.execute("delete from unfinished where work = ?", (UNFINISHED,))


def _empty_write_ahead_log(db: sqlite3.Connection) -> None:
    [(busy, *_)] = db.execute("pragma wal_checkpoint(truncate)").fetchall()
    if busy:
        error = sqlite3.OperationalError("others read on in the write-ahead log")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error
