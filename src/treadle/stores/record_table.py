"""The two tables of the logs: `record` has the records, `thread` has the last seq of each thread.

1. Both are written in one transaction, so each shows what the other has lost: then the thread can't
   be read, and no new thread of its name can be started.
2. Every record has a checksum: reading gives what was written, or raises StoreDamaged.
3. Damage to one thread hides no other.
"""

import sqlite3
import struct
from collections.abc import Iterator, Sequence

from ..core.codec import row_checksum
from ..core.errors import SeqTaken, StoreDamaged
from .store import Row, ThreadInfo

_TAKEN = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_INSERT = (
    "insert into record (thread_id, seq, at, worked_s, checksum, event) values (?, ?, ?, ?, ?, ?)"
)
_GO_ON = "update thread set seq = ?, at = ?, record_id = ? where thread_id = ? and seq = ?"
_BEGIN = "insert into thread (seq, at, record_id, thread_id) values (?, ?, ?, ?)"
_READ = """
select seq, at, worked_s, checksum, cast(event as blob) from record
where thread_id = ? and seq > ? order by seq
"""
_NAMES = """
select thread_id from thread where substr(thread_id, 1, length(:beginning)) = :beginning
order by record_id desc
"""
_LIST = "select cast(thread_id as blob), seq, at from thread"


def insert(db: sqlite3.Connection, thread_id: str, rows: Sequence[Row]) -> None:
    """Add the rows in the open transaction. Raises SeqTaken if they aren't the thread's next."""
    before, last = rows[0].seq - 1, rows[-1]
    record_id = None
    try:
        for row in rows:
            checksum = row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event)
            values = (thread_id, row.seq, row.at, row.worked_s, checksum, row.event.decode())
            record_id = db.execute(_INSERT, values).lastrowid
        end = (last.seq, last.at, record_id, thread_id)
        follows = last.seq == before + len(rows)
        if follows and db.execute(_GO_ON, (*end, before)).rowcount:
            return
        if follows and before == 0:
            db.execute(_BEGIN, end)
            return
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode not in _TAKEN:
            raise
    raise SeqTaken(f"seq {rows[0].seq} of thread {thread_id!r} can't be written: it isn't the next")


def read(db: sqlite3.Connection, thread_id: str, after_seq: int) -> list[Row]:
    """The thread's rows after `after_seq`, each verified. Raises StoreDamaged."""
    rows: list[Row] = []
    db.execute("begin")  # so that both tables are read as of one moment
    try:
        end = db.execute("select seq from thread where thread_id = ?", (thread_id,)).fetchone()
        for seq, at, worked_s, checksum, event in db.execute(_READ, (thread_id, after_seq)):
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
    finally:
        if db.in_transaction:
            db.execute("rollback")
    _refuse_gaps(thread_id, after_seq, rows, end[0] if end else 0)
    return rows


def list_threads(db: sqlite3.Connection, limit: int) -> list[ThreadInfo]:
    """The threads, the last written first."""
    try:
        found = db.execute(f"{_LIST} order by record_id desc limit ?", (limit,)).fetchall()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return _list_around_damage(db)[:limit]
    if any(name is None for name, *_ in found):
        return _list_around_damage(db)[:limit]
    return [_info(*row) for row in found]


def list_names(db: sqlite3.Connection, beginning: str) -> list[str]:
    """The threads whose names begin so, the last written first."""
    return [str(name) for (name,) in db.execute(_NAMES, {"beginning": beginning})]


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the error comes from wrong bytes in the file."""
    # Without a code, a text in the file isn't UTF-8.
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _DAMAGE


def _refuse_gaps(thread_id: str, after_seq: int, rows: Sequence[Row], end: int) -> None:
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


def _info(name: bytes, seq: int, at: float) -> ThreadInfo:
    thread_id = name.decode(errors="replace")
    if isinstance(seq, int) and isinstance(at, float) and thread_id.encode() == name:
        return ThreadInfo(thread_id, seq, at)
    return ThreadInfo(thread_id, 0, 0.0, "its line in the list of threads is damaged")


def _list_around_damage(db: sqlite3.Connection) -> list[ThreadInfo]:
    """The threads that either table names; the damaged first, so that no limit hides them."""
    names = {*_walk(db, "thread"), *_walk(db, "record")}
    whole, damaged = [], []
    query = f"{_LIST.replace('select', 'select record_id,')} where thread_id = cast(? as text)"
    for name in sorted(names):
        try:
            row = db.execute(query, (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            row = None
        if row:
            whole.append((row[0], _info(*row[1:])))
        else:
            reason = "its line in the list of threads can't be read"
            damaged.append(ThreadInfo(name.decode(errors="replace"), 0, 0.0, reason))
    return damaged + [info for _, info in sorted(whole, key=lambda each: each[0], reverse=True)]


def _walk(db: sqlite3.Connection, table: str) -> Iterator[bytes]:
    """The names of threads in this table: from both ends of its index up to the damage."""
    for nearest, beyond in (("min", ">"), ("max", "<")):
        query = f"select cast({nearest}(thread_id) as blob) from {table}"
        step = f"{query} where thread_id {beyond} cast(? as text)"
        seen: set[bytes] = set()
        try:
            [name] = db.execute(query).fetchone()
            while name is not None and name not in seen:
                yield name
                seen.add(name)
                [name] = db.execute(step, (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
