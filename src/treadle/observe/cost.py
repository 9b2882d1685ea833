"""The cost of threads: an entry for each model call, and sums of entries, grouped by any key. Pure.

1. Money is summed exactly: a float counts as the decimal number that it prints as, and nothing is
   rounded.
2. A call without a known price makes the cost of its group unknown, never 0. The known part is kept
   beside it.
3. What a fork shares with its parent thread was paid in the parent, and counts only there.
4. A call whose reply never came may have been billed. It counts as lost, with the cost that was
   reserved for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import Any, Literal

from ..core import events as e
from ..core.count_thread import inherited_seq
from .active_agent import ActiveAgent

Key = Literal["step", "turn", "thread", "tree", "agent", "day", "model", "purpose"]

_EXACT = Context(prec=1000, traps=[Inexact])
"""More digits than any sum of floats has."""


@dataclass(frozen=True)
class Entry:
    """One request to a model, and what it cost."""

    thread_id: str
    tree: str
    """The thread at the root of the tree that this thread belongs to; often the thread itself."""
    agent: str
    model: str
    purpose: str
    turn: int
    step: int
    """The model step within the turn, from 1.

    A retry is no new step. A summary counts to the step before it.
    """
    at: float
    """When the reply or failure came. Seconds since the epoch, UTC."""
    outcome: Literal["replied", "failed", "lost"]
    usage: e.Usage = e.Usage()
    cost_usd: float | None = 0.0
    """None if no price is known."""
    reserved_usd: float = 0.0
    """For a lost call: the most that it can have cost, if a price is known."""
    cache_saved_usd: float | None = None
    """What reading from the provider's cache saved; None if nothing was read or no price is
    known."""
    cache_spent_usd: float | None = None
    """What writing to it cost more than tokens that aren't kept; None as above."""

    @property
    def day(self) -> str:
        """The day in UTC, such as 2026-01-31; "" for a time that no calendar has."""
        try:
            return datetime.fromtimestamp(self.at, UTC).date().isoformat()
        except (ValueError, OverflowError, OSError):
            return ""


@dataclass(frozen=True)
class Total:
    """The sum of several requests."""

    calls: int = 0
    failed: int = 0
    lost: int = 0
    unpriced: int = 0
    """Calls that used tokens and have no known price."""
    usage: e.Usage = field(default=e.Usage())
    known_usd: Decimal = Decimal(0)
    """The cost of the calls that have a price."""
    lost_usd: Decimal = Decimal(0)
    """The most that the lost calls can have cost; not part of the cost."""
    cache_saved_usd: Decimal = Decimal(0)
    """What reading from the provider's cache saved, in the calls where that is known."""
    cache_spent_usd: Decimal = Decimal(0)
    """What writing to it cost more than tokens that aren't kept, where that is known."""
    cache_unpriced: int = 0
    """Calls that used the cache at an unknown price: logs before prices of the cache, for one."""

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost of all calls; None if a part of it is unknown."""
        if self.unpriced:
            return None
        return self.known_usd

    def __add__(self, other: "Total") -> "Total":
        return Total(
            self.calls + other.calls,
            self.failed + other.failed,
            self.lost + other.lost,
            self.unpriced + other.unpriced,
            self.usage + other.usage,
            _EXACT.add(self.known_usd, other.known_usd),
            _EXACT.add(self.lost_usd, other.lost_usd),
            _EXACT.add(self.cache_saved_usd, other.cache_saved_usd),
            _EXACT.add(self.cache_spent_usd, other.cache_spent_usd),
            self.cache_unpriced + other.cache_unpriced,
        )


KEYS: dict[Key, Callable[[Entry], str]] = {
    "step": lambda entry: f"{entry.thread_id} {entry.turn}.{entry.step}",
    "turn": lambda entry: f"{entry.thread_id} {entry.turn}",
    "thread": lambda entry: entry.thread_id,
    "tree": lambda entry: entry.tree,
    "agent": lambda entry: entry.agent,
    "day": lambda entry: entry.day,
    "model": lambda entry: entry.model,
    "purpose": lambda entry: entry.purpose,
}


def cost_entries(records: Iterable[e.Record]) -> list[Entry]:
    """The model calls of these threads, thread by thread.

    Threads may alternate, but each begins with its first record. Events of threads and models,
    UserSaid and TurnEnded are enough. What a child thread used counts in the child alone.
    """
    threads: dict[str, list[e.Record]] = {}
    parents: dict[str, str] = {}
    for record in records:
        threads.setdefault(record.thread_id, []).append(record)
        if isinstance(record.event, e.ThreadStarted) and record.event.parent_thread_id:
            parents[record.thread_id] = record.event.parent_thread_id
        elif isinstance(record.event, e.ThreadForked):  # it works for nobody, whatever its source
            parents.pop(record.thread_id, None)
    found: list[Entry] = []
    for thread_id, own in threads.items():
        found += _thread_entries(own, _find_root(thread_id, parents))
    return found


def sum_costs(entries: Iterable[Entry]) -> Total:
    """The sum of these entries."""
    return reduce(Total.__add__, map(_to_total, entries), Total())


def group_costs(entries: Iterable[Entry], by: Key) -> dict[str, Total]:
    """A sum for each group, in the order in which the groups first appear."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(KEYS[by](entry), []).append(entry)
    return {key: sum_costs(group) for key, group in groups.items()}


def _thread_entries(records: Sequence[e.Record], tree: str) -> Iterator[Entry]:
    shared = inherited_seq(records)
    learned = {
        record.event.claim: record.event
        for record in records
        if isinstance(record.event, e.ModelFailed) and record.event.claim
    }
    claim = ""
    active = ActiveAgent()
    turn = 0
    step = 0
    called: e.ModelCalled | None = None
    for record in records:
        event = record.event
        if called:
            end = _find_end(called, event, learned.get(claim))
            if end and record.seq > shared:
                yield Entry(
                    thread_id=record.thread_id,
                    tree=tree,
                    agent=active.agent,
                    model=called.model,
                    purpose=called.purpose,
                    turn=turn,
                    step=step,
                    at=record.at,
                    **end,
                )
            if end:
                called = None
        active = active.after(event)
        match event:
            case e.UserSaid() if event.opens_turn:
                turn += 1
                step = 0
            case e.ModelCalled():
                called = event
                step += event.attempt == 1 and event.purpose != "compact"
            case e.ThreadClaimed():
                claim = event.claim


def _find_end(
    called: e.ModelCalled, event: e.Event, learned: e.ModelFailed | None
) -> dict[str, Any] | None:
    """How the request ended, as fields of its Entry; None if this event doesn't end it.

    `learned` is what its driver wrote once it had lost the thread, if it did.
    """
    match event:
        case e.ModelFailed() if event.claim:
            return None  # of an earlier request
        case e.ThreadClaimed(releases=True):
            return None  # the next driver finds it lost
        case e.ModelReplied():
            return {
                "outcome": "replied",
                "usage": event.usage,
                "cost_usd": event.cost_usd,
                "cache_saved_usd": event.cache_saved_usd,
                "cache_spent_usd": event.cache_spent_usd,
            }
        case e.ModelFailed(cost_usd=None, usage=usage) if not usage.total_tokens:
            return {"outcome": "failed", "usage": usage, "cost_usd": 0.0}
        case e.ModelFailed():
            return {"outcome": "failed", "usage": event.usage, "cost_usd": event.cost_usd}
        case e.ThreadClaimed() | e.TurnEnded() if learned:
            return {"outcome": "lost", "usage": learned.usage, "cost_usd": learned.cost_usd}
        case e.ThreadClaimed() | e.ThreadForked() | e.TurnEnded():
            return {"outcome": "lost", "reserved_usd": called.reserved_usd}
        case e.TrustChanged(trusted=False):  # it was imported: the reply comes elsewhere, if at all
            return {"outcome": "lost", "reserved_usd": called.reserved_usd}
        case _:
            return None


def _find_root(thread_id: str, parents: dict[str, str]) -> str:
    seen = {thread_id}
    parent = parents.get(thread_id)
    while parent and parent not in seen:  # a store that was tampered with can have a ring
        seen.add(parent)
        thread_id = parent
        parent = parents.get(thread_id)
    return thread_id


def _to_total(entry: Entry) -> Total:
    is_read_unpriced = entry.usage.cached_tokens and entry.cache_saved_usd is None
    is_write_unpriced = entry.usage.cache_write_tokens and entry.cache_spent_usd is None
    return Total(
        calls=entry.outcome == "replied",
        failed=entry.outcome == "failed",
        lost=entry.outcome == "lost",
        unpriced=entry.cost_usd is None,
        usage=entry.usage,
        known_usd=Decimal(repr(entry.cost_usd or 0.0)),
        lost_usd=Decimal(repr(entry.reserved_usd)),
        cache_saved_usd=Decimal(repr(entry.cache_saved_usd or 0.0)),
        cache_spent_usd=Decimal(repr(entry.cache_spent_usd or 0.0)),
        cache_unpriced=int(bool(is_read_unpriced or is_write_unpriced)),
    )
