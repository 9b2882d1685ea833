"""Splits a thread into turns, each with the lines of its records and its totals. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.count_thread import find_reopened_ends
from ..core.result import Result, Summary, make_summary, read_result
from ..core.state import State, apply
from .line import Line
from .timeline import Timeline


@dataclass(frozen=True)
class TurnLines:
    """The lines of one turn, and the lines before it that open or claim the thread."""

    number: int
    """The turn's number, from 1; 0 if these lines open no turn."""
    lines: tuple[Line, ...]
    result: Result
    took: Summary


def split_turns(records: Sequence[e.Record]) -> Iterator[TurnLines]:
    """The thread's turns, each as soon as its end is read. Raises IllegalEvent for a bad log.

    A turn that went on after its end, as a person had raised its limit, say, is one turn.
    """
    reopened = find_reopened_ends(records)
    timeline = Timeline()
    state = State()
    lines: list[Line] = []
    ended = 0
    for record in records:
        state = apply(state, record)
        lines.append(timeline.line(record))
        if isinstance(record.event, e.TurnEnded) and record.seq not in reopened:
            yield _make_turn(state.turns, lines, state)
            ended = state.turns
            lines = []
    if not lines:
        return
    if state.turns > ended or (state.turn and not state.turn.ended):
        yield _make_turn(state.turns, lines, state)
    else:
        yield _make_turn(0, lines, state)


def _make_turn(number: int, lines: list[Line], state: State) -> TurnLines:
    records = [line.record for line in lines]
    result = read_result(records, state)
    took = result.summary() if number else make_summary(records, 0.0)
    return TurnLines(number, tuple(lines), result, took)
