"""The two tables of the logs: `record` has the records, `thread` has a line for each thread.

1. A line has the thread's last seq, and what lists of threads are searched by. Both tables are
   written in one transaction, so each shows what the other has lost: then the thread can't be read,
   and no new thread of its name can be started.
2. Every record has a checksum: reading gives what was written, or raises StoreDamaged.
3. Damage to one thread hides no other.
4. Only a thread's first record has its name. The others have its number, which is the id of the
   first: a name in each record and in its index would be a tenth of a small thread. Older versions
   wrote the name into each, and such records stay as they are; those that follow have the number.
"""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from ..core.codec import row_checksum
from ..core.errors import SeqTaken, StoreDamaged, UsageError
from . import account_table
from .marks import Marks, digest_of_handle, read_marks
from .store import Row
from .tables import Tables, to_sqlite

NUMBER_MARK = "\x1f"
"""Begins a number in the column of the names: char(31). No new thread's name may begin so."""
NUMBER = f"select char({ord(NUMBER_MARK)}) || id from record where thread_id = ? and seq = 1"  # noqa: S608  # a character of this file
"""What the records of this thread are found by, after the first."""

_TAKEN = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FIRST = """
insert into record (thread_id, seq, at, worked_s, checksum, event) values (?, ?, ?, ?, ?, ?)
"""
_NEXT = _FIRST.replace("(?,", f"(coalesce(({NUMBER}), ?),")
"""Where the first record is lost, too: whoever reads the thread is told so."""
_GO_ON = """
update thread set seq = ?, at = ?, record_id = ?
where thread_id = ? and seq = ? and status = ? and place = ? and due is ?
"""
"""The usual append. It names no column that has an index: that would write the index anew."""
_MOVE = """
update thread set seq = ?, at = ?, record_id = ?, status = ?, place = ?, due = ?
where thread_id = ? and seq = ?
"""
_BEGIN = """
insert into thread (seq, at, record_id, status, place, due, thread_id, agent, parent, source)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_READ = """
select seq, at, worked_s, checksum, cast(event as blob) from record
where thread_id = ? and seq > ? order by seq
"""
_READ_ON = _READ.replace("= ?", f"= ({NUMBER})")
_END = "select seq from thread where thread_id = ?"
_LAST = """
select record.thread_id, record.seq, record.at, worked_s, cast(event as blob), checksum from record
join thread on record.id = record_id where thread.thread_id = ?
"""
_NAMES = """
select thread_id from thread where substr(thread_id, 1, length(:beginning)) = :beginning
order by record_id desc
"""
OF_THREAD = ("thread_key", "thread_handle", "thread_source")
"""The tables by which threads are found, besides `thread`. Who deletes a thread looks through all
handles: an index for that would cost each thread that waits more than it saves."""
_WRITE_MARK = """
insert into treadle.{} (tenant, {}, thread_id) values (:tenant, :mark, :thread)
on conflict do nothing
"""
PLACE_BITS = 16
"""A `place` in the list of threads is a range of 65,536 records."""


@contextmanager
def changing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction of one writer: all that the block does is written, or nothing."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")


@dataclass(frozen=True)
class FileTables:
    """The tables of a database file, as any statement of tables.py sees them."""

    db: sqlite3.Connection

    def execute(self, statement: str, **values: Any) -> sqlite3.Cursor:
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = msgspec.json.encode(value).decode()
        return self.db.execute(to_sqlite(statement), values)

    def read(self, thread_id: str) -> list[Row]:
        return read_rows(self.db, thread_id, 0)


def insert(db: sqlite3.Connection, thread_id: str, rows: Sequence[Row]) -> None:
    """Add the rows in the open transaction, and book what they say of accounts.

    Raises SeqTaken if they aren't the thread's next, AccountFull, UsageError for a name that can't
    be kept.
    """
    refuse_mark(thread_id, rows)
    record_id = 0
    try:
        for row in rows:
            checksum = row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event)
            values = (thread_id, row.seq, row.at, row.worked_s, checksum, row.event.decode())
            if row.seq == 1:
                written = db.execute(_FIRST, values)
            else:
                written = db.execute(_NEXT, (thread_id, *values))
            record_id = written.lastrowid or 0
        if _change_list(db, thread_id, rows, record_id):
            account_table.book(FileTables(db), thread_id, rows)
            return
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode not in _TAKEN:
            raise
    raise SeqTaken(f"seq {rows[0].seq} of thread {thread_id!r} can't be written: it isn't the next")


def refuse_mark(thread_id: str, rows: Sequence[Row]) -> None:
    """Raise UsageError for a new thread whose name would be taken for a number of the file."""
    if thread_id.startswith(NUMBER_MARK) and rows[0].seq == 1:
        raise UsageError(
            f"the thread's name {thread_id!r} begins with {NUMBER_MARK!r}, which marks numbers in"
            " the file; leave that out"
        )


def _change_list(
    db: sqlite3.Connection, thread_id: str, rows: Sequence[Row], record_id: int
) -> bool:
    """Let the list of threads say so, too; False if the rows don't follow what it says."""
    before, last = rows[0].seq - 1, rows[-1]
    if last.seq != before + len(rows):
        return False
    place = record_id >> PLACE_BITS
    end = (last.seq, last.at, record_id)
    marks = read_marks(rows)
    if before == 0:
        known = marks or Marks()
        about = (known.agent, known.parent, known.source)
        db.execute(_BEGIN, (*end, last.status, place, last.due, thread_id, *about))
    elif not db.execute(_GO_ON, (*end, thread_id, before, last.status, place, last.due)).rowcount:
        moved = db.execute(_MOVE, (*end, last.status, place, last.due, thread_id, before))
        if not moved.rowcount:
            return False
    if marks:
        write_marks(FileTables(db), thread_id, marks)
    return True


def write_marks(tables: Tables, thread_id: str, marks: Marks) -> None:
    """Let keys, handles and the threads that this one was forked from be found."""
    for key in marks.keys:
        tables.execute(_WRITE_MARK.format("thread_key", "key"), mark=key, thread=thread_id)
    for handle in marks.handles:
        digest = digest_of_handle(handle)
        tables.execute(_WRITE_MARK.format("thread_handle", "handle"), mark=digest, thread=thread_id)
    for source in marks.sources:
        tables.execute(_WRITE_MARK.format("thread_source", "source"), mark=source, thread=thread_id)


def read(db: sqlite3.Connection, thread_id: str, after_seq: int) -> list[Row]:
    """The thread's rows after `after_seq`, each verified. Raises StoreDamaged."""
    db.execute("begin")  # so that both tables are read as of one moment
    try:
        return read_rows(db, thread_id, after_seq)
    finally:
        if db.in_transaction:
            db.execute("rollback")


def read_rows(db: sqlite3.Connection, thread_id: str, after_seq: int) -> list[Row]:
    """As `read`, in a transaction that is open."""
    rows: list[Row] = []
    try:
        end = db.execute(_END, (thread_id,)).fetchone()
        if end is None and thread_id.startswith(NUMBER_MARK):
            return []  # records that are found by it are those of another thread
        asked = (thread_id, after_seq)
        # Closed also where they aren't read to their end: whoever keeps the error would keep them,
        # and with them a lock of the file.
        with closing(db.cursor()) as named, closing(db.cursor()) as numbered:
            found = chain(named.execute(_READ, asked), numbered.execute(_READ_ON, asked))
            for seq, at, worked_s, checksum, event in found:
                if checksum != row_checksum(thread_id, seq, at, worked_s, event):
                    raise StoreDamaged(
                        f"record {seq} of thread {thread_id!r} is damaged: its checksum is wrong"
                    )
                rows.append(Row(seq, at, event, worked_s, checksum))
    except (TypeError, struct.error):  # a value of another type than was written
        seq = after_seq + len(rows) + 1
        raise StoreDamaged(f"record {seq} of thread {thread_id!r} is damaged") from None
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        seq = after_seq + len(rows) + 1
        raise StoreDamaged(
            f"record {seq} of thread {thread_id!r} can't be read: {error}"
        ) from error
    refuse_gaps(thread_id, after_seq, rows, end[0] if end else 0)
    return rows


def find_keys(db: sqlite3.Connection, thread_id: str) -> tuple[str, ...]:
    """What the column of the names has in the records of this thread."""
    if thread_id.startswith(NUMBER_MARK) and not db.execute(_END, (thread_id,)).fetchone():
        return ()
    numbers = [str(number) for (number,) in db.execute(NUMBER, (thread_id,))]
    return (thread_id, *(numbers or _find_lost_number(db, thread_id)))


def _find_lost_number(db: sqlite3.Connection, thread_id: str) -> list[str]:
    """The number of a thread that has lost its first record: its last one still has it.

    The checksum, in which the name is, shows whether that one is of this thread.
    """
    with suppress(TypeError, struct.error):  # a value of another type than was written
        for number, *values, checksum in db.execute(_LAST, (thread_id,)):
            if checksum == row_checksum(thread_id, *values):
                return [str(number)]
    return []


def list_names(db: sqlite3.Connection, beginning: str) -> list[str]:
    """The threads whose names begin so, the last written first."""
    return [str(name) for (name,) in db.execute(_NAMES, {"beginning": beginning})]


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the error comes from wrong bytes in the file."""
    # Without a code, a text in the file isn't UTF-8.
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _DAMAGE


def refuse_gaps(thread_id: str, after_seq: int, rows: Sequence[Row], end: int) -> None:
    wanted = range(after_seq + 1, end + 1)
    for seq, row in zip(wanted, rows, strict=False):
        if row.seq != seq:
            raise StoreDamaged(f"record {seq} of thread {thread_id!r} is missing")
    if len(rows) < len(wanted):
        raise StoreDamaged(
            f"record {wanted[len(rows)]} of thread {thread_id!r} is missing; it had {end}"
        )
    if len(rows) > len(wanted):
        raise StoreDamaged(
            f"thread {thread_id!r} goes on to record {rows[-1].seq};"
            f" the list of threads knows only {end}"
        )
