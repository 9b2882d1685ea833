"""Derives the accounts from the logs: to find what is wrong in a file, and to repair one.

What a budget's day had come to by threads that were deleted since is in no log any more: so the
account of a day may have more than the logs say, and keeps it.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from ..core.account import ROUNDING_USD
from ..core.errors import IllegalEvent, StoreDamaged
from . import account_table
from .record_table import read_rows
from .rows import from_rows, to_rows

_USED = "select name, tokens, usd from account"
_HELD = "select account, thread_id, tokens, usd from reservation"


def repair_accounts(db: sqlite3.Connection, thread_ids: Iterable[str]) -> int:
    """Write anew what the logs of all these threads say, in the open transaction; how many accounts
    were wrong."""
    used, held = _read(db)
    for table in ("account", "reservation", "minute"):
        db.execute(f"delete from {table}")  # noqa: S608  # tables that stand in the code
    for thread_id in thread_ids:
        try:
            rows = to_rows(from_rows(thread_id, read_rows(db, thread_id, 0)))
        except (StoreDamaged, IllegalEvent):
            continue  # others say that it is damaged
        account_table.book_again(db, thread_id, rows)
    for name, (tokens, usd) in used.items():
        if name.startswith("day:"):
            account_table.raise_to(db, name, tokens, usd)
    used_now, held_now = _read(db)
    return len(list(find_differences(used, used_now))) + len(list(find_differences(held, held_now)))


def _read(
    db: sqlite3.Connection,
) -> tuple[dict[str, tuple[int, float]], dict[str, tuple[int, float]]]:
    """What was used of each account, and what is reserved, by account and thread."""
    used = {str(name): (int(tokens), float(usd)) for name, tokens, usd in db.execute(_USED)}
    held = {
        f"{account} by {thread_id}": (int(tokens), float(usd))
        for account, thread_id, tokens, usd in db.execute(_HELD)
    }
    return used, held


def find_differences(
    before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]]
) -> Iterator[str]:
    for name in before.keys() | after.keys():
        tokens, usd = before.get(name, (0, 0.0))
        tokens_now, usd_now = after.get(name, (0, 0.0))
        if tokens != tokens_now or abs(usd - usd_now) > ROUNDING_USD:
            yield (
                f"{name}: {tokens} tokens and {usd:g} US dollars, by the logs"
                f" {tokens_now} and {usd_now:g}"
            )


def find_wrong_accounts(db: sqlite3.Connection, thread_ids: Iterable[str]) -> list[str]:
    """What the accounts say that the logs don't, a sentence each. Changes nothing."""
    used, held = _read(db)
    db.execute("begin immediate")
    try:
        repair_accounts(db, thread_ids)
        used_now, held_now = _read(db)
    finally:
        db.execute("rollback")
    wrong = [*find_differences(used, used_now), *find_differences(held, held_now)]
    return [f"the account {each}" for each in sorted(wrong)]
