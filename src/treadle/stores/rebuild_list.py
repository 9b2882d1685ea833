"""Derives the list of threads from the logs: for a file of an older format, and to repair one.

What says how long a thread is stays as it is: it must show what the logs have lost.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..core.errors import IllegalEvent, StoreDamaged
from .marks import Marks, read_marks
from .rebuild_accounts import Sums, repair_accounts
from .record_table import OF_THREAD, PLACE_BITS, FileTables, changing, write_marks
from .rows import from_rows, to_rows
from .store import Row
from .tables import Tables

_LINE = (
    "select status, agent, parent, source from treadle.thread"
    " where tenant = :tenant and thread_id = :thread"
)
_SET = """
update treadle.thread
set status = :status, agent = :agent, parent = :parent, source = :source, due = :due
where tenant = :tenant and thread_id = :thread
"""
_PLACE = "update thread set place = record_id >> ? where thread_id = ?"


def repair_list(db: sqlite3.Connection) -> int:
    """As `rebuild_list`, in a transaction of its own, and the accounts; how many lines were wrong.

    The indexes are written anew first.
    """
    for table in ("thread", *OF_THREAD):
        db.execute(f"reindex {table}")
    with changing(db):
        return rebuild_list(db) + repair_accounts(FileTables(db), _names(db))


def rebuild_list(db: sqlite3.Connection) -> int:
    """As `rebuild_lines`, of all threads of a file."""
    names = _names(db)
    db.executemany(_PLACE, [(PLACE_BITS, name) for name in names])
    return rebuild_lines(FileTables(db), names)


def rebuild_lines(tables: Tables, names: Iterable[str]) -> int:
    """Write anew what is derived, in the open transaction; how many threads were listed wrongly.

    A thread whose log can't be read keeps its line, without a status.
    """
    wrong = 0
    for table in OF_THREAD:
        tables.execute(f"delete from treadle.{table} where tenant = :tenant")  # noqa: S608  # tables that stand in the code
    for thread_id in names:
        line = tables.execute(_LINE, thread=thread_id).fetchone()
        rows, marks = _derive(tables, thread_id)
        status, due = (rows[-1].status, rows[-1].due) if rows else ("", None)
        about = {"agent": marks.agent, "parent": marks.parent, "source": marks.source}
        wrong += line != (status, *about.values())
        tables.execute(_SET, thread=thread_id, status=status, due=due, **about)
        write_marks(tables, thread_id, marks)
    return wrong


def find_wrong_lines(db: sqlite3.Connection) -> list[str]:
    """As `check_lines`, of all threads of a file, as of one moment. Nobody who writes has to wait
    for it."""
    db.execute("begin")
    try:
        return check_lines(FileTables(db), _names(db))
    finally:
        if db.in_transaction:
            db.execute("rollback")


def check_lines(tables: Tables, names: Iterable[str]) -> list[str]:
    """What the list of threads and the accounts say that the logs don't, a sentence each."""
    wrong: list[str] = []
    sums = Sums()
    for thread_id in names:
        line = tables.execute(_LINE, thread=thread_id).fetchone()
        rows, marks = _derive(tables, thread_id)
        sums.add(thread_id, rows)
        if line and rows and rows[-1].status:  # else it is damaged, and others say so
            wanted = (rows[-1].status, marks.agent, marks.parent, marks.source)
            wrong += _compare(thread_id, line, wanted)
    return wrong + sums.find_wrong(tables)


def _compare(thread_id: str, line: Sequence[Any], wanted: Sequence[str]) -> Iterator[str]:
    """In what a line of the list differs from what its log says."""
    said = (line[0] or wanted[0], *line[1:])
    names = ("status", "agent", "parent", "source")
    for name, listed, true in zip(names, said, wanted, strict=True):
        if listed != true:
            yield f"thread {thread_id}: the list says {name} {listed!r}, its log {true!r}"


def _names(db: sqlite3.Connection) -> list[str]:
    """The threads of the list, but for those whose names are damaged."""
    rows = db.execute("select cast(thread_id as blob) from thread order by thread_id")
    names = [(name or b"").decode(errors="replace") for (name,) in rows]
    return [name for name in names if name and "\ufffd" not in name]


def _derive(tables: Tables, thread_id: str) -> tuple[list[Row], Marks]:
    """The rows of a thread with what follows from them, and its marks; none of what can't be read.

    Of a log that can be read up to a wrong event, only the marks.
    """
    rows: list[Row] = []
    derived: list[Row] = []
    try:
        rows = tables.read(thread_id)
        derived = to_rows(from_rows(thread_id, rows))
    except (StoreDamaged, IllegalEvent):
        pass
    return derived, read_marks(rows) or Marks()
