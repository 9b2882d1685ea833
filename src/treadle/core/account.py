"""Accounts: what several model calls, of several threads, may use together. Pure.

1. A model call names the accounts that it is paid from. Each is charged its worst case before it
   is sent, in the transaction that writes the ModelCalled, and what it used once it has ended.
2. What an account holds follows from the logs alone: `find_entries` says what a record changes. So
   a store can make its accounts again.
3. A turn has an account from its first child on, which all that works for it is paid from. Those of
   budgets begin anew each day or minute.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from . import events as e
from .late import counted_usd, settles_lost, worst_tokens
from .limits import NO_CEILING, Ceiling
from .state import State, apply
from .turn import Turn

MINUTE_S = 60.0
MINUTE_KEPT_S = 600.0
"""How long a store keeps what has begun. Longer than it counts: clocks may disagree by so much."""
_MINUTE = "minute:"
ROUNDING_USD = 1e-9
"""Sums of floats are off by less."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What a record changes in one account."""

    account: str
    tokens: int
    usd: float
    change: Literal["reserve", "settle", "add"] = "add"
    """`reserve`: the worst case of the model call that begins, which is refused where it doesn't
    fit. `settle`: what that has used, in its place. `add`: what was used besides."""
    ceiling: Ceiling = NO_CEILING
    claim: str = ""
    """Of the driver that reserves."""


class Holder(msgspec.Struct, frozen=True):
    """A thread that has reserved something of an account, or waits for some."""

    thread_id: str
    claim: str


class Balance(msgspec.Struct, frozen=True):
    """What an account has come to, with all that is reserved."""

    tokens: int = 0
    usd: float = 0.0
    requests: int = 0
    holders: tuple[Holder, ...] = ()
    """Those that have reserved a part of it."""
    waiting: tuple[Holder, ...] = ()
    """Those that wait in line for it; only where a store is asked for a balance."""


def name_of_turn(thread_id: str, opened_seq: int) -> str:
    """The account of the turn that was opened at this seq."""
    return f"turn:{thread_id}#{opened_seq}"


def thread_of(account: str) -> str:
    """The thread whose turn has this account; "" for the account of a budget."""
    kind, _, rest = account.partition(":")
    return rest.rpartition("#")[0] if kind == "turn" else ""


def describe_account(account: str) -> str:
    """The account in words."""
    kind, _, rest = account.partition(":")
    if kind == "turn":
        return f"thread {thread_of(account)} and all that works for it"
    if kind == "day":
        day, _, budget = rest.partition(":")
        return f"the budget {budget} for {day}"
    return f"the budget {rest} in a minute"


def name_of_limit(account: str, limit: str) -> str:
    """What a limit of this account is called: `limit` is tokens or cost_usd."""
    kind = account.partition(":")[0]
    if kind == "turn":
        return limit
    return f"{limit.removeprefix('cost_')}_a_{kind}"


def is_of_dollars(limit: str) -> bool:
    """Whether a limit of this name is one of US dollars."""
    return "usd" in limit


def name_of_day(budget: str, day: str) -> str:
    """The account of a budget on this day, such as 2026-01-31."""
    return f"day:{day}:{budget}"


def name_of_minute(budget: str) -> str:
    """The account of what a budget has come to in the last 60 seconds."""
    return f"{_MINUTE}{budget}"


def is_of_minute(account: str) -> bool:
    """Whether it counts the last 60 seconds, and not all that was ever used."""
    return account.startswith(_MINUTE)


def fits(entry: Entry, balance: Balance) -> bool:
    """Whether the account, which has come to this, has room for what the entry reserves."""
    most = entry.ceiling
    return (
        (most.tokens is None or balance.tokens + entry.tokens <= most.tokens)
        and (most.usd is None or balance.usd + entry.usd <= most.usd + ROUNDING_USD)
        and (most.requests is None or balance.requests < most.requests)
    )


def find_entries(
    turn: Turn | None,
    claim: str,
    record: e.Record,
    ceilings: Mapping[str, Ceiling] | None = None,
) -> tuple[Entry, ...]:
    """What a record changes in accounts. `turn` and `claim` are those of the state before it."""
    event = record.event
    if turn is None:
        return ()
    if type(event) is e.ModelCalled:
        most = ceilings or {}
        accounts = event.accounts
        return tuple(charge(event, each, most.get(each, NO_CEILING), claim) for each in accounts)
    if isinstance(event, e.ChildStarted):
        return _open(turn, event)
    if settles_lost(event):
        return _correct(turn.lost.get(event.claim), event)
    called = turn.called
    if called is None or not called.accounts:
        return ()
    tokens, usd = 0, 0.0
    match event:
        case e.ModelReplied() | e.ModelFailed():
            tokens, usd = event.usage.total_tokens, counted_usd(called, event)
        case e.ThreadClaimed(releases=False) | e.TurnEnded():
            # Nobody knows what it used; perhaps its provider or its driver says so later.
            tokens, usd = worst_tokens(called), called.reserved_usd
        case _:
            return ()
    return tuple(Entry(account, tokens, usd, "settle") for account in called.accounts)


def charge(called: e.ModelCalled, account: str, ceiling: Ceiling, claim: str = "") -> Entry:
    """What a model call reserves of one account: its worst case."""
    return Entry(account, worst_tokens(called), called.reserved_usd, "reserve", ceiling, claim)


def _open(turn: Turn, started: e.ChildStarted) -> tuple[Entry, ...]:
    """The turn's first child opens its account, with what it has used by itself."""
    if not started.account or turn.account == started.account:
        return ()
    tokens = turn.usage.total_tokens + turn.lost_tokens
    return (Entry(started.account, tokens, turn.cost_usd),)


def _correct(called: e.ModelCalled | None, event: e.ModelFailed) -> tuple[Entry, ...]:
    """What a call that was taken for lost has really used, in the place of its worst case."""
    if called is None:
        return ()
    tokens = event.usage.total_tokens - worst_tokens(called)
    usd = 0.0 if event.cost_usd is None else event.cost_usd - called.reserved_usd
    return tuple(Entry(account, tokens, usd) for account in called.accounts)


def entries_of(records: Sequence[e.Record]) -> list[tuple[Entry, ...]]:
    """What each record of a whole log changes in accounts. Raises IllegalEvent.

    Nothing of what a fork shares, which its source has paid, nor of what others have written.
    """
    state = State()
    found: list[tuple[Entry, ...]] = []
    for record in records:
        found.append(find_entries(state.turn, state.claim, record))
        state = apply(state, record)
        if marks_foreign(record.event):
            found = [()] * len(found)
    return found


def marks_foreign(event: e.Event) -> bool:
    """Whether others have paid for all that the log has before this event."""
    return isinstance(event, e.ThreadForked) or (
        isinstance(event, e.TrustChanged) and not event.trusted
    )


def accounts_in(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The accounts that these entries reserve from."""
    return tuple(entry.account for entry in entries if entry.change == "reserve")
