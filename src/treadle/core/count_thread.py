"""Counts what one thread's log has for a summary. Pure; thread_summary.py says what counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import fsum

from . import events as e
from .call import asked_calls
from .result import read_result
from .state import State, apply
from .thread_summary import Child, OneThread, Totals
from .verify import VERIFY


def count_thread(records: Sequence[e.Record], totals: Totals) -> OneThread:
    """Add one thread's facts to the totals. Needs at least one record; raises IllegalEvent."""
    own_from = inherited_seq(records)
    state = State()
    seconds: list[float] = []
    turns: Counter[str] = Counter()
    reopened = find_reopened_ends(records)
    for record in records:
        before = state
        state = apply(state, record)
        if record.seq <= own_from:
            continue
        if state.turn and before.turn and not before.turn.ended:
            seconds.append(state.turn.active_s - before.turn.active_s)
        if isinstance(record.event, e.TurnEnded) and record.seq not in reopened:
            turns[record.event.status] += 1
        _count_model(record.event, totals)
        if lost := _lost_call(record.event, before, state):
            totals.add_lost(lost)
        if settled := _settled_call(record.event, before):
            totals.settle_lost(settled)
    if state.turn and not state.turn.ended:
        turns["open"] += 1
    own = [record for record in records if record.seq > own_from]
    _count_calls(own, _call_names(records), totals)
    result = read_result(records, state)
    return OneThread(
        state.agent,
        result.status,
        dict(turns),
        tuple(each for each in result.waiting if each.thread_id == result.thread_id),
        fsum(seconds),
        _find_children(own),
    )


def inherited_seq(records: Sequence[e.Record]) -> int:
    """The seq of the last record that a fork shares with its parent thread; 0 if it is no fork."""
    forks = [record.event for record in records if isinstance(record.event, e.ThreadForked)]
    return max((fork.at_seq for fork in forks), default=0)


def find_reopened_ends(records: Iterable[e.Record]) -> set[int]:
    """The seqs of the ends after which the turn went on."""
    found: set[int] = set()
    last_end = 0
    for record in records:
        match record.event:
            case e.TurnEnded():
                last_end = record.seq
            case e.ThreadClaimed(reopens=True):
                found.add(last_end)
    return found


def _count_model(event: e.Event, totals: Totals) -> None:
    match event:
        case e.ModelCalled():
            is_retry = event.attempt > 1
            totals.counts["model_retries"] += is_retry
            totals.counts["steps"] += event.purpose != "compact" and not is_retry
        case e.ModelReplied():
            totals.counts["model_calls"] += 1
            totals.add_usage(event.usage, event.cost_usd)
        case e.ModelFailed():
            totals.counts["model_failures"] += not event.claim
            if event.usage.total_tokens or event.cost_usd is not None:
                totals.add_usage(event.usage, event.cost_usd)


def _lost_call(event: e.Event, before: State, after: State) -> e.ModelCalled | None:
    """The model call in flight that this event has ended without a reply."""
    if isinstance(event, e.ModelReplied | e.ModelFailed):
        return None
    if before.turn and after.turn and not after.turn.called:
        return before.turn.called
    return None


def _settled_call(event: e.Event, before: State) -> e.ModelCalled | None:
    """The lost model call of which the event says what it has used."""
    if isinstance(event, e.ModelFailed) and event.claim and before.turn:
        return before.turn.lost[event.claim]
    return None


def _call_names(records: Sequence[e.Record]) -> dict[str, str]:
    """The name of each call's tool, or step, by the call's id."""
    return {call.id: call.name for record in records for call in asked_calls(record.event)}


def _count_calls(records: Sequence[e.Record], names: dict[str, str], totals: Totals) -> None:
    children = {r.event.call_id for r in records if isinstance(r.event, e.ChildStarted)}
    answered: set[str] = set()
    for record in records:
        event = record.event
        if isinstance(event, e.ToolReturned | e.ToolFailed) and event.call_id not in children:
            totals.add_usage(event.usage, event.cost_usd)
        match event:
            case e.UserSaid(in_call=True, answers=call_id):
                answered.add(call_id)
            case e.ToolStarted(call_id=call_id) if call_id in answered:
                answered.remove(call_id)  # it goes on with the answer
            case e.ToolStarted(call_id=call_id, attempt=attempt):
                if attempt > 1 and call_id not in children:  # a child goes on
                    totals.add_calls(names[call_id], retries=1)
            case e.ToolReturned(call_id=call_id) | e.HandedOff(call_id=call_id):
                totals.add_calls(names[call_id], successes=1)
            case e.UserSaid(in_call=False, answers=call_id) if call_id in names:
                totals.add_calls(names[call_id], successes=1)
            case e.ToolFailed(call_id=call_id, retry_after_s=None):
                totals.add_calls(names[call_id], errors=1)
            case e.OutcomeDecided(call_id=call_id, outcome=outcome, by=by):
                totals.counts["waits"] += by not in ("policy", VERIFY)
                if outcome == "ran":
                    totals.add_calls(names[call_id], successes=1)
                elif outcome == "tell":
                    totals.add_calls(names[call_id], errors=1)
            case e.ApprovalAsked() | e.QuestionAsked():
                totals.counts["waits"] += 1


def _find_children(records: Sequence[e.Record]) -> tuple[Child, ...]:
    children: dict[str, Child] = {}
    for record in records:
        match record.event:
            case e.ChildStarted(call_id=call_id, thread_id=thread_id):
                children[call_id] = Child(thread_id, record.thread_id, call_id)
            case e.ToolReturned() | e.ToolFailed() as event if event.call_id in children:
                was = children[event.call_id]
                cost_usd = None
                if was.cost_usd is not None and event.cost_usd is not None:
                    cost_usd = was.cost_usd + event.cost_usd
                children[event.call_id] = replace(
                    was, usage=was.usage + event.usage, cost_usd=cost_usd
                )
    return tuple(children.values())
