"""Two threads side by side: where they part, and what each then cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import asdict

from .. import events as e
from ..result import Summary, summary
from ..state import State, apply

_SKIPPED = (e.ThreadStarted, e.ThreadClaimed, e.ThreadForked)
"""Who drives and from where: no part of what was said and done."""
_TIMES = ("latency_s", "first_token_s", "duration_s", "retry_after_s", "key", "by")


@dataclass(frozen=True)
class Side:
    """One of the two threads."""

    thread_id: str
    parts_at: e.Record | None
    """Its first record that the other doesn't have; None where it has none."""
    rest: Summary
    """Totals from there on."""
    whole: Summary


@dataclass(frozen=True)
class Diff:
    shared: int
    """How many facts the two have in common, from the beginning."""
    left: Side
    right: Side

    @property
    def same(self) -> bool:
        return self.left.parts_at is None and self.right.parts_at is None


def diff(left: Sequence[e.Record], right: Sequence[e.Record]) -> Diff:
    """Where these two threads part. Times, keys and who drove them don't count. At least one record each."""
    ours, theirs = ([r for r in records if not isinstance(r.event, _SKIPPED)] for records in (left, right))
    shared = 0
    while shared < min(len(ours), len(theirs)) and _facts(ours[shared].event) == _facts(theirs[shared].event):
        shared += 1
    return Diff(shared, _side(left, ours[shared:]), _side(right, theirs[shared:]))


def _facts(event: e.Event) -> tuple[object, ...]:
    fields = asdict(event)
    return (type(event).__name__, *((name, value) for name, value in fields.items() if name not in _TIMES))


def _side(records: Sequence[e.Record], rest: Sequence[e.Record]) -> Side:
    first = rest[0] if rest else None
    tail = [record for record in records if first and record.seq >= first.seq]
    return Side(
        records[0].thread_id,
        first,
        summary(tail, _active_s(records, tail)),
        summary(records, _active_s(records, records)),
    )


def _active_s(records: Sequence[e.Record], part: Sequence[e.Record]) -> float:
    """Seconds of work in that part of the thread: waiting and being down don't count."""
    state, total, chosen = State(), 0.0, {record.seq for record in part}
    for record in records:
        before = state.turn.active_s if state.turn and state.phase != "idle" else 0.0
        state = apply(state, record)
        if record.seq in chosen and state.turn:
            total += max(0.0, state.turn.active_s - before)
    return total
