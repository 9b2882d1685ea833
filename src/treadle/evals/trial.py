"""One run of one case: its result, its thread, and numbers derived from them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..core import events as e
from ..core.result import Summary, make_summary
from ..observe.turns import split_turns
from .actual_calls import ActualCall, actual_calls


@dataclass(frozen=True)
class Trial:
    """What checks are applied to.

    The numbers are those of the whole thread, the answer is the last turn's.
    """

    case: str
    number: int
    """From 1."""
    thread_id: str
    status: str
    """The status of the last result; `failed` if an error was raised."""
    answer: str = ""
    records: Sequence[e.Record] = ()
    reason: str = ""
    """Why the last turn ended."""
    error: str = ""
    """The error that was raised; "" if none was."""
    output: Any = None
    """The answer as the agent's output type."""

    @cached_property
    def tool_calls(self) -> tuple[ActualCall, ...]:
        """Every tool call, in the order in which the model requested them."""
        return actual_calls(self.records)

    @cached_property
    def totals(self) -> Summary:
        """Totals over all turns."""
        seconds = sum(turn.took.seconds for turn in split_turns(self.records))
        return make_summary(self.records, seconds)

    @property
    def steps(self) -> int:
        """Over all turns."""
        return count_steps(self.records)

    @cached_property
    def usage(self) -> e.Usage:
        """The tokens of all model calls, with those of children.

        Their usage is in the tool's result.
        """
        events = [record.event for record in self.records]
        with_usage = (e.ModelReplied, e.ModelFailed, e.ToolReturned, e.ToolFailed)
        used = [event.usage for event in events if isinstance(event, with_usage)]
        return sum(used, e.Usage())


def count_steps(records: Iterable[e.Record]) -> int:
    """Model calls as limits count them: without retries, summaries and last words."""
    return sum(isinstance(each.event, e.ModelCalled) and each.event.is_step for each in records)
