"""Counts the calls in records by name: how they ended, and how often they started again. Pure."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from . import events as e
from .call import asked_calls

_Id = tuple[str, str]
"""The thread and the id of a call."""


@dataclass(frozen=True)
class ToolTotals:
    """Totals of one tool, or of a flow's steps of one name."""

    successes: int = 0
    errors: int = 0
    """Calls that were refused, failed or cut off, or whose outcome nobody knows."""
    retries: int = 0

    @property
    def calls(self) -> int:
        """Calls that have come to an end."""
        return self.successes + self.errors


class CallCount:
    """Counts calls, given one record after the other.

    A child goes on after a crash or a decision, and a call with its answer: neither is a retry.
    """

    def __init__(self) -> None:
        self._names: dict[_Id, str] = {}
        self._go_on: set[_Id] = set()
        """The calls that go on when they start the next time."""
        self.begin()

    def begin(self) -> None:
        """Count what comes from here on."""
        self._counts: Counter[tuple[_Id, str]] = Counter()
        self._children: set[_Id] = set()

    def add(self, record: e.Record) -> None:
        thread_id, event = record.thread_id, record.event
        for call in asked_calls(event):
            self._names[thread_id, call.id] = call.name
        its = thread_id, getattr(event, "call_id", "")
        match event:
            case e.UserSaid(in_call=True, answers=call_id):
                self._go_on.add((thread_id, call_id))
            case e.UserSaid(answers=call_id) if call_id:  # it may be asked for later, or never
                self._counts[(thread_id, call_id), "answers"] += 1
            case e.ToolStarted() if its in self._go_on:
                self._go_on.remove(its)
            case e.ToolStarted(attempt=attempt) if attempt > 1:
                self._counts[its, "retries"] += 1
            case e.ChildStarted():
                self._children.add(its)
            case e.ToolReturned() | e.HandedOff() | e.OutcomeDecided(outcome="ran"):
                self._counts[its, "successes"] += 1
            case e.ToolFailed(retry_after_s=None) | e.OutcomeDecided(outcome="tell"):
                self._counts[its, "errors"] += 1

    def read(self) -> dict[str, ToolTotals]:
        """The totals by name; "" for calls that were asked for before the first record."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for (its, what), count in self._counts.items():
            if what == "answers" and its in self._names:
                what = "successes"
            if what != "answers" and not (what == "retries" and its in self._children):
                found[self._names.get(its, "")][what] += count
        return {name: ToolTotals(**counts) for name, counts in found.items()}
