"""A thread's turns, each with the lines of its records and what it took. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..core import events as e
from ..core.result import Result, Summary, make_summary, read_result
from ..core.state import State, apply
from .timeline import Line, Timeline


@dataclass(frozen=True)
class TurnLines:
    """The lines of one turn, with those before it that open the thread or claim it."""

    number: int
    """From 1; 0 where none is opened."""
    lines: tuple[Line, ...]
    result: Result
    took: Summary


def split_turns(records: Iterable[e.Record]) -> Iterator[TurnLines]:
    """The thread's turns, each up to its end, as soon as that is read. Raises IllegalEvent for a log that can't be."""
    timeline, state, part = Timeline(), State(), list[Line]()

    def closed(number: int) -> TurnLines:
        own = [line.record for line in part]
        done = read_result(own, state)
        return TurnLines(
            number, tuple(part), done, done.summary() if number else make_summary(own, 0.0)
        )

    before = 0
    for record in records:
        state = apply(state, record)
        part.append(timeline.line(record))
        if isinstance(record.event, e.TurnEnded):
            yield closed(state.turns)
            before, part = state.turns, []
    if part:
        yield closed(state.turns if state.turns > before else 0)
