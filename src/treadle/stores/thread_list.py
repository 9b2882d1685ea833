"""Lists the threads of a database from the table `thread`, each filter by an index.

1. Every append changes a thread's `record_id`, by which the list is ordered. An index of that would
   cost each append a quarter. So the indexes have `place`, a range of records: it changes seldom,
   and what is in one range is sorted when the list is asked for.
2. A status is what the fold of the log says, written with each append. Where a writer couldn't say
   (""), the log is folded when the thread is listed.
3. Damage to one thread hides no other.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import islice
from typing import Any

from msgspec.structs import asdict, replace

from ..core.errors import IllegalEvent, StoreDamaged
from ..core.state import fold
from ..core.status import find_status
from .marks import digest_of_handle, read_claim
from .record_table import NUMBER_MARK, PLACE_BITS, FileTables, is_damage
from .rows import from_rows
from .store import ThreadInfo, ThreadQuery, Waking
from .tables import Tables

FEW = 1000
"""So many threads are rather sorted than found in order by an index."""

_LIST = """
select cast(thread_id as blob), seq, at, agent, parent, status, source, record_id from thread
"""

_DRIVERS = """
select cast(thread.thread_id as blob), cast(event as blob) from thread indexed by thread_by_due
join record on record.thread_id in (
    thread.thread_id,
    (select char(31) || id from record as first where thread_id = thread.thread_id and seq = 1)
)
where due > 0 and due <= ?
and (event glob '{"type":"ThreadClaimed*' or event glob '{"type":"HandedOff*')
order by record.seq
"""
"""Of the threads whose own logs say when they go on, what says who drives them."""
_HANDLED = """
select thread_id from treadle.thread_handle
where tenant = :tenant and handle = :handle order by thread_id
"""
_FORKS = """
select thread_id from treadle.thread_source
where tenant = :tenant and source = :source order by thread_id
"""
_LAST_SEQS = """
select thread_id, seq from treadle.thread where tenant = :tenant and thread_id = any(:names)
"""
_POSTPONE = """
update treadle.thread set due = :due
where tenant = :tenant and thread_id = :thread and seq = :seq
"""


def list_threads(db: sqlite3.Connection, query: ThreadQuery, few: int = FEW) -> list[ThreadInfo]:
    """The threads that fit, the last written first; up to a `few` are sorted without an index."""
    try:
        if query.status is None:
            found = list(_select(db, query, few))
        else:
            known = _select(db, query, few)
            unknown = _select(db, query, few, status="")
            both = merge(known, unknown, key=lambda info: info.position, reverse=True)
            settled = (settle(FileTables(db), info) for info in both)
            fitting = (info for info in settled if info.status == query.status)
            return list(islice(fitting, query.limit))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return _list_around_damage(db, query)
    if any(not info.thread_id for info in found):  # its name can't be read
        return _list_around_damage(db, query)
    return [settle(FileTables(db), info) for info in found]


def find_waking(db: sqlite3.Connection, now: float) -> list[Waking]:
    """As `Timed.find_waking`."""
    listing = _LIST.replace("from thread", "from thread indexed by thread_by_due")
    found = [_info(*row) for row in db.execute(f"{listing} where due <= ?", (now,))]
    mine = [info for info in found if not info.parent]
    told = [(name.decode(errors="replace"), event) for name, event in db.execute(_DRIVERS, (now,))]
    return wake(FileTables(db), mine, told)


def wake(
    tables: Tables, found: Iterable[ThreadInfo], told: Iterable[tuple[str, bytes]]
) -> list[Waking]:
    """Those of the threads that wait. `told` are the events that tell their drivers, by thread."""
    events: dict[str, list[bytes]] = {}
    for name, event in told:
        events.setdefault(name, []).append(event)
    settled = (settle(tables, info) for info in found)
    return [
        Waking(**asdict(info), claim=read_claim(events.get(info.thread_id, ())))
        for info in settled
        if info.status == "waiting"
    ]


def find_forks(tables: Tables, thread_id: str) -> list[str]:
    """The threads that were forked from this one, or from a fork of it."""
    return [str(name) for (name,) in tables.execute(_FORKS, source=thread_id).fetchall()]


def find_handle(tables: Tables, handle: str) -> list[str]:
    """As `Timed.find_handle`."""
    found = tables.execute(_HANDLED, handle=digest_of_handle(handle)).fetchall()
    return [str(name) for (name,) in found]


def find_last_seqs(tables: Tables, thread_ids: Sequence[str]) -> dict[str, int]:
    """As `Watchable.last_seqs`."""
    found = tables.execute(_LAST_SEQS, names=list(thread_ids)).fetchall()
    return {str(name): seq or 0 for name, seq in found}


def postpone(tables: Tables, thread_id: str, seq: int, due: float) -> None:
    """As `Timed.postpone`."""
    tables.execute(_POSTPONE, thread=thread_id, seq=seq, due=due)


def _select(
    db: sqlite3.Connection, query: ThreadQuery, few: int, status: str | None = None
) -> Iterator[ThreadInfo]:
    """The lines that fit, the last written first, and the limit; `status` in place of its own."""
    wanted = query.status if status is None else status
    statement, values = build_query(db, query, wanted, few)
    # Where unknown ones are looked through, nobody knows how many of them will fit.
    limit = query.limit if query.status is None else -1
    for row in db.execute(statement, (*values, limit)):
        yield _info(*row)


def build_query(
    db: sqlite3.Connection, query: ThreadQuery, status: str | None, few: int = FEW
) -> tuple[str, tuple[Any, ...]]:
    """The statement for these filters by the index that leaves least to look at, and its values.

    The last value, the limit, is left to add.
    """
    filters = {"status": status, "agent": query.agent, "parent": query.parent}
    given = {name: value for name, value in filters.items() if value is not None}
    index = _find_index(db, given, query.key, few)
    # A plus keeps SQLite from another index than the one that was found to be best.
    where = [f"{'' if index.endswith(name) else '+'}{name} = ?" for name in given]
    values: tuple[Any, ...] = tuple(given.values())
    if query.before is not None:
        where += ["place <= ?" if index else "true", "record_id < ?"]
        values += (query.before >> PLACE_BITS, query.before) if index else (query.before,)
    if query.key is not None:
        where.append("thread_id in (select thread_id from thread_key where key = ?)")
        values += (query.key,)
    table = f"thread indexed by {index}" if index else "thread"
    order = "place desc, record_id desc" if index else "record_id desc"
    condition = f"where {' and '.join(where)}" if where else ""
    listing = _LIST.replace("from thread", f"from {table}")
    return f"{listing} {condition} order by {order} limit ?", values


def _find_index(db: sqlite3.Connection, given: dict[str, str], key: str | None, few: int) -> str:
    """The index of the filter that leaves fewest threads; "" where no order is needed of one."""
    if key is not None or not _has_more(db, few, "thread", "true"):
        return ""
    indexes = {f"thread_by_{name}": (f"{name} = ?", value) for name, value in given.items()}
    for index, (where, value) in indexes.items():
        if not _has_more(db, few, f"thread indexed by {index}", where, value):
            return index
    return next(iter(indexes), "thread_by_place")


def _has_more(db: sqlite3.Connection, few: int, table: str, where: str, *values: str) -> bool:
    """Whether it has more than a few threads."""
    counted = f"select 1 from {table} where {where} limit {few + 1}"  # noqa: S608  # tables, columns and numbers of this file
    [(count,)] = db.execute(f"select count(*) from ({counted})", values)  # noqa: S608  # tables, columns and numbers of this file
    return bool(count > few)


def settle(tables: Tables, info: ThreadInfo) -> ThreadInfo:
    """With the status that the log says, where its writer couldn't."""
    if info.status or info.damaged:
        return info
    status = "damaged"
    with suppress(StoreDamaged, IllegalEvent):
        status = find_status(fold(from_rows(info.thread_id, tables.read(info.thread_id))))
    return replace(info, status=status)


def _info(name: bytes | None, seq: Any, at: Any, *rest: Any) -> ThreadInfo:
    thread_id = (name or b"").decode(errors="replace")
    whole = isinstance(seq, int) and isinstance(at, float) and isinstance(rest[-1], int)
    if whole and thread_id.encode() == name and all(isinstance(each, str) for each in rest[:-1]):
        return ThreadInfo(thread_id, seq, at, "", *rest)
    reason = "its line in the list of threads is damaged"
    return ThreadInfo(thread_id, 0, 0.0, reason, status="damaged")


def _list_around_damage(db: sqlite3.Connection, query: ThreadQuery) -> list[ThreadInfo]:
    """The threads that either table names; the damaged first, so that no limit hides them.

    What is damaged has no agent, parent or key that it could be found by.
    """
    names = {*_walk(db, "thread"), *_walk(db, "record")}
    found: list[ThreadInfo] = []
    for name in sorted(names):
        try:
            row = db.execute(f"{_LIST} where thread_id = cast(? as text)", (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            row = None
        if row:
            found.append(settle(FileTables(db), _info(*row)))
        else:
            reason = "its line in the list of threads can't be read"
            shown = name.decode(errors="replace")
            found.append(ThreadInfo(shown, 0, 0.0, reason, status="damaged"))
    found.sort(key=lambda info: (bool(info.damaged), info.position), reverse=True)
    keyed = _find_keyed(db, query)
    return [info for info in found if fits(info, query, keyed)][: query.limit]


def fits(info: ThreadInfo, query: ThreadQuery, keyed: Sequence[str] = ()) -> bool:
    """Whether a thread is one that is asked for; `keyed` have a message with the key."""
    return (
        query.status in (None, info.status)
        and query.agent in (None, info.agent)
        and query.parent in (None, info.parent)
        and (query.before is None or info.position < query.before)
        and (query.key is None or info.thread_id in keyed)
    )


def _find_keyed(db: sqlite3.Connection, query: ThreadQuery) -> list[str]:
    if query.key is None:
        return []
    try:
        found = db.execute("select thread_id from thread_key where key = ?", (query.key,))
        return [str(name) for (name,) in found]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return []


def _walk(db: sqlite3.Connection, table: str) -> Iterator[bytes]:
    """The names of threads in this table: from both ends of its index up to the damage.

    Numbers that stand in the place of a name are passed over.
    """
    mark = NUMBER_MARK.encode()
    for nearest, beyond, past_numbers in (("min", ">", mark + b":"), ("max", "<", mark)):
        query = f"select cast({nearest}(thread_id) as blob) from {table}"  # noqa: S608  # tables, columns and numbers of this file
        step = f"{query} where thread_id {beyond} cast(? as text)"
        seen: set[bytes] = set()
        try:
            [name] = db.execute(query).fetchone()
            while name is not None and name not in seen:
                seen.add(name)
                if name.startswith(mark):
                    name = past_numbers
                else:
                    yield name
                [name] = db.execute(step, (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
