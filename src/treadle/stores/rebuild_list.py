"""Derives the list of threads from the logs: for a file of an older format, and to repair one.

What says how long a thread is stays as it is: it must show what the logs have lost.
"""

import sqlite3
from collections.abc import Iterator

from ..core.errors import IllegalEvent, StoreDamaged
from .marks import Marks, read_marks
from .rebuild_accounts import find_wrong_accounts, repair_accounts
from .record_table import OF_THREAD, PLACE_BITS, is_damage, read_rows, write_marks
from .rows import from_rows, to_rows
from .store import Row

_LINE = "select status, agent, parent, source from thread where thread_id = ?"
_SET = """
update thread set status = ?, agent = ?, parent = ?, source = ?, due = ?, place = record_id >> ?
where thread_id = ?
"""


def repair_list(db: sqlite3.Connection) -> int:
    """As `rebuild_list`, in a transaction of its own, and the accounts; how many lines were wrong.

    The indexes are written anew first.
    """
    for table in ("thread", *OF_THREAD):
        db.execute(f"reindex {table}")
    db.execute("begin immediate")
    try:
        wrong = rebuild_list(db) + repair_accounts(db, _names(db))
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return wrong


def rebuild_list(db: sqlite3.Connection) -> int:
    """Write anew what is derived, in the open transaction; how many threads were listed wrongly.

    A thread whose log can't be read keeps its line, without a status.
    """
    wrong = 0
    for table in OF_THREAD:
        db.execute(f"delete from {table}")  # noqa: S608  # tables that stand in the code
    for thread_id in _names(db):
        line = db.execute(_LINE, (thread_id,)).fetchone()
        status, due, marks = _derive(db, thread_id)
        wanted = (status, marks.agent, marks.parent, marks.source)
        wrong += line != wanted
        db.execute(_SET, (*wanted, due, PLACE_BITS, thread_id))
        write_marks(db, thread_id, marks)
    return wrong


def find_wrong_lines(db: sqlite3.Connection) -> Iterator[str]:
    """What the list says of threads that their logs don't, a sentence each."""
    for thread_id in _names(db):
        status, _, marks = _derive(db, thread_id)
        if not status:
            continue  # it is damaged, and others say so
        line = db.execute(_LINE, (thread_id,)).fetchone()
        said = (line[0] or status, *line[1:])
        wanted = (status, marks.agent, marks.parent, marks.source)
        names = ("status", "agent", "parent", "source")
        for name, listed, true in zip(names, said, wanted, strict=True):
            if listed != true:
                yield f"thread {thread_id}: the list says {name} {listed!r}, its log {true!r}"
    yield from find_wrong_accounts(db, _names(db))


def _names(db: sqlite3.Connection) -> list[str]:
    """The threads of the list, but for those whose names are damaged."""
    rows = db.execute("select cast(thread_id as blob) from thread order by thread_id")
    names = [(name or b"").decode(errors="replace") for (name,) in rows]
    return [name for name in names if name and "\ufffd" not in name]


def _derive(db: sqlite3.Connection, thread_id: str) -> tuple[str, float | None, Marks]:
    """The status, the due and the marks that a thread's log says; none of what can't be read."""
    rows: list[Row] = []
    last = Row(0, 0.0, b"")
    try:
        rows = read_rows(db, thread_id, 0)
        last = to_rows(from_rows(thread_id, rows))[-1]
    except (StoreDamaged, IllegalEvent):
        pass
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    return last.status, last.due, read_marks(rows) or Marks()
