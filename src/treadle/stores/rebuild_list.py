"""Derives the list of threads from the logs: for a file of an older format, and to repair one.

What says how long a thread is stays as it is: it must show what the logs have lost.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.errors import IllegalEvent, StoreDamaged
from .marks import Marks, read_marks
from .rebuild_accounts import Sums, find_wrong_accounts, repair_accounts
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
        rows, marks = _derive(db, thread_id)
        status, due = (rows[-1].status, rows[-1].due) if rows else ("", None)
        wanted = (status, *_about(marks))
        wrong += line != wanted
        db.execute(_SET, (*wanted, due, PLACE_BITS, thread_id))
        write_marks(db, thread_id, marks)
    return wrong


def find_wrong_lines(db: sqlite3.Connection) -> list[str]:
    """What the list and the accounts say that the logs don't, a sentence each.

    All of it as of one moment. Nobody who writes has to wait for it.
    """
    wrong: list[str] = []
    sums = Sums()
    db.execute("begin")
    try:
        for thread_id in _names(db):
            line = db.execute(_LINE, (thread_id,)).fetchone()
            rows, marks = _derive(db, thread_id)
            sums.add(thread_id, rows)
            if line and rows and rows[-1].status:  # else it is damaged, and others say so
                wrong += compare_line(thread_id, line, (rows[-1].status, *_about(marks)))
        return wrong + find_wrong_accounts(db, sums)
    finally:
        if db.in_transaction:
            db.execute("rollback")


def compare_line(thread_id: str, line: Sequence[Any], wanted: Sequence[str]) -> Iterator[str]:
    """In what a line of the list differs from what its log says: status, agent, parent, source."""
    said = (line[0] or wanted[0], *line[1:])
    names = ("status", "agent", "parent", "source")
    for name, listed, true in zip(names, said, wanted, strict=True):
        if listed != true:
            yield f"thread {thread_id}: the list says {name} {listed!r}, its log {true!r}"


def _about(marks: Marks) -> tuple[str, str, str]:
    return marks.agent, marks.parent, marks.source


def _names(db: sqlite3.Connection) -> list[str]:
    """The threads of the list, but for those whose names are damaged."""
    rows = db.execute("select cast(thread_id as blob) from thread order by thread_id")
    names = [(name or b"").decode(errors="replace") for (name,) in rows]
    return [name for name in names if name and "\ufffd" not in name]


def _derive(db: sqlite3.Connection, thread_id: str) -> tuple[list[Row], Marks]:
    """The rows of a thread with what follows from them, and its marks; none of what can't be read.

    Of a log that can be read up to a wrong event, only the marks.
    """
    rows: list[Row] = []
    derived: list[Row] = []
    try:
        rows = read_rows(db, thread_id, 0)
        derived = to_rows(from_rows(thread_id, rows))
    except (StoreDamaged, IllegalEvent):
        pass
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    return derived, read_marks(rows) or Marks()
