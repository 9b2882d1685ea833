"""How accounts are locked in PostgreSQL. What is written of them is in account_table.py.

Whoever changes an account locks it first, by an advisory lock that ends with the transaction, so
that one is judged after the other; all in the order of their names, so that nobody waits for each
other.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..core.account import Entry

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = "select pg_advisory_xact_lock(key) from unnest(%s::bigint[]) as key"
_QUEUE = """
insert into treadle.account_queue (tenant, thread_id, claim, accounts) values (%s, %s, %s, %s)
on conflict (tenant, thread_id) do update set claim = excluded.claim, accounts = excluded.accounts
"""
_OF_THREADS = """
select account from treadle.reservation where tenant = %(tenant)s and thread_id = any(%(threads)s)
union select account from treadle.minute where tenant = %(tenant)s and thread_id = any(%(threads)s)
"""


def lock(db: "Connection[Any]", tenant: str, entries: Sequence[Entry]) -> None:
    """Keep others from these accounts until the open transaction ends."""
    _lock_names(db, tenant, [entry.account for entry in entries])


def lock_of(db: "Connection[Any]", tenant: str, thread_ids: Sequence[str]) -> None:
    """Keep others from the accounts in which these threads have something.

    Before anything of the threads is locked: whoever appends to one locks its accounts first.
    """
    mine = {"tenant": tenant, "threads": list(thread_ids)}
    _lock_names(db, tenant, [str(name) for (name,) in db.execute(_OF_THREADS, mine).fetchall()])


def _lock_names(db: "Connection[Any]", tenant: str, names: Sequence[str]) -> None:
    keys = sorted({make_lock_key(tenant, "account", name) for name in names})
    db.execute(_LOCK, (keys,))


def make_lock_key(tenant: str, kind: str, name: str) -> int:
    """The number of the advisory lock of this thing."""
    data = "\0".join((kind, tenant, name)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), signed=True)


def queue(
    db: "Connection[Any]", tenant: str, thread_id: str, claim: str, accounts: Sequence[str]
) -> None:
    """As account_table.queue."""
    with db.transaction():
        _lock_names(db, tenant, accounts)
        db.execute(_QUEUE, (tenant, thread_id, claim, list(accounts)))
