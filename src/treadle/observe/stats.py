"""Statistics of threads: times, errors, retries, model steps, cache hits. Pure.

Percentiles are by nearest rank: each is a value that was really measured, the smallest one that at
least so many per cent of all values don't exceed. What a fork shares with its parent thread counts
only in the parent.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..core.call import asked_calls
from ..core.count_thread import find_reopened_ends, inherited_seq

_UNMEASURED = e.Usage(estimated=True)
"""Of a reply that was brought in with a history: nobody has counted or timed it."""


@dataclass(frozen=True)
class Percentiles:
    """Of a number of measured values; all 0 where there are none."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True)
class ToolStats:
    calls: int
    """That have come to an end."""
    errors: dict[str, int]
    """Of these, by the kind of error."""
    retries: int
    duration_s: Percentiles
    """Of the attempts that ran."""

    @property
    def error_rate(self) -> float:
        return sum(self.errors.values()) / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Stats:
    """How many, how long and how much, over the records of threads."""

    threads: int
    turns: dict[str, int]
    """By how they ended; `open` for those that have not."""
    steps: Percentiles
    """Of the turns that ended."""
    latency_s: Percentiles
    """Of the model calls that were answered."""
    first_token_s: Percentiles
    model_failures: dict[str, int]
    """By kind; the same request may have been answered at the next try."""
    model_retries: int
    tools: dict[str, ToolStats]
    """By name; a flow's steps are among them."""
    usage: e.Usage
    """Of all model calls, as in costs: also those that failed or whose answer came too late."""
    tokens_per_s: float
    """Output tokens of the calls that were answered, divided by their whole time, the wait for the
    first included."""

    @property
    def cached_share(self) -> float:
        """The part of all input tokens that was read from the provider's cache."""
        return (
            self.usage.cached_tokens / self.usage.input_tokens if self.usage.input_tokens else 0.0
        )


@dataclass
class _Tool:
    calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    durations_s: list[float] = field(default_factory=list)


@dataclass
class _Counts:
    turns: Counter[str] = field(default_factory=Counter)
    steps: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    first_token_s: list[float] = field(default_factory=list)
    model_failures: Counter[str] = field(default_factory=Counter)
    model_retries: int = 0
    tools: dict[str, _Tool] = field(default_factory=dict)
    usage: e.Usage = e.Usage()
    written_tokens: int = 0
    """Of the calls that were answered."""


def compute_stats(records: Iterable[e.Record], since: float = 0.0) -> Stats:
    """Statistics of what happened in these threads since then (seconds since the epoch).

    Records of several threads may alternate.
    """
    threads: dict[str, list[e.Record]] = {}
    for record in records:
        threads.setdefault(record.thread_id, []).append(record)
    counts = _Counts()
    seen = [_count(own, since, counts) for own in threads.values()]
    writing_s = sum(counts.latency_s)
    return Stats(
        threads=sum(seen),
        turns=dict(counts.turns),
        steps=percentiles(counts.steps),
        latency_s=percentiles(counts.latency_s),
        first_token_s=percentiles(counts.first_token_s),
        model_failures=dict(counts.model_failures),
        model_retries=counts.model_retries,
        tools={
            name: ToolStats(
                tool.calls, dict(tool.errors), tool.retries, percentiles(tool.durations_s)
            )
            for name, tool in sorted(counts.tools.items())
            if tool != _Tool()  # a call has ended or was tried again
        },
        usage=counts.usage,
        tokens_per_s=counts.written_tokens / writing_s if writing_s else 0.0,
    )


def percentiles(values: Sequence[float]) -> Percentiles:
    """Percentiles by nearest rank."""
    ordered = sorted(values)

    def rank(percent: int) -> float:
        return ordered[math.ceil(percent * len(ordered) / 100) - 1]

    return (
        Percentiles(len(ordered), rank(50), rank(90), rank(99), ordered[-1])
        if ordered
        else Percentiles(0, 0.0, 0.0, 0.0, 0.0)
    )


def _count(records: Sequence[e.Record], since: float, counts: _Counts) -> bool:
    """Add one thread's facts; whether any counted."""
    shared = inherited_seq(records)
    names: dict[str, str] = {}
    children: set[str] = set()
    answered: set[str] = set()
    steps = 0
    is_open = counted = False
    reopened = find_reopened_ends(records)
    for record in records:
        event = record.event
        names |= {call.id: call.name for call in asked_calls(event)}
        match event:  # what later facts go by, whether or not these count
            case e.UserSaid() if event.opens_turn:
                steps, is_open = 0, True
            case e.ModelCalled(is_step=True):
                steps += 1
            case e.ChildStarted(call_id=call_id):
                children.add(call_id)
            case e.UserSaid(in_call=True, answers=call_id):
                answered.add(call_id)
            case e.TurnEnded():
                is_open = record.seq in reopened
        if record.seq <= shared or record.at < since:
            continue
        counted = True
        match event:
            case e.ModelCalled() | e.ModelReplied() | e.ModelFailed():
                _model(event, counts)
            case e.ToolStarted(call_id=call_id) if call_id in children | answered:
                answered.discard(call_id)  # it goes on, which is no retry
            case e.ToolStarted() | e.ToolReturned() | e.ToolFailed() | e.OutcomeDecided():
                _tool(event, counts.tools.setdefault(names.get(event.call_id, "?"), _Tool()))
            case e.HandedOff(call_id=call_id) | e.UserSaid(in_call=False, answers=call_id) if (
                call_id in names
            ):
                counts.tools.setdefault(names.get(call_id, "?"), _Tool()).calls += 1
            case e.TurnEnded(status=status) if record.seq not in reopened:
                counts.turns[status] += 1
                counts.steps.append(steps)
    if is_open and counted:
        counts.turns["open"] += 1
    return counted


def _model(event: e.ModelCalled | e.ModelReplied | e.ModelFailed, counts: _Counts) -> None:
    if not isinstance(event, e.ModelCalled) and event.usage != _UNMEASURED:
        counts.usage += event.usage
    match event:
        case e.ModelCalled():
            counts.model_retries += event.attempt > 1
        case e.ModelFailed(kind="late"):
            pass  # the model didn't fail: nobody waited for it any more
        case e.ModelFailed():
            counts.model_failures[event.kind] += 1
        case e.ModelReplied() if event.usage != _UNMEASURED:
            counts.written_tokens += event.usage.output_tokens
            counts.latency_s.append(event.latency_s)
            if event.first_token_s is not None:
                counts.first_token_s.append(event.first_token_s)


def _tool(
    event: e.ToolStarted | e.ToolReturned | e.ToolFailed | e.OutcomeDecided, tool: _Tool
) -> None:
    match event:
        case e.ToolStarted():
            tool.retries += event.attempt > 1
        case e.ToolReturned():
            tool.calls += 1
            tool.durations_s.append(event.duration_s)
        case e.ToolFailed():
            if event.duration_s:
                tool.durations_s.append(event.duration_s)
            if event.retry_after_s is None:
                tool.calls += 1
                tool.errors[event.kind] += 1
        case e.OutcomeDecided(outcome="ran"):
            tool.calls += 1
        case e.OutcomeDecided(outcome="tell"):
            tool.calls += 1
            tool.errors["unknown"] += 1
