"""One run of one case: what is in its thread, and what can be asked of it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..core import events as e
from ..core.result import Summary, make_summary
from ..observe.turns import split_turns
from .trajectory import ActualCall, actual_calls


@dataclass(frozen=True)
class Trial:
    """What checks go by. Its numbers are those of the whole thread, its answer that of the last turn."""

    case: str
    number: int
    """From 1."""
    thread_id: str
    status: str
    """A Result's; `failed` also where the run raised."""
    answer: str = ""
    records: Sequence[e.Record] = ()
    reason: str = ""
    """Why the last turn ended as it did."""
    error: str = ""
    """What the run raised; "" where it raised nothing."""
    output: Any = None
    """The answer as the type that the agent was asked for."""

    @cached_property
    def made(self) -> tuple[ActualCall, ...]:
        """Every tool call, in the order in which they were asked for."""
        return actual_calls(self.records)

    @cached_property
    def took(self) -> Summary:
        """Totals over all turns."""
        return make_summary(
            self.records, sum(turn.took.seconds for turn in split_turns(self.records))
        )

    @property
    def steps(self) -> int:
        """Over all turns."""
        return count_model_calls(self.records)

    @cached_property
    def usage(self) -> e.Usage:
        events = [record.event for record in self.records]
        told = (
            e.ModelReplied,
            e.ModelFailed,
            e.ToolReturned,
            e.ToolFailed,
        )  # the last two: of agents below
        used = [event.usage for event in events if isinstance(event, told)]
        return sum(used, e.Usage())


def count_model_calls(records: Iterable[e.Record]) -> int:
    """Model calls as limits count them: a retry is no new one, nor is a summary."""
    called = [record.event for record in records if isinstance(record.event, e.ModelCalled)]
    return sum(event.attempt == 1 and event.purpose != "compact" for event in called)
