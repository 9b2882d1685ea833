"""Two threads side by side: where they part, and what each then cost. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import asdict

from ..core import events as e
from ..core.result import Summary, make_summary
from ..core.state import State, apply
from ..runtime.recorded_settings import as_shown

_SKIPPED = (e.ThreadStarted, e.ThreadClaimed, e.ThreadForked, e.FeedbackGiven)
"""Who drives and from where, and what people found: no part of what was said and done."""
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
    """The result of comparing two threads."""

    shared: int
    """How many events the two have in common, from the beginning."""
    left: Side
    right: Side

    @property
    def same(self) -> bool:
        return self.left.first_difference is None and self.right.first_difference is None


def diff(left: Sequence[e.Record], right: Sequence[e.Record]) -> Diff:
    """The first difference between two threads, with at least one record each.

    Times, keys, ids of calls, and who drove the threads don't count as differences.
    """
    skipped: tuple[type[e.Event], ...] = _SKIPPED
    if not (_has_descriptions(left) and _has_descriptions(right)):
        skipped = (*_SKIPPED, e.AgentDescribed)  # a log of format 1 has none
    ours = [record for record in _changes(left) if not isinstance(record.event, skipped)]
    theirs = [record for record in _changes(right) if not isinstance(record.event, skipped)]
    our_calls: dict[str, int] = {}
    their_calls: dict[str, int] = {}
    shared = 0
    for our, their in zip(ours, theirs, strict=False):
        renumbered = bool(our_calls) and next(reversed(our_calls)) != next(reversed(their_calls))
        our_fields = _comparable_fields(our.event, our_calls, renumbered)
        if our_fields != _comparable_fields(their.event, their_calls, renumbered):
            break
        shared += 1
    return Diff(shared, _make_side(left, ours[shared:]), _make_side(right, theirs[shared:]))


def _changes(records: Sequence[e.Record]) -> Iterator[e.Record]:
    """The records without descriptions of an agent that changed nothing that the model is shown.

    Other limits, say, show in the first record that they change.
    """
    shown: e.AgentDescribed | None = None
    for record in records:
        if isinstance(record.event, e.AgentDescribed):
            before, shown = shown, as_shown(record.event)
            if before == shown:
                continue
        yield record


def _has_descriptions(records: Sequence[e.Record]) -> bool:
    return any(isinstance(record.event, e.AgentDescribed) for record in records)


def _without_ids(block: e.Block) -> object:
    if isinstance(block, e.Call):
        return (block.name, block.arguments, block.opaque)
    return block


def _comparable_fields(
    event: e.Event, calls: dict[str, int], renumbered: bool
) -> dict[str, object]:
    """The event's fields that count, with call ids replaced by their positions in `calls`.

    Adds new calls to `calls`. A prompt holds call ids, so its hash can't be compared once they
    are `renumbered`.
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
        case e.AgentDescribed():
            fields |= asdict(as_shown(event))
    for name in ("call_id", "answers"):
        if name in fields:
            fields[name] = calls.get(str(fields[name]))
    return {name: value for name, value in fields.items() if name not in (*_TIMES, *_PLACES)}


def _make_side(records: Sequence[e.Record], rest: Sequence[e.Record]) -> Side:
    first = next(iter(rest), None)
    tail = [record for record in records if first and record.seq >= first.seq]
    return Side(
        records[0].thread_id,
        first,
        rest=make_summary(tail, _active_s(records, tail)),
        whole=make_summary(records, _active_s(records, records)),
    )


def _active_s(records: Sequence[e.Record], part: Sequence[e.Record]) -> float:
    """Seconds of work in this part of the thread; waiting and downtime don't count."""
    chosen = {record.seq for record in part}
    state = State()
    total = 0.0
    for record in records:
        before = 0.0
        if state.turn and state.phase != "idle":
            before = state.turn.active_s
        state = apply(state, record)
        if record.seq in chosen and state.turn:
            total += max(0.0, state.turn.active_s - before)
    return total
