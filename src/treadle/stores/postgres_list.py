"""Lists the threads of a tenant in PostgreSQL from the table `thread`, each filter by an index.

As in thread_list.py, the indexes have `place`, a range of positions, so that an append seldom
changes an index. A status that a writer couldn't say ("") is that of the fold of the log.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from ..core.errors import IllegalEvent, StoreDamaged
from ..core.state import fold
from ..core.status import find_status
from .marks import digest_of_handle, read_claim
from .postgres_records import read
from .record_table import PLACE_BITS
from .rows import from_rows
from .store import ThreadInfo, ThreadQuery, Waking

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
_HANDLED = """
select thread_id from treadle.thread_handle where tenant = %s and handle = %s order by thread_id
"""
_POSTPONE = """
update treadle.thread set due = %s where tenant = %s and thread_id = %s and seq = %s
"""
_FORKS = """
select thread_id from treadle.thread_source where tenant = %s and source = %s order by thread_id
"""
_PAGE = 500
"""Of threads that are looked through, so many are read at once."""


def list_threads(db: "Connection[Any]", tenant: str, query: ThreadQuery) -> list[ThreadInfo]:
    """The threads that fit, the last written first."""
    found: list[ThreadInfo] = []
    for info in _walk(db, tenant, query):
        settled = settle(db, tenant, info)
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


def settle(db: "Connection[Any]", tenant: str, info: ThreadInfo) -> ThreadInfo:
    """With the status that the log says, where its writer couldn't."""
    if info.status:
        return info
    status = "damaged"
    with suppress(StoreDamaged, IllegalEvent):
        rows = read(db, tenant, info.thread_id)
        status = find_status(fold(from_rows(info.thread_id, rows)))
    return replace(info, status=status)


def find_waking(db: "Connection[Any]", tenant: str, now: float) -> list[Waking]:
    """As `Timed.find_waking`."""
    values = {"tenant": tenant, "now": now}
    due = f"{_LIST} and due <= %(now)s and parent = ''"
    found = [ThreadInfo(*row) for row in db.execute(due.encode(), values).fetchall()]
    settled = (settle(db, tenant, info) for info in found)
    waiting = [info for info in settled if info.status == "waiting"]
    events: dict[str, list[bytes]] = {}
    for name, event in db.execute(_DRIVERS, values, binary=True):
        events.setdefault(name, []).append(event)
    claims = {name: read_claim(each) for name, each in events.items()}
    return [Waking(**asdict(info), claim=claims.get(info.thread_id)) for info in waiting]


def find_handle(db: "Connection[Any]", tenant: str, handle: str) -> list[str]:
    """As `Timed.find_handle`."""
    return _names(db, _HANDLED, tenant, digest_of_handle(handle))


def postpone(db: "Connection[Any]", tenant: str, thread_id: str, seq: int, due: float) -> None:
    """As `Timed.postpone`."""
    db.execute(_POSTPONE, (due, tenant, thread_id, seq))


def find_forks(db: "Connection[Any]", tenant: str, thread_id: str) -> list[str]:
    """The threads that were forked from this one, or from a fork of it."""
    return _names(db, _FORKS, tenant, thread_id)


def _names(db: "Connection[Any]", query: str, *values: object) -> list[str]:
    return [str(name) for (name,) in db.execute(query.encode(), values)]
