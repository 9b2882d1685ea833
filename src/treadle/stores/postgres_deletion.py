"""Deletes threads of a tenant from PostgreSQL, in one transaction."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..core.errors import SeqTaken
from . import postgres_accounts, postgres_notes
from .marks import digest_of_key
from .record_table import OF_THREAD
from .store import Erased

if TYPE_CHECKING:
    from psycopg import Connection

LEFT = (
    "PostgreSQL keeps the bytes of deleted rows in its files until their place is written anew,"
    " which treadle db vacuum does, and in its write-ahead log and backups until those go"
)
_KEYS = "select key from treadle.thread_key where tenant = %s and thread_id = %s"
_KEEP_DIGEST = "insert into treadle.deleted_key values (%s, %s) on conflict do nothing"
_END = "select seq from treadle.thread where tenant = %s and thread_id = %s for update"


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
        mine = (tenant, thread_id)
        _refuse_grown(db, tenant, thread_id, ends[thread_id])
        for (key,) in db.execute(_KEYS, mine).fetchall():
            db.execute(_KEEP_DIGEST, (tenant, digest_of_key(thread_id, key)))
        postgres_accounts.forget(db, tenant, thread_id)
        gone = {
            table: _delete_from(db, table, tenant, thread_id)
            for table in (*OF_THREAD, "record", "thread")
        }
        records += gone["record"]
        if gone["record"] or gone["thread"]:
            threads.append(thread_id)
    given = [name for name in ends if name in threads]
    return Erased(tuple(given), records, left=LEFT if threads else "")


def _refuse_grown(db: "Connection[Any]", tenant: str, thread_id: str, end: int) -> None:
    found = db.execute(_END, (tenant, thread_id)).fetchone()
    if found is not None and found[0] != end:
        raise SeqTaken(
            f"thread {thread_id!r} has {found[0]} records by now, and not {end}; nothing was"
            " deleted"
        )


def _delete_from(db: "Connection[Any]", table: str, tenant: str, thread_id: str) -> int:
    query = f"delete from treadle.{table} where tenant = %s and thread_id = %s"  # noqa: S608  # tables that stand in the code
    return db.execute(query.encode(), (tenant, thread_id)).rowcount


def was_deleted(db: "Connection[Any]", tenant: str, thread_id: str, key: str) -> bool:
    """Whether a thread of this name with a message of this key was deleted."""
    query = "select 1 from treadle.deleted_key where tenant = %s and digest = %s"
    digest = digest_of_key(thread_id, key)
    return db.execute(query, (tenant, digest)).fetchone() is not None
