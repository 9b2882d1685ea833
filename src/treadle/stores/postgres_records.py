"""Appends to logs in PostgreSQL, and reads them.

1. An append is one statement: it moves the thread's line on from the seq before, and writes the
   records if there was such a line. Of two that come at once, the second waits for the first, and
   then finds no line at that seq. So the check costs no round trip of its own.
2. Where it changes accounts, these are locked and read before it, in the same transaction.
3. It says at which position it has put the thread, for those who follow (`postgres_watch.py`). It
   sends no notice itself: PostgreSQL would let one such transaction commit after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.codec import row_checksum
from ..core.errors import SeqTaken, StoreDamaged
from . import account_table, postgres_accounts
from .marks import Marks, digest_of_handle, read_marks
from .record_table import PLACE_BITS, refuse_gaps
from .store import Row
from .tables import to_postgres

if TYPE_CHECKING:
    from psycopg import Connection

_GO_ON = f"""
update treadle.thread set seq = %(last)s, at = %(at)s, position = next.id,
    place = next.id >> {PLACE_BITS}, status = %(status)s, due = %(due)s
from (select nextval('treadle.position') as id offset 0) as next
where tenant = %(tenant)s and thread_id = %(thread)s and seq = %(before)s
returning next.id as position
"""  # noqa: S608  # a number of this package
_BEGIN = f"""
insert into treadle.thread select %(tenant)s, %(thread)s, %(last)s, %(at)s, next.id,
    next.id >> {PLACE_BITS}, next.id, %(status)s, %(due)s::float8, %(agent)s, %(parent)s, %(source)s
from (select nextval('treadle.position') as id offset 0) as next
on conflict do nothing returning position
"""  # noqa: S608  # a number of this package
_ROWS = """, written as (
    insert into treadle.record (tenant, thread_id, seq, at, worked_s, checksum, event)
    select %(tenant)s, %(thread)s, new.* from changed, unnest(%(seqs)s::bigint[], %(ats)s::float8[],
        %(worked)s::float8[], %(checksums)s::bigint[], %(events)s::bytea[]) as new
)"""
_ROW = """, written as (
    insert into treadle.record (tenant, thread_id, seq, at, worked_s, checksum, event)
    select %(tenant)s, %(thread)s, %(last)s, %(at)s, %(worked)s::float8, %(checksum)s::bigint,
        %(event)s::bytea from changed
)"""
_MARKS = """, keyed as (
    insert into treadle.thread_key select %(tenant)s, key, %(thread)s
    from changed, unnest(%(keys)s::text[]) as key on conflict do nothing
), handled as (
    insert into treadle.thread_handle select %(tenant)s, handle, %(thread)s
    from changed, unnest(%(handles)s::bytea[]) as handle on conflict do nothing
), sourced as (
    insert into treadle.thread_source select %(tenant)s, source, %(thread)s
    from changed, unnest(%(sources)s::text[]) as source on conflict do nothing
)"""
_SAY = " select position from changed"
_READ = """
select seq, null::float8, null::float8, null::bigint, null::bytea, 0 as kind from treadle.thread
where tenant = %(tenant)s and thread_id = %(thread)s
union all
select seq, at, worked_s, checksum, event, 1 from treadle.record
where tenant = %(tenant)s and thread_id = %(thread)s and seq > %(after)s order by kind, seq
"""
"""The seq at which the list of threads says that it ends, then its records: both as of one moment,
since it is one statement."""
_SAME = """
select count(*) from treadle.record join unnest(%s::bigint[], %s::bigint[]) as mine (seq, checksum)
on record.seq = mine.seq and record.checksum = mine.checksum
where tenant = %s and thread_id = %s
"""


@dataclass(frozen=True)
class TenantTables:
    """The tables of one tenant, as any statement of tables.py sees them."""

    db: "Connection[Any]"
    tenant: str

    def execute(self, statement: str, **values: Any) -> Any:
        return self.db.execute(to_postgres(statement), values | {"tenant": self.tenant})

    def read(self, thread_id: str) -> list[Row]:
        return read(self.db, self.tenant, thread_id)


def append(db: "Connection[Any]", tenant: str, thread_id: str, rows: Sequence[Row]) -> int:
    """Add the rows, and book what they say of accounts, in one transaction; the new position.

    Raises SeqTaken if they aren't the thread's next, AccountFull.
    """
    if not any(row.entries for row in rows):
        return _insert(db, tenant, thread_id, rows)
    with db.transaction():
        postgres_accounts.lock(db, tenant, [entry for row in rows for entry in row.entries])
        position = _insert(db, tenant, thread_id, rows)
        account_table.book(TenantTables(db, tenant), thread_id, rows)
    return position


def _insert(db: "Connection[Any]", tenant: str, thread_id: str, rows: Sequence[Row]) -> int:
    from psycopg.errors import UniqueViolation

    first, last = rows[0], rows[-1]
    if last.seq == first.seq + len(rows) - 1:
        marks = read_marks(rows)
        query = _build(first.seq == 1, len(rows), marks)
        values = _values(thread_id, rows, marks or Marks())
        try:
            said = db.execute(query, values | {"tenant": tenant}).fetchone()
            if said is not None:
                return int(said[0])
        except UniqueViolation:  # the list of threads has lost its line
            pass
    raise SeqTaken(f"seq {first.seq} of thread {thread_id!r} can't be written: it isn't the next")


def _build(begins: bool, count: int, marks: Marks | None) -> bytes:
    changed = _BEGIN if begins else _GO_ON
    written = _ROW if count == 1 else _ROWS
    marked = _MARKS if marks else ""
    return f"with changed as ({changed}){written}{marked}{_SAY}".encode()


def _values(thread_id: str, rows: Sequence[Row], marks: Marks) -> dict[str, Any]:
    checksums = [row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event) for row in rows]
    last = rows[-1]
    values: dict[str, Any] = {
        "thread": thread_id,
        "before": rows[0].seq - 1,
        "last": last.seq,
        "at": last.at,
        "status": last.status,
        "due": last.due,
        "agent": marks.agent,
        "parent": marks.parent,
        "source": marks.source,
        "keys": marks.keys,
        "handles": [digest_of_handle(handle) for handle in marks.handles],
        "sources": marks.sources,
    }
    if len(rows) == 1:
        return values | {"worked": last.worked_s, "checksum": checksums[0], "event": last.event}
    return values | {
        "seqs": [row.seq for row in rows],
        "ats": [row.at for row in rows],
        "worked": [row.worked_s for row in rows],
        "checksums": checksums,
        "events": [row.event for row in rows],
    }


def has_written(db: "Connection[Any]", tenant: str, thread_id: str, rows: Sequence[Row]) -> bool:
    """Whether the log has these very rows, by their seqs and checksums."""
    seqs = [row.seq for row in rows]
    checksums = [row_checksum(thread_id, row.seq, row.at, row.worked_s, row.event) for row in rows]
    found = db.execute(_SAME, (seqs, checksums, tenant, thread_id)).fetchone()
    return found is not None and found[0] == len(rows)


def read(db: "Connection[Any]", tenant: str, thread_id: str, after_seq: int = 0) -> list[Row]:
    """The thread's rows after `after_seq`, each verified. Raises StoreDamaged."""
    values = {"tenant": tenant, "thread": thread_id, "after": after_seq}
    found = db.execute(_READ, values, binary=True).fetchall()
    end = found.pop(0)[0] if found and found[0][-1] == 0 else 0
    rows: list[Row] = []
    for seq, at, worked_s, checksum, event, _ in found:
        if checksum != row_checksum(thread_id, seq, at, worked_s, event):
            raise StoreDamaged(
                f"record {seq} of thread {thread_id!r} is damaged: its checksum is wrong"
            )
        rows.append(Row(seq, at, event, worked_s, checksum))
    refuse_gaps(thread_id, after_seq, rows, end)
    return rows
