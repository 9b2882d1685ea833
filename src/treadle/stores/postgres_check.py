"""Checks the tables of a tenant in PostgreSQL against its logs, and derives them anew."""

from typing import TYPE_CHECKING, Any

from .postgres_records import TenantTables
from .postgres_schema import TABLES
from .rebuild_accounts import repair_accounts
from .rebuild_list import check_lines, rebuild_lines

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
_KEEP_OTHERS_OUT = """
lock table treadle.thread, treadle.account, treadle.reservation, treadle.minute in exclusive mode
"""
"""In the order in which they are written to. One may read meanwhile."""


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
    with db.transaction():
        db.execute("set transaction isolation level repeatable read, read only")
        return check_lines(TenantTables(db, tenant), _texts(db, _NAMES, tenant))


def repair_list(db: "Connection[Any]", tenant: str) -> int:
    """Write anew what is derived from the logs; how many threads and accounts were wrong.

    Nobody else writes meanwhile.
    """
    tables = TenantTables(db, tenant)
    with db.transaction():
        db.execute(_KEEP_OTHERS_OUT)
        names = _texts(db, _NAMES, tenant)
        return rebuild_lines(tables, names) + repair_accounts(tables, names)


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
