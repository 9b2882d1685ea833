"""Checks the tables of a tenant in PostgreSQL against its logs, and derives them anew."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import IllegalEvent, StoreDamaged
from . import postgres_accounts
from .marks import Marks, digest_of_handle, read_marks
from .postgres_records import read
from .postgres_schema import TABLES
from .rebuild_accounts import Sums, find_differences
from .rebuild_list import compare_line
from .record_table import OF_THREAD
from .rows import from_rows, to_rows
from .store import Row

if TYPE_CHECKING:
    from psycopg import Connection

_NAMES = "select thread_id from treadle.thread where tenant = %s order by thread_id"
_BEGINNING = """
select thread_id from treadle.thread where tenant = %s and starts_with(thread_id, %s)
order by position desc
"""
_CHILDREN = """
select thread_id from treadle.thread where tenant = %s and parent = %s order by began
"""
_UNLISTED = """
select distinct thread_id from treadle.record where tenant = %(tenant)s except
select thread_id from treadle.thread where tenant = %(tenant)s order by 1
"""
_LINE = """
select status, agent, parent, source from treadle.thread where tenant = %s and thread_id = %s
"""
_SET = """
update treadle.thread set status = %s, agent = %s, parent = %s, source = %s, due = %s
where tenant = %s and thread_id = %s
"""
_KEEP_OTHERS_OUT = """
lock table treadle.thread, treadle.account, treadle.reservation, treadle.minute in exclusive mode
"""
"""In the order in which they are written to. One may read meanwhile."""
_USED = "select name, tokens, usd from treadle.account where tenant = %s"
_HELD = "select account, thread_id, tokens, usd from treadle.reservation where tenant = %s"


def count_records(db: "Connection[Any]", tenant: str) -> int:
    query = "select count(*) from treadle.record where tenant = %s"
    return int(_one(db, query, tenant))


def list_children(db: "Connection[Any]", tenant: str, thread_id: str) -> list[str]:
    """The children of a thread, the oldest first."""
    return _texts(db, _CHILDREN, tenant, thread_id)


def list_names(db: "Connection[Any]", tenant: str, beginning: str) -> list[str]:
    """The threads whose names begin so, the last written first."""
    return _texts(db, _BEGINNING, tenant, beginning)


def find_unlisted(db: "Connection[Any]", tenant: str) -> list[str]:
    """The threads that the list doesn't have, a sentence each."""
    found = db.execute(_UNLISTED, {"tenant": tenant}).fetchall()
    return [f"thread {name} has records but isn't in the list of threads" for (name,) in found]


def find_wrong_lines(db: "Connection[Any]", tenant: str) -> list[str]:
    """What the list of threads and the accounts say that the logs don't.

    All of it as of one moment. Nobody who writes has to wait for it.
    """
    wrong: list[str] = []
    sums = Sums()
    with db.transaction():
        db.execute("set transaction isolation level repeatable read, read only")
        for thread_id in _texts(db, _NAMES, tenant):
            rows, marks = _derive(db, tenant, thread_id)
            sums.add(thread_id, rows)
            line = db.execute(_LINE, (tenant, thread_id)).fetchone()
            if line and rows and rows[-1].status:  # else it is damaged, and others say so
                wanted = (rows[-1].status, marks.agent, marks.parent, marks.source)
                wrong += compare_line(thread_id, line, wanted)
        wrong += [f"the account {each}" for each in sums.find_wrong(*_read_accounts(db, tenant))]
    return wrong


def repair_list(db: "Connection[Any]", tenant: str) -> int:
    """Write anew what is derived from the logs; how many threads and accounts were wrong.

    Nobody else writes meanwhile.
    """
    wrong = 0
    with db.transaction():
        db.execute(_KEEP_OTHERS_OUT)
        names = _texts(db, _NAMES, tenant)
        for table in OF_THREAD:
            db.execute(f"delete from treadle.{table} where tenant = %s".encode(), (tenant,))  # noqa: S608  # tables that stand in the code
        for thread_id in names:
            line = db.execute(_LINE, (tenant, thread_id)).fetchone()
            rows, marks = _derive(db, tenant, thread_id)
            status, due = (rows[-1].status, rows[-1].due) if rows else ("", None)
            wanted = (status, marks.agent, marks.parent, marks.source)
            wrong += line != wanted
            db.execute(_SET, (*wanted, due, tenant, thread_id))
            _write_marks(db, tenant, thread_id, marks)
        wrong += len(list(_repair_accounts(db, tenant, names)))
    return wrong


def _derive(db: "Connection[Any]", tenant: str, thread_id: str) -> tuple[list[Row], Marks]:
    """The rows of a thread with what follows from them, and its marks; none of what can't be read.

    Of a log that can be read up to a wrong event, only the marks.
    """
    rows: list[Row] = []
    derived: list[Row] = []
    try:
        rows = read(db, tenant, thread_id)
        derived = to_rows(from_rows(thread_id, rows))
    except (StoreDamaged, IllegalEvent):
        pass
    return derived, read_marks(rows) or Marks()


def _write_marks(db: "Connection[Any]", tenant: str, thread_id: str, marks: Marks) -> None:
    values: dict[str, Sequence[str | bytes]] = {
        "thread_key": marks.keys,
        "thread_handle": [digest_of_handle(handle) for handle in marks.handles],
        "thread_source": marks.sources,
    }
    for table, found in values.items():
        for value in found:
            query = f"insert into treadle.{table} values (%s, %s, %s) on conflict do nothing"  # noqa: S608  # tables that stand in the code
            db.execute(query.encode(), (tenant, value, thread_id))


def _repair_accounts(db: "Connection[Any]", tenant: str, thread_ids: list[str]) -> Iterator[str]:
    """Write anew what the logs of all these threads say, in the open transaction; what differs."""
    used, held = _read_accounts(db, tenant)
    for table in ("account", "reservation"):
        db.execute(f"delete from treadle.{table} where tenant = %s".encode(), (tenant,))  # noqa: S608  # tables that stand in the code
    nameless = "delete from treadle.minute where tenant = %s and thread_id <> ''"
    db.execute(nameless, (tenant,))  # else its thread is deleted
    for thread_id in thread_ids:
        try:
            rows = to_rows(from_rows(thread_id, read(db, tenant, thread_id)))
        except (StoreDamaged, IllegalEvent):
            continue  # others say that it is damaged
        for row in rows:
            postgres_accounts.book_again(db, tenant, thread_id, row)
    for name, (tokens, usd) in used.items():
        if name.startswith("day:"):
            postgres_accounts.raise_to(db, tenant, name, tokens, usd)
    used_now, held_now = _read_accounts(db, tenant)
    yield from find_differences(used, used_now)
    yield from find_differences(held, held_now)


def _read_accounts(
    db: "Connection[Any]", tenant: str
) -> tuple[dict[str, tuple[int, float]], dict[str, tuple[int, float]]]:
    """What was used of each account, and what is reserved, by account and thread."""
    used = {name: (tokens, usd) for name, tokens, usd in db.execute(_USED, (tenant,))}
    held = {
        f"{account} by {thread_id}": (tokens, usd)
        for account, thread_id, tokens, usd in db.execute(_HELD, (tenant,))
    }
    return used, held


def measure(db: "Connection[Any]") -> int:
    """Bytes of all tables and their indexes."""
    query = "select sum(pg_total_relation_size('treadle.' || name)) from unnest(%s::text[]) as name"
    return int(_one(db, query, list(TABLES)))


def vacuum(db: "Connection[Any]") -> None:
    """Write all tables anew."""
    for table in TABLES:
        db.execute(f"vacuum (full, analyze) treadle.{table}".encode())


def _one(db: "Connection[Any]", query: str, *values: Any) -> Any:
    row = db.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def _texts(db: "Connection[Any]", query: str, *values: str) -> list[str]:
    return [str(name) for (name,) in db.execute(query.encode(), values).fetchall()]
