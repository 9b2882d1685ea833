"""Deletes threads of a tenant from PostgreSQL, in one transaction."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from . import postgres_accounts, postgres_notes
from .deletion import forget, refuse_grown
from .postgres_records import TenantTables
from .store import Erased

if TYPE_CHECKING:
    from psycopg import Connection

LEFT = (
    "PostgreSQL keeps the bytes of deleted rows in its files until their place is written anew,"
    " which treadle db vacuum does, and in its write-ahead log and backups until those go"
)
_END = "select seq from treadle.thread where tenant = %s and thread_id = %s for update"
_DELETE = "delete from treadle.record where tenant = %s and thread_id = %s"


def delete_threads(
    db: "Connection[Any]", tenant: str, ends: Mapping[str, int], notes: bool
) -> Erased:
    """Delete these threads, all or none. Raises SeqTaken if one has gone on."""
    with db.transaction():
        change_notes = postgres_notes.delete if notes else postgres_notes.keep
        erased_notes = change_notes(db, tenant, list(ends))
        return replace(_delete_rows(db, tenant, ends), notes=erased_notes)


def _delete_rows(db: "Connection[Any]", tenant: str, ends: Mapping[str, int]) -> Erased:
    records = 0
    threads: list[str] = []
    postgres_accounts.lock_of(db, tenant, list(ends))
    for thread_id in sorted(ends):
        found = db.execute(_END, (tenant, thread_id)).fetchone()
        if found:
            refuse_grown(thread_id, found[0], ends[thread_id])
        deleted = db.execute(_DELETE, (tenant, thread_id)).rowcount
        records += deleted
        if forget(TenantTables(db, tenant), thread_id) or deleted:
            threads.append(thread_id)
    given = [name for name in ends if name in threads]
    return Erased(tuple(given), records, left=LEFT if threads else "")
