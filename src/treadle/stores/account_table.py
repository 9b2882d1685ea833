"""The tables of accounts: what was used, what is reserved, who waits for room.

They are written in the transaction that writes the records, and hold nothing that the logs don't
say: `rebuild_accounts` derives them anew.
"""

import sqlite3
from collections.abc import Sequence

import msgspec
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

_ADD = """
insert into account (name, tokens, usd) values (?, ?, ?)
on conflict (name) do update set tokens = tokens + excluded.tokens, usd = usd + excluded.usd
"""
_RAISE_TO = """
insert into account (name, tokens, usd) values (?, ?, ?)
on conflict (name) do update
set tokens = max(tokens, excluded.tokens), usd = max(usd, excluded.usd)
"""
_HELD = "select thread_id, claim, tokens, usd from reservation where account = ? order by thread_id"
_IN_MINUTE = """
select coalesce(sum(tokens), 0), count(*), min(at) from minute where account = ?
and at > ? and at < ?
"""
"""As `counts_in_minute`."""
_SETTLE_IN_MINUTE = """
update minute set tokens = ?
where id = (select max(id) from minute where account = ? and thread_id = ?)
"""
_AHEAD = """
select thread_id, claim, accounts from account_queue
where position < coalesce((select position from account_queue where thread_id = ?), 1 << 62)
order by position
"""
_QUEUE = """
insert into account_queue (thread_id, position, claim, accounts)
values (?, (select coalesce(max(position), 0) + 1 from account_queue), ?, ?)
on conflict (thread_id) do update set claim = excluded.claim, accounts = excluded.accounts
"""


def book(db: sqlite3.Connection, thread_id: str, rows: Sequence[Row]) -> None:
    """Change the accounts as these rows say, in the open transaction.

    Raises AccountFull where one has no room for what a row reserves, or others wait in front: then
    the transaction is to be taken back.
    """
    for row in rows:
        if not row.entries:
            continue
        _refuse_full(db, thread_id, row.entries, row.at)
        for entry in row.entries:
            _change(db, thread_id, entry, row.at)
        if accounts_in(row.entries):
            db.execute("delete from account_queue where thread_id = ?", (thread_id,))


def book_again(db: sqlite3.Connection, thread_id: str, rows: Sequence[Row]) -> None:
    """As `book`, for what was booked before: nothing is refused."""
    for row in rows:
        for entry in row.entries:
            _change(db, thread_id, entry, row.at)


def raise_to(db: sqlite3.Connection, account: str, tokens: int, usd: float) -> None:
    """Let the account have come to at least so much."""
    db.execute(_RAISE_TO, (account, tokens, usd))


def _refuse_full(
    db: sqlite3.Connection, thread_id: str, entries: Sequence[Entry], at: float
) -> None:
    for entry in entries:
        if entry.change != "reserve" or entry.ceiling == NO_CEILING:
            continue
        ahead = _find_ahead(db, thread_id, entry.account)
        balance = read_balance(db, entry.account, at)
        has_room = fits(entry, balance)
        if ahead or not has_room:
            again_s = None if has_room else _find_again(db, entry.account, at)
            is_queued = _is_queued(db, thread_id, entry.claim)
            raise AccountFull(entry.account, balance, ahead, again_s, is_queued=is_queued)


def _change(db: sqlite3.Connection, thread_id: str, entry: Entry, at: float) -> None:
    used = (entry.tokens, entry.usd)
    if is_of_minute(entry.account):
        _change_minute(db, thread_id, entry, at)
    elif entry.change == "reserve":
        values = (entry.account, thread_id, entry.claim, *used)
        db.execute("insert or replace into reservation values (?, ?, ?, ?, ?)", values)
    else:
        if entry.change == "settle":
            held = "delete from reservation where account = ? and thread_id = ?"
            db.execute(held, (entry.account, thread_id))
        db.execute(_ADD, (entry.account, *used))


def _change_minute(db: sqlite3.Connection, thread_id: str, entry: Entry, at: float) -> None:
    if entry.change == "reserve":
        old = "delete from minute where account = ? and at <= ?"
        db.execute(old, (entry.account, at - MINUTE_KEPT_S))
        values = (entry.account, at, thread_id, entry.tokens)
        db.execute("insert into minute values (null, ?, ?, ?, ?)", values)
    elif entry.change == "settle":
        db.execute(_SETTLE_IN_MINUTE, (entry.tokens, entry.account, thread_id))


def read_balance(db: sqlite3.Connection, account: str, now: float) -> Balance:
    """What the account has come to, with all that is reserved."""
    if is_of_minute(account):
        found = _count_minute(db, account, now)
        return Balance(int(found[0]), 0.0, int(found[1]))
    query = "select tokens, usd from account where name = ?"
    tokens, usd = db.execute(query, (account,)).fetchone() or (0, 0.0)
    held = db.execute(_HELD, (account,)).fetchall()
    return Balance(
        tokens + sum(each[2] for each in held),
        usd + sum(each[3] for each in held),
        holders=tuple(Holder(thread_id, claim) for thread_id, claim, *_ in held),
    )


def read_account(db: sqlite3.Connection, account: str, now: float) -> Balance:
    """As `read_balance`, with those that wait in line."""
    query = "select thread_id, claim, accounts from account_queue order by position"
    waiting = [
        Holder(thread_id, claim)
        for thread_id, claim, accounts in db.execute(query)
        if account in msgspec.json.decode(accounts)
    ]
    return replace(read_balance(db, account, now), waiting=tuple(waiting))


def _count_minute(db: sqlite3.Connection, account: str, now: float) -> tuple[int, int, float]:
    """The tokens and the model calls of a minute, and when the first of them began."""
    times = (now - MINUTE_S, now + MINUTE_S)
    found: tuple[int, int, float] = db.execute(_IN_MINUTE, (account, *times)).fetchone()
    return found


def _is_queued(db: sqlite3.Connection, thread_id: str, claim: str) -> bool:
    query = "select 1 from account_queue where thread_id = ? and claim = ?"
    return db.execute(query, (thread_id, claim)).fetchone() is not None


def _find_ahead(db: sqlite3.Connection, thread_id: str, account: str) -> tuple[Holder, ...]:
    ahead: list[Holder] = []
    for name, claim, accounts in db.execute(_AHEAD, (thread_id,)):
        if account in msgspec.json.decode(accounts):
            ahead.append(Holder(name, claim))
    return tuple(ahead)


def _find_again(db: sqlite3.Connection, account: str, now: float) -> float | None:
    """Seconds until the oldest model call of a minute's account counts no longer."""
    if not is_of_minute(account):
        return None
    *_, first = _count_minute(db, account, now)
    return None if first is None else first + MINUTE_S - now


def queue(db: sqlite3.Connection, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
    """Let the thread wait in line for these accounts, at the place that it has, if any."""
    db.execute(_QUEUE, (thread_id, claim, msgspec.json.encode(accounts).decode()))


def leave_queue(db: sqlite3.Connection, thread_id: str, claim: str) -> None:
    """Let the thread wait no longer, if it is this claim's driver that waits."""
    gone = "delete from account_queue where thread_id = ? and claim = ?"
    db.execute(gone, (thread_id, claim))


def forget(db: sqlite3.Connection, thread_id: str) -> None:
    """Of a thread that is deleted: what it has reserved counts as used, and its turns go.

    Its requests of a minute stay, without its name.
    """
    held = "select account, tokens, usd from reservation where thread_id = ?"
    for values in db.execute(held, (thread_id,)).fetchall():
        db.execute(_ADD, values)
    db.execute("update minute set thread_id = '' where thread_id = ?", (thread_id,))
    for table in ("reservation", "account_queue"):
        db.execute(f"delete from {table} where thread_id = ?", (thread_id,))  # noqa: S608  # tables that stand in the code
    # Also those of other threads may begin so: a name may have a # in it.
    begins = f"turn:{thread_id}#"
    like_it = "select name from account where substr(name, 1, ?) = ?"
    for (name,) in db.execute(like_it, (len(begins), begins)).fetchall():
        if thread_of(name) == thread_id:
            db.execute("delete from account where name = ?", (name,))
