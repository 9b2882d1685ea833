"""Derives the accounts from the logs: to find what is wrong in the tables, and to repair them.

What a budget's day had come to by threads that were deleted since is in no log any more: so the
account of a day may have more than the logs say, and keeps it.
"""

from collections.abc import Iterable, Iterator

from ..core.account import ROUNDING_USD, Entry, is_of_minute
from ..core.errors import IllegalEvent, StoreDamaged
from . import account_table
from .rows import from_rows, to_rows
from .store import Row
from .tables import Tables

_USED = "select name, tokens, usd from treadle.account where tenant = :tenant"
_HELD = "select account, thread_id, tokens, usd from treadle.reservation where tenant = :tenant"
_DELETE = (
    "delete from treadle.account where tenant = :tenant",
    "delete from treadle.reservation where tenant = :tenant",
    # What has no name is of threads that are deleted.
    "delete from treadle.minute where tenant = :tenant and thread_id <> ''",
)

Amounts = dict[str, tuple[int, float]]
"""Tokens and US dollars, by what they are of."""


def repair_accounts(tables: Tables, thread_ids: Iterable[str]) -> int:
    """Write anew what the logs of all these threads say, in the open transaction; how many accounts
    were wrong."""
    used, held = _read(tables)
    for statement in _DELETE:
        tables.execute(statement)
    for thread_id in thread_ids:
        try:
            rows = to_rows(from_rows(thread_id, tables.read(thread_id)))
        except (StoreDamaged, IllegalEvent):
            continue  # others say that it is damaged
        account_table.book_again(tables, thread_id, rows)
    for name, (tokens, usd) in used.items():
        if name.startswith("day:"):
            account_table.raise_to(tables, name, tokens, usd)
    used_now, held_now = _read(tables)
    return len([*_find_differences(used, used_now), *_find_differences(held, held_now)])


def _read(tables: Tables) -> tuple[Amounts, Amounts]:
    """What was used of each account, and what is reserved, by account and thread."""
    used = {
        str(name): (int(tokens), float(usd))
        for name, tokens, usd in tables.execute(_USED).fetchall()
    }
    held = {
        f"{account} by {thread_id}": (int(tokens), float(usd))
        for account, thread_id, tokens, usd in tables.execute(_HELD).fetchall()
    }
    return used, held


class Sums:
    """What the logs of all threads say of the accounts, counted beside the tables."""

    def __init__(self) -> None:
        self._used: Amounts = {}
        self._held: Amounts = {}

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

    def find_wrong(self, tables: Tables) -> list[str]:
        """What the accounts say that these sums don't, a sentence each, by their names."""
        used, held = _read(tables)
        right = dict(self._used)
        for name, (tokens, usd) in used.items():
            if name.startswith("day:"):
                counted = right.get(name, (0, 0.0))
                right[name] = (max(tokens, counted[0]), max(usd, counted[1]))
        wrong = [*_find_differences(used, right), *_find_differences(held, self._held)]
        return [f"the account {each}" for each in sorted(wrong)]


def _find_differences(before: Amounts, after: Amounts) -> Iterator[str]:
    for name in before.keys() | after.keys():
        tokens, usd = before.get(name, (0, 0.0))
        tokens_now, usd_now = after.get(name, (0, 0.0))
        if tokens != tokens_now or abs(usd - usd_now) > ROUNDING_USD:
            yield (
                f"{name}: {tokens} tokens and {usd:g} US dollars, by the logs"
                f" {tokens_now} and {usd_now:g}"
            )
