"""The tables of notes in PostgreSQL.

Each change to a note, its vectors or its writes has a number, its version: so every process can
follow what others have changed. Whoever changes notes of a tenant holds its lock, so that a version
is never seen before a lower one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .postgres_accounts import make_lock_key

if TYPE_CHECKING:
    from psycopg import Connection

_VERSION = """
select greatest(
    (select max(version) from treadle.note_change where tenant = %(tenant)s),
    (select max(version) from treadle.note_write where tenant = %(tenant)s),
    0
)
"""
CHANGED = """
insert into treadle.note_change select %s, number, %s from unnest(%s::bigint[]) as number
on conflict (tenant, number) do update set version = excluded.version
"""
_OF_THREADS = """
select number, id from treadle.note where tenant = %s and thread_id = any(%s)
"""


def lock(db: "Connection[Any]", tenant: str) -> int:
    """Keep others from changing notes in this transaction; the version of its changes."""
    db.execute("select pg_advisory_xact_lock(%s)", (make_lock_key(tenant, "notes", ""),))
    return read_version(db, tenant) + 1


def read_version(db: "Connection[Any]", tenant: str) -> int:
    """The number of the last change."""
    row = db.execute(_VERSION, {"tenant": tenant}).fetchone()
    assert row is not None
    return int(row[0])


def delete(db: "Connection[Any]", tenant: str, thread_ids: Sequence[str]) -> int:
    """Delete the notes made from these threads, in the open transaction; how many there were."""
    version = lock(db, tenant)
    found = db.execute(_OF_THREADS, (tenant, list(thread_ids))).fetchall()
    erase(db, tenant, version, [number for number, _ in found], [each for _, each in found])
    return len(found)


def erase(
    db: "Connection[Any]", tenant: str, version: int, numbers: Sequence[int], ids: Sequence[str]
) -> None:
    """Delete these notes with their vectors and digests."""
    named = (tenant, list(ids))
    db.execute("delete from treadle.note where tenant = %s and id = any(%s)", named)
    db.execute("delete from treadle.note_vector where tenant = %s and note_id = any(%s)", named)
    db.execute(
        "update treadle.note_write set content = '', version = %s"
        " where tenant = %s and note_id = any(%s)",
        (version, *named),
    )
    db.execute(CHANGED, (tenant, version, list(numbers)))


def keep(db: "Connection[Any]", tenant: str, thread_ids: Sequence[str]) -> int:
    """Take the names of these threads out of the notes that stay; 0, since none is deleted."""
    version = lock(db, tenant)
    found = db.execute(_OF_THREADS, (tenant, list(thread_ids))).fetchall()
    db.execute(
        "update treadle.note set thread_id = '', seq = 0 where tenant = %s and thread_id = any(%s)",
        (tenant, list(thread_ids)),
    )
    db.execute(CHANGED, (tenant, version, [number for number, _ in found]))
    return 0
