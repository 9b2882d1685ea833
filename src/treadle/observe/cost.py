"""What threads have cost, by whatever one asks: an entry for each model call, and sums over them. Pure.

1. Money is summed exactly: a float counts as the decimal number that it is written as, and nothing is rounded.
2. A call without a known price makes the cost of its group unknown, never 0; the part that is known is kept beside it.
3. What a fork shares with its parent was paid in the parent, and counts there alone.
4. A call whose reply never came may have been billed. It is counted as lost, with what was reserved for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import Any, Literal

from ..core import events as e
from .charge import Charge

Key = Literal["step", "turn", "thread", "tree", "agent", "day", "model", "purpose"]

_EXACT = Context(prec=1000, traps=[Inexact])
"""More digits than any sum of floats has."""


@dataclass(frozen=True)
class Entry:
    """One request to a model, as it was paid for."""

    thread_id: str
    tree: str
    """The thread at the top, where another thread began this one; else the thread itself."""
    agent: str
    model: str
    purpose: str
    turn: int
    step: int
    """Within the turn, from 1. A retry is not a new step; nor is a summary, which counts to the step before it."""
    at: float
    """When it was settled. Seconds since the epoch, UTC."""
    outcome: Literal["replied", "failed", "lost"]
    usage: e.Usage = e.Usage()
    cost_usd: float | None = 0.0
    """None where no price is known."""
    reserved_usd: float = 0.0
    """Of a lost call: the most that it can have cost, where a price is known."""

    @property
    def day(self) -> str:
        """Of UTC, as 2026-01-31; "" for a time that no calendar has."""
        try:
            return datetime.fromtimestamp(self.at, UTC).date().isoformat()
        except (ValueError, OverflowError, OSError):
            return ""


@dataclass(frozen=True)
class Total:
    calls: int = 0
    failed: int = 0
    lost: int = 0
    unpriced: int = 0
    """Calls that used tokens and have no known price."""
    usage: e.Usage = field(default=e.Usage())
    known_usd: Decimal = Decimal(0)
    """Of the calls that have a price."""
    lost_usd: Decimal = Decimal(0)
    """The most that the lost calls can have cost; not part of the cost."""

    @property
    def cost_usd(self) -> Decimal | None:
        """None where a part of it is unknown."""
        return None if self.unpriced else self.known_usd

    def __add__(self, other: "Total") -> "Total":
        return Total(
            self.calls + other.calls,
            self.failed + other.failed,
            self.lost + other.lost,
            self.unpriced + other.unpriced,
            self.usage + other.usage,
            _EXACT.add(self.known_usd, other.known_usd),
            _EXACT.add(self.lost_usd, other.lost_usd),
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
    """The model calls in these threads, each thread's in order. Threads may alternate; a thread begins with its first.

    Of all events, those of threads and models, UserSaid and TurnEnded are enough. What an agent used that was called as
    a tool is counted in its own thread, not again where it was called.
    """
    threads: dict[str, list[e.Record]] = {}
    for record in records:
        threads.setdefault(record.thread_id, []).append(record)
    parents = {
        name: first.event.parent_thread_id
        for name, [first, *_] in threads.items()
        if isinstance(first.event, e.ThreadStarted) and first.event.parent_thread_id
    }
    return [
        entry for name, own in threads.items() for entry in _of_thread(own, _top(name, parents))
    ]


def sum_costs(entries: Iterable[Entry]) -> Total:
    """The sum of these."""
    return reduce(Total.__add__, map(_alone, entries), Total())


def group_costs(entries: Iterable[Entry], by: Key) -> dict[str, Total]:
    """The sums of the groups, in the order in which they first come."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(KEYS[by](entry), []).append(entry)
    return {key: sum_costs(group) for key, group in groups.items()}


def inherited_seq(records: Sequence[e.Record]) -> int:
    """The last of these records of one thread that it shares with the thread it was forked from; 0 where none is."""
    return max(
        (record.event.at_seq for record in records if isinstance(record.event, e.ThreadForked)),
        default=0,
    )


def _of_thread(records: Sequence[e.Record], tree: str) -> Iterator[Entry]:
    shared, charge, turn, step = inherited_seq(records), Charge(), 0, 0
    called: e.ModelCalled | None = None
    for record in records:
        event = record.event
        settled = _settled(called, event) if called else None
        if called and settled and record.seq > shared:
            of = (
                record.thread_id,
                tree,
                charge.agent,
                called.model,
                called.purpose,
                turn,
                step,
                record.at,
            )
            yield Entry(*of, **settled)
        called = None if settled else called
        charge = charge.after(event)
        match event:
            case e.UserSaid(answers=""):
                turn, step = turn + 1, 0
            case e.ModelCalled():
                called, step = event, step + (event.attempt == 1 and event.purpose != "compact")


def _settled(called: e.ModelCalled, event: e.Event) -> dict[str, Any] | None:
    """What became of a request, where this event says it."""
    match event:
        case e.ModelReplied():
            return {"outcome": "replied", "usage": event.usage, "cost_usd": event.cost_usd}
        case e.ModelFailed(cost_usd=None):
            return {
                "outcome": "failed",
                "usage": event.usage,
                "cost_usd": None if event.usage.total_tokens else 0.0,
            }
        case e.ModelFailed():
            return {"outcome": "failed", "usage": event.usage, "cost_usd": event.cost_usd}
        case e.ThreadClaimed() | e.ThreadForked() | e.TurnEnded():
            return {"outcome": "lost", "reserved_usd": called.reserved_usd}
        case _:
            return None


def _top(thread_id: str, parents: dict[str, str]) -> str:
    seen = {thread_id}
    while (
        parent := parents.get(thread_id)
    ) and parent not in seen:  # a store that was tampered with can have a ring
        seen.add(parent)
        thread_id = parent
    return thread_id


def _alone(entry: Entry) -> Total:
    return Total(
        calls=entry.outcome == "replied",
        failed=entry.outcome == "failed",
        lost=entry.outcome == "lost",
        unpriced=entry.cost_usd is None,
        usage=entry.usage,
        known_usd=Decimal(repr(entry.cost_usd or 0.0)),
        lost_usd=Decimal(repr(entry.reserved_usd)),
    )
