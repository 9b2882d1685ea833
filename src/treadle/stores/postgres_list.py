"""Lists the threads of a tenant in PostgreSQL from the table `thread`, each filter by an index.

As in thread_list.py, the indexes have `place`, a range of positions, so that an append seldom
changes an index. A status that a writer couldn't say ("") is that of the fold of the log.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from .postgres_records import TenantTables
from .record_table import PLACE_BITS
from .store import ThreadInfo, ThreadQuery, Waking
from .thread_list import settle, wake

if TYPE_CHECKING:
    from psycopg import Connection

_LIST = """
select thread_id, seq, at, '', agent, parent, status, source, position from treadle.thread
where tenant = %(tenant)s
"""
_KEYED = """
thread_id in (select thread_id from treadle.thread_key where tenant = %(tenant)s and key = %(key)s)
"""
_BEFORE = f"place <= %(before)s::bigint >> {PLACE_BITS} and position < %(before)s"
_DRIVERS = """
select thread_id, event from treadle.record join treadle.thread using (tenant, thread_id)
where tenant = %(tenant)s and due > 0 and due <= %(now)s
and (substring(event for 22) = convert_to('{"type":"ThreadClaimed', 'UTF8')
    or substring(event for 18) = convert_to('{"type":"HandedOff', 'UTF8'))
order by record.seq
"""
"""Of the threads whose own logs say when they go on, what says who drives them."""
_PAGE = 500
"""Of threads that are looked through, so many are read at once."""


def list_threads(db: "Connection[Any]", tenant: str, query: ThreadQuery) -> list[ThreadInfo]:
    """The threads that fit, the last written first."""
    found: list[ThreadInfo] = []
    for info in _walk(db, tenant, query):
        settled = settle(TenantTables(db, tenant), info)
        if query.status in (None, settled.status):
            found.append(settled)
        if len(found) >= query.limit:
            break
    return found


def _walk(db: "Connection[Any]", tenant: str, query: ThreadQuery) -> Iterator[ThreadInfo]:
    """The lines that fit, page by page; those without a status fit any."""
    while True:
        limit = min(query.limit, _PAGE) if query.status is not None else query.limit
        page = _select(db, tenant, query, limit)
        yield from page
        if query.status is None or len(page) < limit:
            return
        query = replace(query, before=page[-1].position)


def _select(db: "Connection[Any]", tenant: str, query: ThreadQuery, limit: int) -> list[ThreadInfo]:
    values = asdict(query) | {"tenant": tenant, "limit": limit}
    conditions = {
        "status = any(array[%(status)s, ''])": query.status,
        "agent = %(agent)s": query.agent,
        "parent = %(parent)s": query.parent,
        _KEYED: query.key,
        _BEFORE: query.before,
    }
    where = [condition for condition, given in conditions.items() if given is not None]
    statement = " and ".join([_LIST, *where])
    statement += " order by place desc, position desc limit %(limit)s"
    return [ThreadInfo(*row) for row in db.execute(statement.encode(), values)]


def find_waking(db: "Connection[Any]", tenant: str, now: float) -> list[Waking]:
    """As `Timed.find_waking`."""
    values = {"tenant": tenant, "now": now}
    due = f"{_LIST} and due <= %(now)s and parent = ''"
    found = [ThreadInfo(*row) for row in db.execute(due.encode(), values).fetchall()]
    told = db.execute(_DRIVERS, values, binary=True).fetchall()
    return wake(TenantTables(db, tenant), found, told)
