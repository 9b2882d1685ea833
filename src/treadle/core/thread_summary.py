"""Totals of a whole thread and of its children, at any depth. Pure. count_thread.py counts.

1. Every record counts once, in the thread that it is in. What a child has used is counted in the
   child's own log, which also has what was used before it was cut off, and what failed.
2. A child whose log can't be read counts with what its parent's log says that it has used.
3. What a fork shares with its parent thread counts only there, as in costs and statistics.
4. A model call whose reply never came may have been billed. It counts as lost, beside the rest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from . import events as e
from .count_calls import ToolTotals as ToolTotals
from .late import worst_tokens
from .notebook import Row, describe_usd, show_in_notebook
from .result import Status


@dataclass(frozen=True)
class ThreadSummary:
    """Totals of a whole thread. All but `turns` and `seconds` add up its children's too."""

    thread_id: str
    agent: str
    """The agent or flow in charge."""
    status: Status
    """Of the last turn."""
    turns: dict[str, int]
    """By how they ended; `open` for one that has not."""
    steps: int
    model_calls: int
    """That were answered."""
    model_retries: int
    model_failures: int
    lost_calls: int
    """Model calls whose reply never came: the process died, or the call was cut off."""
    lost_tokens: int
    """The most that the lost calls can have used; not part of the usage."""
    lost_usd: float
    """The most that they can have cost, where a price is known; not part of the cost."""
    usage: e.Usage
    """Tokens by kind, also of replies that broke off."""
    cost_usd: float | None
    """None where a part of it is unknown."""
    known_usd: float
    """The part of the cost that is known."""
    tools: dict[str, ToolTotals]
    """By name; a flow's steps are among them."""
    waits: int
    """How often people were asked: for an approval, an answer, or an unknown outcome."""
    waiting: tuple[e.PendingDecision, ...]
    """What waits for them now, in children too."""
    seconds: float
    """Of work, the children's included; without waiting for people."""
    children: dict[str, int]
    """Threads that worked for this one, by the status of their last turn."""
    unread: tuple[str, ...]
    """Children whose logs are damaged, or aren't this thread's by their own word."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows: list[Row] = [
            ("agent", self.agent),
            ("status", self.status),
            ("turns", _count_by_name(self.turns)),
            ("steps", self.steps),
            ("model calls", self.model_calls),
            ("tool calls", _count_by_name({name: tool.calls for name, tool in self.tools.items()})),
            ("tokens", f"{self.tokens:,}"),
            ("cost", describe_usd(self.cost_usd)),
            ("seconds of work", f"{self.seconds:.3g}"),
            ("children", _count_by_name(self.children)),
            ("wait for people", ", ".join(each.name or each.status for each in self.waiting)),
        ]
        return show_in_notebook(f"thread {self.thread_id}", rows)

    @property
    def tokens(self) -> int:
        return self.usage.total_tokens

    @property
    def tool_calls(self) -> int:
        return self.tool_successes + self.tool_errors

    @property
    def tool_successes(self) -> int:
        return sum(tool.successes for tool in self.tools.values())

    @property
    def tool_errors(self) -> int:
        return sum(tool.errors for tool in self.tools.values())

    @property
    def tool_retries(self) -> int:
        return sum(tool.retries for tool in self.tools.values())


def _count_by_name(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


@dataclass(frozen=True)
class Child:
    """A child as its parent's log has it."""

    thread_id: str
    parent_thread_id: str
    call_id: str
    usage: e.Usage = e.Usage()
    """What the parent's log says that it has used."""
    cost_usd: float | None = 0.0

    def is_begun_by(self, first: e.Event) -> bool:
        """Whether the log that begins so is that of this child, by its own word."""
        if not isinstance(first, e.ThreadStarted):
            return False
        place = (first.parent_thread_id, first.parent_call_id)
        return place == (self.parent_thread_id, self.call_id)


@dataclass
class Totals:
    """What has been counted in some threads of a tree."""

    counts: Counter[str] = field(default_factory=Counter)
    usage: e.Usage = e.Usage()
    costs_usd: list[float | None] = field(default_factory=list)
    lost_usd: list[float] = field(default_factory=list)
    tools: dict[str, ToolTotals] = field(default_factory=dict)

    def add_usage(self, usage: e.Usage, cost_usd: float | None) -> None:
        self.usage += usage
        self.costs_usd.append(cost_usd)

    def add_lost(self, called: e.ModelCalled) -> None:
        self.counts["lost_calls"] += 1
        self.counts["lost_tokens"] += worst_tokens(called)
        self.lost_usd.append(called.reserved_usd)

    def settle_lost(self, called: e.ModelCalled) -> None:
        """Take back the worst case of a lost call, whose usage is known by now."""
        self.counts["lost_tokens"] -= worst_tokens(called)
        self.lost_usd.append(-called.reserved_usd)

    def add_tools(self, tools: Mapping[str, ToolTotals]) -> None:
        for name, more in tools.items():
            was = self.tools.get(name, ToolTotals())
            self.tools[name] = ToolTotals(
                was.successes + more.successes,
                was.errors + more.errors,
                was.retries + more.retries,
            )

    def add(self, other: "Totals") -> None:
        self.counts += other.counts
        self.usage += other.usage
        self.costs_usd += other.costs_usd
        self.lost_usd += other.lost_usd
        self.add_tools(other.tools)


@dataclass(frozen=True)
class OneThread:
    """What the log of one thread says besides what was counted."""

    agent: str
    status: Status
    turns: dict[str, int]
    waiting: tuple[e.PendingDecision, ...]
    """The thread's own, without those of its children."""
    seconds: float
    children: tuple[Child, ...]


@dataclass(frozen=True)
class CountedThread:
    """What one thread's log adds to a summary."""

    first: e.Event
    """Its first event, which says whose child it is."""
    thread: OneThread
    totals: Totals


_COUNTED = (
    *("steps", "waits", "lost_calls", "lost_tokens"),
    *("model_calls", "model_retries", "model_failures"),
)
"""The fields of a summary that `Totals.counts` has under the same names."""


def make_thread_summary(
    thread_id: str,
    root: OneThread,
    children: Sequence[OneThread],
    totals: Totals,
    unread: Sequence[str],
) -> ThreadSummary:
    """The summary of a tree whose threads were all counted into these totals."""
    known_usd = fsum(cost for cost in totals.costs_usd if cost is not None)
    cost_usd = None
    if None not in totals.costs_usd:
        cost_usd = known_usd
    waiting = [each for thread in (root, *children) for each in thread.waiting]
    return ThreadSummary(
        thread_id,
        root.agent,
        root.status,
        root.turns,
        **{name: totals.counts[name] for name in _COUNTED},
        lost_usd=fsum(totals.lost_usd),
        usage=totals.usage,
        cost_usd=cost_usd,
        known_usd=known_usd,
        tools=dict(sorted(totals.tools.items())),
        waiting=tuple(waiting),
        seconds=round(root.seconds, 3),
        children=dict(Counter(child.status for child in children)),
        unread=tuple(unread),
    )
