"""The tables of accounts: what was used, what is reserved, who waits for room.

They are written in the transaction that writes the records, and hold nothing that the logs don't
say: `rebuild_accounts` derives them anew. The rules are core/account.py's.
"""

from collections.abc import Sequence

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
from .tables import Tables

_ADD = """
insert into treadle.account (tenant, name, tokens, usd) values (:tenant, :account, :tokens, :usd)
on conflict (tenant, name) do update
set tokens = account.tokens + excluded.tokens, usd = account.usd + excluded.usd
"""
_RESERVE = """
insert into treadle.reservation (tenant, account, thread_id, claim, tokens, usd)
values (:tenant, :account, :thread, :claim, :tokens, :usd)
on conflict (tenant, account, thread_id) do update
set claim = excluded.claim, tokens = excluded.tokens, usd = excluded.usd
"""
_RELEASE = """
delete from treadle.reservation
where tenant = :tenant and account = :account and thread_id = :thread
"""
_USED = "select tokens, usd from treadle.account where tenant = :tenant and name = :account"
_HELD = """
select thread_id, claim, tokens, usd from treadle.reservation
where tenant = :tenant and account = :account order by thread_id
"""
_HELD_BY = """
select account, tokens, usd from treadle.reservation
where tenant = :tenant and thread_id = :thread
"""
_IN_MINUTE = """
select coalesce(sum(tokens), 0), count(*), min(at) from treadle.minute
where tenant = :tenant and account = :account and at > :after and at < :before
"""
"""What has begun in the last minute, or in the next.

The wall clock may be set back, and then what has just begun lies in the future. By more than a
minute, it isn't counted: else the account would be locked until the clock is there again.
"""
_DROP_OLD = """
delete from treadle.minute where tenant = :tenant and account = :account and at <= :until
"""
_RESERVE_IN_MINUTE = """
insert into treadle.minute (tenant, account, at, thread_id, tokens)
values (:tenant, :account, :at, :thread, :tokens)
"""
_SETTLE_IN_MINUTE = """
update treadle.minute set tokens = :tokens where id = (select max(id) from treadle.minute
where tenant = :tenant and account = :account and thread_id = :thread)
"""
_TAKE_NAME_OUT = """
update treadle.minute set thread_id = '' where tenant = :tenant and thread_id = :thread
"""
_LINE = """
select thread_id, claim from treadle.account_queue
where tenant = :tenant and :account = any(accounts) order by position
"""
_QUEUE = """
insert into account_queue (thread_id, position, claim, accounts)
values (:thread, (select coalesce(max(position), 0) + 1 from account_queue), :claim, :accounts)
on conflict (thread_id) do update set claim = excluded.claim, accounts = excluded.accounts
"""
"""In SQLite: PostgreSQL numbers those in line by itself (postgres_accounts.py)."""
_IS_QUEUED = """
select 1 from treadle.account_queue
where tenant = :tenant and thread_id = :thread and claim = :claim
"""
_LEAVE = "delete from treadle.account_queue where tenant = :tenant and thread_id = :thread"
_TURNS = """
select name from treadle.account where tenant = :tenant and name >= :first and name < :end
"""
_DROP = "delete from treadle.account where tenant = :tenant and name = :account"


def book(tables: Tables, thread_id: str, rows: Sequence[Row]) -> None:
    """Change the accounts as these rows say, in the open transaction.

    Raises AccountFull where one has no room for what a row reserves, or others wait in front: then
    the transaction is to be taken back.
    """
    for row in rows:
        if not row.entries:
            continue
        _refuse_full(tables, thread_id, row.entries, row.at)
        book_again(tables, thread_id, [row])
        if accounts_in(row.entries):
            tables.execute(_LEAVE, thread=thread_id)


def book_again(tables: Tables, thread_id: str, rows: Sequence[Row]) -> None:
    """As `book`, for what was booked before: nothing is refused."""
    for row in rows:
        for entry in row.entries:
            _change(tables, thread_id, entry, row.at)


def raise_to(tables: Tables, account: str, tokens: int, usd: float) -> None:
    """Let the account have come to at least so much."""
    now = tables.execute(_USED, account=account).fetchone() or (0, 0.0)
    more = {"tokens": max(0, tokens - now[0]), "usd": max(0.0, usd - now[1])}
    tables.execute(_ADD, account=account, **more)


def _refuse_full(tables: Tables, thread_id: str, entries: Sequence[Entry], at: float) -> None:
    for entry in entries:
        if entry.change != "reserve" or entry.ceiling == NO_CEILING:
            continue
        line = _read_line(tables, entry.account)
        places = [holder.thread_id for holder in line]
        ahead = line[: places.index(thread_id)] if thread_id in places else line
        balance = read_balance(tables, entry.account, at)
        has_room = fits(entry, balance)
        if ahead or not has_room:
            again_s = None if has_room else _find_again(tables, entry.account, at)
            found = tables.execute(_IS_QUEUED, thread=thread_id, claim=entry.claim).fetchone()
            is_queued = found is not None
            raise AccountFull(entry.account, balance, ahead, again_s, is_queued=is_queued)


def _change(tables: Tables, thread_id: str, entry: Entry, at: float) -> None:
    mine = {"account": entry.account, "thread": thread_id}
    used = {"tokens": entry.tokens, "usd": entry.usd}
    if is_of_minute(entry.account):
        _change_minute(tables, thread_id, entry, at)
    elif entry.change == "reserve":
        tables.execute(_RESERVE, claim=entry.claim, **mine, **used)
    else:
        if entry.change == "settle":
            tables.execute(_RELEASE, **mine)
        tables.execute(_ADD, account=entry.account, **used)


def _change_minute(tables: Tables, thread_id: str, entry: Entry, at: float) -> None:
    values = {"account": entry.account, "thread": thread_id, "tokens": entry.tokens}
    if entry.change == "reserve":
        tables.execute(_DROP_OLD, account=entry.account, until=at - MINUTE_KEPT_S)
        tables.execute(_RESERVE_IN_MINUTE, at=at, **values)
    elif entry.change == "settle":
        tables.execute(_SETTLE_IN_MINUTE, **values)


def read_balance(tables: Tables, account: str, now: float) -> Balance:
    """What the account has come to, with all that is reserved."""
    if is_of_minute(account):
        tokens, requests, _ = _count_minute(tables, account, now)
        return Balance(int(tokens), 0.0, int(requests))
    tokens, usd = tables.execute(_USED, account=account).fetchone() or (0, 0.0)
    held = tables.execute(_HELD, account=account).fetchall()
    return Balance(
        tokens + sum(each[2] for each in held),
        usd + sum(each[3] for each in held),
        holders=tuple(Holder(thread_id, claim) for thread_id, claim, *_ in held),
    )


def read_account(tables: Tables, account: str, now: float) -> Balance:
    """As `read_balance`, with those that wait in line."""
    return replace(read_balance(tables, account, now), waiting=_read_line(tables, account))


def _count_minute(tables: Tables, account: str, now: float) -> tuple[int, int, float | None]:
    """The tokens and the model calls of a minute, and when the first of them began."""
    times = {"after": now - MINUTE_S, "before": now + MINUTE_S}
    tokens, requests, first = tables.execute(_IN_MINUTE, account=account, **times).fetchone()
    return tokens, requests, first


def _find_again(tables: Tables, account: str, now: float) -> float | None:
    """Seconds until the oldest model call of a minute's account counts no longer."""
    if not is_of_minute(account):
        return None
    *_, first = _count_minute(tables, account, now)
    return None if first is None else first + MINUTE_S - now


def _read_line(tables: Tables, account: str) -> tuple[Holder, ...]:
    """Who waits for the account, in order."""
    return tuple(Holder(*row) for row in tables.execute(_LINE, account=account).fetchall())


def queue(tables: Tables, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
    """Let the thread wait in line for these accounts, at the place that it has, if any."""
    tables.execute(_QUEUE, thread=thread_id, claim=claim, accounts=list(accounts))


def leave_queue(tables: Tables, thread_id: str, claim: str) -> None:
    """Let the thread wait no longer, if it is this claim's driver that waits."""
    tables.execute(f"{_LEAVE} and claim = :claim", thread=thread_id, claim=claim)


def forget(tables: Tables, thread_id: str) -> None:
    """Of a thread that is deleted: what it has reserved counts as used, and its turns go.

    Its requests of a minute stay, without its name.
    """
    for account, tokens, usd in tables.execute(_HELD_BY, thread=thread_id).fetchall():
        tables.execute(_ADD, account=account, tokens=tokens, usd=usd)
        tables.execute(_RELEASE, account=account, thread=thread_id)
    tables.execute(_TAKE_NAME_OUT, thread=thread_id)
    tables.execute(_LEAVE, thread=thread_id)
    # All names that begin so: a $ comes after a #. Those of other threads may, too: a thread's name
    # may have a # in it.
    turns = tables.execute(_TURNS, first=f"turn:{thread_id}#", end=f"turn:{thread_id}$").fetchall()
    for (name,) in turns:
        if thread_of(name) == thread_id:
            tables.execute(_DROP, account=name)
