"""The tables of accounts in PostgreSQL: as account_table.py, whose rules are core/account.py's.

They are written in the transaction that writes the records. Whoever changes an account locks it
first, by an advisory lock that ends with the transaction, so that one is judged after the other;
all in the order of their names, so that nobody waits for each other.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..core.account import (
    MINUTE_KEPT_S,
    MINUTE_S,
    Balance,
    Entry,
    Holder,
    accounts_in,
    fits,
    is_of_minute,
    thread_of,
)
from ..core.errors import AccountFull
from ..core.limits import NO_CEILING
from .store import Row

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = "select pg_advisory_xact_lock(key) from unnest(%s::bigint[]) as key"
_ADD = """
insert into treadle.account as old values (%s, %s, %s, %s)
on conflict (tenant, name) do update
set tokens = old.tokens + excluded.tokens, usd = old.usd + excluded.usd
"""
_RAISE_TO = """
insert into treadle.account as old values (%s, %s, %s, %s)
on conflict (tenant, name) do update
set tokens = greatest(old.tokens, excluded.tokens), usd = greatest(old.usd, excluded.usd)
"""
_RESERVE = """
insert into treadle.reservation values (%s, %s, %s, %s, %s, %s)
on conflict (tenant, account, thread_id) do update
set claim = excluded.claim, tokens = excluded.tokens, usd = excluded.usd
"""
_RELEASE = "delete from treadle.reservation where tenant = %s and account = %s and thread_id = %s"
_USED = "select tokens, usd from treadle.account where tenant = %s and name = %s"
_HELD = """
select thread_id, claim, tokens, usd from treadle.reservation
where tenant = %s and account = %s order by thread_id
"""
_IN_MINUTE = """
select coalesce(sum(tokens), 0), count(*), min(at) from treadle.minute
where tenant = %s and account = %s and at > %s and at < %s
"""
"""As `counts_in_minute`."""
_DROP_OLD = "delete from treadle.minute where tenant = %s and account = %s and at <= %s"
_RESERVE_IN_MINUTE = """
insert into treadle.minute (tenant, account, at, thread_id, tokens) values (%s, %s, %s, %s, %s)
"""
_SETTLE_IN_MINUTE = """
update treadle.minute set tokens = %s where id =
(select max(id) from treadle.minute where tenant = %s and account = %s and thread_id = %s)
"""
_LINE = """
select thread_id, claim from treadle.account_queue
where tenant = %s and %s = any(accounts) order by position
"""
_QUEUE = """
insert into treadle.account_queue (tenant, thread_id, claim, accounts) values (%s, %s, %s, %s)
on conflict (tenant, thread_id) do update set claim = excluded.claim, accounts = excluded.accounts
"""
_OF_THREADS = """
select account from treadle.reservation where tenant = %(tenant)s and thread_id = any(%(threads)s)
union select account from treadle.minute where tenant = %(tenant)s and thread_id = any(%(threads)s)
"""
_LEAVE = "delete from treadle.account_queue where tenant = %s and thread_id = %s"


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


def book(db: "Connection[Any]", tenant: str, thread_id: str, row: Row) -> None:
    """Change the accounts, which are locked, as this row says, in the open transaction.

    Raises AccountFull where one has no room for what it reserves, or others wait in front.
    """
    _refuse_full(db, tenant, thread_id, row.entries, row.at)
    book_again(db, tenant, thread_id, row)
    if accounts_in(row.entries):
        db.execute(_LEAVE, (tenant, thread_id))


def book_again(db: "Connection[Any]", tenant: str, thread_id: str, row: Row) -> None:
    """As `book`, for what was booked before: nothing is refused."""
    for entry in row.entries:
        _change(db, tenant, thread_id, entry, row.at)


def raise_to(db: "Connection[Any]", tenant: str, account: str, tokens: int, usd: float) -> None:
    """Let the account have come to at least so much."""
    db.execute(_RAISE_TO, (tenant, account, tokens, usd))


def _refuse_full(
    db: "Connection[Any]", tenant: str, thread_id: str, entries: Sequence[Entry], at: float
) -> None:
    for entry in entries:
        if entry.change != "reserve" or entry.ceiling == NO_CEILING:
            continue
        line = _read_line(db, tenant, entry.account)
        places = [holder.thread_id for holder in line]
        ahead = tuple(line[: places.index(thread_id)] if thread_id in places else line)
        balance = read_balance(db, tenant, entry.account, at)
        has_room = fits(entry, balance)
        if ahead or not has_room:
            again_s = None if has_room else _find_again(db, tenant, entry.account, at)
            is_queued = _is_queued(db, tenant, thread_id, entry.claim)
            raise AccountFull(entry.account, balance, ahead, again_s, is_queued=is_queued)


def _change(db: "Connection[Any]", tenant: str, thread_id: str, entry: Entry, at: float) -> None:
    used = (entry.tokens, entry.usd)
    if is_of_minute(entry.account):
        _change_minute(db, tenant, thread_id, entry, at)
    elif entry.change == "reserve":
        db.execute(_RESERVE, (tenant, entry.account, thread_id, entry.claim, *used))
    else:
        if entry.change == "settle":
            db.execute(_RELEASE, (tenant, entry.account, thread_id))
        db.execute(_ADD, (tenant, entry.account, *used))


def _change_minute(
    db: "Connection[Any]", tenant: str, thread_id: str, entry: Entry, at: float
) -> None:
    if entry.change == "reserve":
        db.execute(_DROP_OLD, (tenant, entry.account, at - MINUTE_KEPT_S))
        values = (tenant, entry.account, at, thread_id, entry.tokens)
        db.execute(_RESERVE_IN_MINUTE, values)
    elif entry.change == "settle":
        db.execute(_SETTLE_IN_MINUTE, (entry.tokens, tenant, entry.account, thread_id))


def read_balance(db: "Connection[Any]", tenant: str, account: str, now: float) -> Balance:
    """What the account has come to, with all that is reserved."""
    if is_of_minute(account):
        tokens, requests, _ = _count_minute(db, tenant, account, now)
        return Balance(int(tokens), 0.0, int(requests))
    tokens, usd = db.execute(_USED, (tenant, account)).fetchone() or (0, 0.0)
    held = db.execute(_HELD, (tenant, account)).fetchall()
    return Balance(
        tokens + sum(each[2] for each in held),
        usd + sum(each[3] for each in held),
        holders=tuple(Holder(thread_id, claim) for thread_id, claim, *_ in held),
    )


def read_account(db: "Connection[Any]", tenant: str, account: str, now: float) -> Balance:
    """As `read_balance`, with those that wait in line."""
    waiting = tuple(_read_line(db, tenant, account))
    return replace(read_balance(db, tenant, account, now), waiting=waiting)


def _count_minute(db: "Connection[Any]", tenant: str, account: str, now: float) -> Any:
    """The tokens and the model calls of a minute, and when the first of them began."""
    return db.execute(_IN_MINUTE, (tenant, account, now - MINUTE_S, now + MINUTE_S)).fetchone()


def _find_again(db: "Connection[Any]", tenant: str, account: str, now: float) -> float | None:
    """Seconds until the oldest model call of a minute's account counts no longer."""
    if not is_of_minute(account):
        return None
    *_, first = _count_minute(db, tenant, account, now)
    return None if first is None else first + MINUTE_S - now


def _read_line(db: "Connection[Any]", tenant: str, account: str) -> list[Holder]:
    """Who waits for the account, in order."""
    return [Holder(*row) for row in db.execute(_LINE, (tenant, account))]


def _is_queued(db: "Connection[Any]", tenant: str, thread_id: str, claim: str) -> bool:
    query = (
        "select 1 from treadle.account_queue where tenant = %s and thread_id = %s and claim = %s"
    )
    return db.execute(query, (tenant, thread_id, claim)).fetchone() is not None


def queue(
    db: "Connection[Any]", tenant: str, thread_id: str, claim: str, accounts: Sequence[str]
) -> None:
    """Let the thread wait in line for these accounts, at the place that it has, if any."""
    with db.transaction():
        _lock_names(db, tenant, accounts)
        db.execute(_QUEUE, (tenant, thread_id, claim, list(accounts)))


def leave_queue(db: "Connection[Any]", tenant: str, thread_id: str, claim: str) -> None:
    """Let the thread wait no longer, if it is this claim's driver that waits."""
    db.execute(f"{_LEAVE} and claim = %s", (tenant, thread_id, claim))


def forget(db: "Connection[Any]", tenant: str, thread_id: str) -> None:
    """Of a thread that is deleted: what it has reserved counts as used, and its turns go.

    Its requests of a minute stay, without its name. The accounts are locked: `lock_of`.
    """
    mine = (tenant, thread_id)
    held = (
        "select account, tokens, usd from treadle.reservation where tenant = %s and thread_id = %s"
    )
    for values in db.execute(held, mine).fetchall():
        db.execute(_ADD, (tenant, *values))
    nameless = "update treadle.minute set thread_id = '' where tenant = %s and thread_id = %s"
    db.execute(nameless, mine)
    for table in ("reservation", "account_queue"):
        gone = f"delete from treadle.{table} where tenant = %s and thread_id = %s"  # noqa: S608  # tables that stand in the code
        db.execute(gone.encode(), mine)
    # Also those of other threads may begin so: a name may have a # in it.
    like_it = "select name from treadle.account where tenant = %s and starts_with(name, %s)"
    for (name,) in db.execute(like_it, (tenant, f"turn:{thread_id}#")).fetchall():
        if thread_of(name) == thread_id:
            gone = "delete from treadle.account where tenant = %s and name = %s"
            db.execute(gone, (tenant, name))
