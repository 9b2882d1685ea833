"""Counts what one thread's log has for a summary. Pure; thread_summary.py says what counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import fsum

from . import events as e
from .count_calls import CallCount
from .late import settles_lost
from .result import read_result
from .state import State, apply
from .thread_summary import Child, CountedThread, OneThread, Totals
from .verify import VERIFY

_OF_MODEL = frozenset((e.ModelCalled, e.ModelReplied, e.ModelFailed))
_OF_TURN = frozenset((e.TurnEnded, e.ThreadClaimed))


def count_thread(records: Sequence[e.Record]) -> CountedThread:
    """What one thread's records add to a summary. Needs at least one; raises IllegalEvent."""
    count = ThreadCount()
    state = State()
    for record in records:
        after = apply(state, record)
        count.add(record, state, after)
        state = after
    return count.read(records, state)


class ThreadCount:
    """Counts a thread's records one after the other, so that whoever folds it can count it, too."""

    def __init__(self) -> None:
        self._calls = CallCount()
        self._begin()

    def _begin(self) -> None:
        self._totals = Totals()
        self._turns: Counter[str] = Counter()
        self._last_end = ""
        """How the last turn has ended; "" once it has been reopened."""
        self._seconds: list[float] = []
        self._children: dict[str, Child] = {}
        """By call."""
        self._calls.begin()

    def add(self, record: e.Record, before: State, after: State) -> None:
        """Count the thread's next record, given the states before and after it."""
        event = record.event
        if isinstance(event, e.ThreadForked):  # what it shares counts in the other thread
            self._begin()
        self._calls.add(record)
        if after.turn and before.turn and not before.turn.ended:
            self._seconds.append(after.turn.active_s - before.turn.active_s)
        if lost := _lost_call(event, before, after):
            self._totals.add_lost(lost)
        if type(event) in _OF_MODEL:
            _count_model(event, before, self._totals)
        elif type(event) in _OF_TURN:
            self._count_turn(event)
        else:
            self._count_child(record)
            self._totals.counts["waits"] += _asks_people(event)

    def read(self, records: Sequence[e.Record], state: State) -> CountedThread:
        """What has been counted; `records` are all that were added, and `state` follows them."""
        turns = +self._turns
        if state.is_open:
            turns["open"] += 1
        totals = Totals()
        totals.add(self._totals)
        totals.add_tools(self._calls.read())
        result = read_result(records, state)
        thread = OneThread(
            state.agent,
            result.status,
            dict(turns),
            tuple(each for each in result.waiting if each.thread_id == result.thread_id),
            fsum(self._seconds),
            tuple(self._children.values()),
        )
        return CountedThread(records[0].event, thread, totals)

    def _count_turn(self, event: e.Event) -> None:
        match event:
            case e.TurnEnded(status=status):
                self._turns[status] += 1
                self._last_end = status
            case e.ThreadClaimed(reopens=True) if self._last_end:
                self._turns[self._last_end] -= 1
                self._last_end = ""

    def _count_child(self, record: e.Record) -> None:
        match record.event:
            case e.ChildStarted(call_id=call_id, thread_id=thread_id):
                self._children[call_id] = Child(thread_id, record.thread_id, call_id)
            case e.ToolReturned() | e.ToolFailed() as event:
                was = self._children.get(event.call_id)
                if was is None:
                    self._totals.add_usage(event.usage, event.cost_usd)
                    return
                cost_usd = None
                if was.cost_usd is not None and event.cost_usd is not None:
                    cost_usd = was.cost_usd + event.cost_usd
                self._children[event.call_id] = replace(
                    was, usage=was.usage + event.usage, cost_usd=cost_usd
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


def _asks_people(event: e.Event) -> bool:
    if isinstance(event, e.OutcomeDecided):
        return event.by not in ("policy", VERIFY)
    return isinstance(event, e.ApprovalAsked | e.QuestionAsked)


def _count_model(event: e.Event, before: State, totals: Totals) -> None:
    if settles_lost(event) and before.turn:
        totals.settle_lost(before.turn.lost[event.claim])
    match event:
        case e.ModelCalled():
            totals.counts["model_retries"] += event.attempt > 1
            totals.counts["steps"] += event.is_step
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
