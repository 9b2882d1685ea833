"""Two threads side by side: where they part, and what each then cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import asdict

from ..core import events as e
from ..core.result import Summary, make_summary
from ..core.state import State, apply

_SKIPPED = (e.ThreadStarted, e.ThreadClaimed, e.ThreadForked)
"""Who drives and from where: no part of what was said and done."""
_TIMES = ("latency_s", "first_token_s", "duration_s", "retry_after_s", "key", "by")
_PLACES = ("upto_seq", "results_upto_seq", "thread_id")
"""Where it is written: records have other numbers after a fork, and so have calls."""


@dataclass(frozen=True)
class Side:
    """One of the two threads."""

    thread_id: str
    first_difference: e.Record | None
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
        return self.left.first_difference is None and self.right.first_difference is None


def diff(left: Sequence[e.Record], right: Sequence[e.Record]) -> Diff:
    """Where these two threads part. Times, keys, ids of calls and who drove them don't count.

    At least one record each.
    """
    skipped: tuple[type[e.Event], ...] = _SKIPPED
    if not (_describes(left) and _describes(right)):
        skipped = (*_SKIPPED, e.AgentDescribed)  # a log of format 1 has none
    ours, theirs = (
        [r for r in records if not isinstance(r.event, skipped)] for records in (left, right)
    )
    our_calls, their_calls, shared = dict[str, int](), dict[str, int](), 0
    for one, other in zip(ours, theirs, strict=False):
        renumbered = bool(our_calls) and next(reversed(our_calls)) != next(reversed(their_calls))
        if _facts(one.event, our_calls, renumbered) != _facts(other.event, their_calls, renumbered):
            break
        shared += 1
    return Diff(shared, _side(left, ours[shared:]), _side(right, theirs[shared:]))


def _describes(records: Sequence[e.Record]) -> bool:
    return any(isinstance(record.event, e.AgentDescribed) for record in records)


def _facts(event: e.Event, calls: dict[str, int], renumbered: bool) -> dict[str, object]:
    """What the event says, with each call by its place among `calls`, which grow.

    A prompt holds the ids of calls, so its hash says nothing more where they were `renumbered`.
    """
    fields: dict[str, object] = {**asdict(event), "type": type(event).__name__}
    match event:
        case e.ModelReplied(calls=asked):
            for call in asked:
                calls.setdefault(call.id, len(calls))
            if not isinstance(event.content, str):
                fields["content"] = [_without_ids(block) for block in event.content]
        case e.StepAsked(call=call):
            calls.setdefault(call.id, len(calls))
        case e.ChildWaits(waiting=waiting):
            fields["waiting"] = [
                (held.name, held.final_arguments, held.status, held.reason) for held in waiting
            ]
        case e.ModelCalled() if renumbered:
            del fields["prompt_hash"]
    for name in ("call_id", "answers"):
        if name in fields:
            fields[name] = calls.get(str(fields[name]))
    return {name: value for name, value in fields.items() if name not in (*_TIMES, *_PLACES)}


def _without_ids(block: e.Block) -> object:
    if isinstance(block, e.Call):
        return (block.name, block.arguments, block.opaque)
    return block


def _side(records: Sequence[e.Record], rest: Sequence[e.Record]) -> Side:
    first = rest[0] if rest else None
    tail = [record for record in records if first and record.seq >= first.seq]
    return Side(
        records[0].thread_id,
        first,
        make_summary(tail, _active_s(records, tail)),
        make_summary(records, _active_s(records, records)),
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
