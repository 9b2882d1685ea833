"""Derives the accounts from the logs: to find what is wrong in a file, and to repair one.

What a budget's day had come to by threads that were deleted since is in no log any more: so the
account of a day may have more than the logs say, and keeps it.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from ..core.account import ROUNDING_USD, Entry, is_of_minute
from ..core.errors import IllegalEvent, StoreDamaged
from . import account_table
from .record_table import read_rows
from .rows import from_rows, to_rows
from .store import Row

_USED = "select name, tokens, usd from account"
_HELD = "select account, thread_id, tokens, usd from reservation"


def repair_accounts(db: sqlite3.Connection, thread_ids: Iterable[str]) -> int:
    """Write anew what the logs of all these threads say, in the open transaction; how many accounts
    were wrong."""
    used, held = _read(db)
    for table in ("account", "reservation"):
        db.execute(f"delete from {table}")  # noqa: S608  # tables that stand in the code
    db.execute("delete from minute where thread_id <> ''")  # else its thread is deleted
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


class Sums:
    """What the logs of all threads say of the accounts, counted beside the tables."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[int, float]] = {}
        self._held: dict[str, tuple[int, float]] = {}

    def add(self, thread_id: str, rows: Iterable[Row]) -> None:
        """Count what these rows of a thread have booked. A minute is too short to be checked."""
        for row in rows:
            for entry in row.entries:
                if not is_of_minute(entry.account):
                    self._change(f"{entry.account} by {thread_id}", entry)

    def _change(self, by: str, entry: Entry) -> None:
        if entry.change == "reserve":
            self._held[by] = (entry.tokens, entry.usd)
            return
        if entry.change == "settle":
            self._held.pop(by, None)
        tokens, usd = self._used.get(entry.account, (0, 0.0))
        self._used[entry.account] = (tokens + entry.tokens, usd + entry.usd)

    def find_wrong(
        self, used: dict[str, tuple[int, float]], held: dict[str, tuple[int, float]]
    ) -> list[str]:
        """In what the accounts differ from the sums, in the order of their names."""
        right = dict(self._used)
        for name, (tokens, usd) in used.items():
            if name.startswith("day:"):
                counted = right.get(name, (0, 0.0))
                right[name] = (max(tokens, counted[0]), max(usd, counted[1]))
        return sorted([*find_differences(used, right), *find_differences(held, self._held)])


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


def find_wrong_accounts(db: sqlite3.Connection, sums: Sums) -> list[str]:
    """What the accounts say that these sums of all logs don't, a sentence each."""
    return [f"the account {each}" for each in sums.find_wrong(*_read(db))]
