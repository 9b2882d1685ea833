"""What a test says of a trajectory. Each raises AssertionError with the calls, line by line, as its message.

All take what was recorded: a Result, records of a turn or of a whole thread, a Recording, or the path of a file that
`treadle db export` wrote. They are functions, not a chain on one object: a test reads as plain asserts, a failure
points at the one that failed, and there is nothing to learn but their names.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import events as e
from ..core.result import Result, make_summary
from ..evals.trajectory import (
    ArgumentMatch,
    CallOrder,
    ExpectedCall,
    actual_calls,
    check_approvals_asked,
    check_never_called,
    check_no_errors,
    compare_calls,
)
from ..evals.trial import count_model_calls as steps_of
from ..observe.turns import split_turns
from ..observe.visible import make_visible
from .recording import Recording, load_recording

Recorded = Result | Recording | Iterable[e.Record] | str | Path
Expected = str | tuple[str, Mapping[str, Any]] | ExpectedCall
"""A name, for whatever arguments; or a name with its arguments."""


def assert_trajectory(
    recorded: Recorded,
    wanted: Sequence[Expected],
    order: CallOrder = "strict",
    arguments: ArgumentMatch = "exact",
) -> None:
    """The tool calls made are the wanted ones; `trajectory.compared` says what each order means."""
    __tracebackhide__ = True
    _hold(
        compare_calls(
            actual_calls(_records(recorded)), [_wanted(each) for each in wanted], order, arguments
        )
    )


def assert_never_called(recorded: Recorded, *tools: str) -> None:
    """The model asked for none of these tools, names or globs; not even for a call that was then refused."""
    __tracebackhide__ = True
    _hold(check_never_called(actual_calls(_records(recorded)), *tools))


def assert_no_errors(recorded: Recorded) -> None:
    """No tool call failed for good. One that came right when it was tried again did not."""
    __tracebackhide__ = True
    _hold(check_no_errors(actual_calls(_records(recorded))))


def assert_approvals_asked(recorded: Recorded, *tools: str) -> None:
    """A person was asked to approve calls of these tools, names or globs, and of no others; none named: none."""
    __tracebackhide__ = True
    _hold(check_approvals_asked(actual_calls(_records(recorded)), *tools))


def assert_within(
    recorded: Recorded,
    *,
    steps: int | None = None,
    tokens: int | None = None,
    cost_usd: float | None = None,
    seconds: float | None = None,
) -> None:
    """It took at most so many steps, tokens in and out, US dollars and seconds of work.

    A step is a model call; a retry is none, nor is a summary. A cost that isn't known is not within any. Seconds of
    records need the thread from its beginning.
    """
    __tracebackhide__ = True
    records = _records(recorded)
    took = make_summary(records, 0.0)
    used: list[tuple[str, float | None, float | None]] = [
        ("steps", steps_of(records), steps),
        ("tokens", took.tokens, tokens),
        ("cost_usd", took.cost_usd, cost_usd),
        ("seconds", None if seconds is None else _seconds(recorded, records), seconds),
    ]
    over = [
        f"{name}: {'unknown' if much is None else f'{much:g}'} of {allowed:g}"
        for name, much, allowed in used
        if allowed is not None and (much is None or much > allowed)
    ]
    _hold(f"used more than was allowed: {'; '.join(over)}" if over else "")


def _seconds(recorded: Recorded, records: Sequence[e.Record]) -> float:
    return (
        recorded.seconds
        if isinstance(recorded, Result)
        else sum(part.took.seconds for part in split_turns(records))
    )


def _wanted(call: Expected) -> ExpectedCall:
    if isinstance(call, ExpectedCall):
        return call
    return ExpectedCall(call) if isinstance(call, str) else ExpectedCall(*call)


def _records(recorded: Recorded) -> tuple[e.Record, ...]:
    if isinstance(recorded, Result | Recording):
        return recorded.records
    return load_recording(recorded).records if isinstance(recorded, str | Path) else tuple(recorded)


def _hold(complaint: str) -> None:
    __tracebackhide__ = True
    if complaint:
        raise AssertionError(make_visible(complaint))
