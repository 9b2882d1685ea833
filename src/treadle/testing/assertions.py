"""Assertions about a trajectory.

Each raises AssertionError with the calls, line by line, as its message.

All take a recording: a Result, the records of a turn or of a whole thread, a Recording, or the path
of a file that `treadle db export` wrote. They are functions, not a chain on one object: a test
reads as plain asserts, and a failure points at the one that failed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import events as e
from ..core.check_settings import check_kind, check_number
from ..core.errors import UsageError
from ..core.limits import format_amount
from ..core.name_kind import name_kind
from ..core.result import Result, make_summary
from ..core.visible import make_visible
from ..evals.actual_calls import actual_calls
from ..evals.trajectory import (
    ArgumentMatch,
    CallOrder,
    ExpectedCall,
    check_approvals_asked,
    check_never_called,
    check_no_errors,
    compare_calls,
)
from ..evals.trial import count_steps
from ..observe.turns import split_turns
from .recording import Recording, load_recording

Recorded = Result | Recording | Iterable[e.Record] | str | Path
Expected = str | tuple[str, Mapping[str, Any]] | ExpectedCall
"""A name, for any arguments; or a name with its arguments."""


def assert_trajectory(
    recorded: Recorded,
    wanted: Sequence[Expected],
    order: CallOrder = "strict",
    arguments: ArgumentMatch = "exact",
) -> None:
    """The tool calls are the expected ones; `trajectory.compare_calls` explains the orders."""
    __tracebackhide__ = True
    if isinstance(wanted, str):
        raise UsageError(f"wanted is {name_kind(wanted)}; give a list of calls: [{wanted!r}]")
    actual = actual_calls(_records(recorded))
    _fail_if(compare_calls(actual, [_expected_call(each) for each in wanted], order, arguments))


def assert_never_called(recorded: Recorded, *tools: str) -> None:
    """The model requested none of these tools (names or globs), including refused calls."""
    __tracebackhide__ = True
    if not tools:
        raise UsageError("assert_never_called names no tool; give its name, or * for all")
    _check_names(tools)
    _fail_if(check_never_called(actual_calls(_records(recorded)), *tools))


def assert_no_errors(recorded: Recorded) -> None:
    """No tool call failed, except those that a retry put right."""
    __tracebackhide__ = True
    _fail_if(check_no_errors(actual_calls(_records(recorded))))


def assert_approvals_asked(recorded: Recorded, *tools: str) -> None:
    """A person was asked to approve calls of exactly these tools (names or globs).

    Of none without tools.
    """
    __tracebackhide__ = True
    _check_names(tools)
    _fail_if(check_approvals_asked(actual_calls(_records(recorded)), *tools))


def assert_within(
    recorded: Recorded,
    *,
    steps: int | None = None,
    tokens: int | None = None,
    cost_usd: float | None = None,
    seconds: float | None = None,
) -> None:
    """It took at most this many steps, tokens in and out, US dollars and seconds of work.

    A step is a model call; retries, summaries and last words are not counted. An unknown cost is
    within no limit. To check the seconds of records, they must be the thread from its beginning.
    """
    __tracebackhide__ = True
    records = _records(recorded)
    limits = {"steps": steps, "tokens": tokens, "cost_usd": cost_usd, "seconds": seconds}
    for name, most in limits.items():
        check_number(f"assert_within({name}", most, -math.inf, "no limit")
    if all(most is None for most in limits.values()):
        raise UsageError(f"assert_within names no limit; there are: {', '.join(limits)}")
    totals = make_summary(records, 0.0)
    over: list[str] = []
    if steps is not None:
        over += _check_limit("steps", count_steps(records), steps)
    if tokens is not None:
        over += _check_limit("tokens", totals.tokens, tokens)
    if cost_usd is not None:
        over += _check_limit("cost_usd", totals.cost_usd, cost_usd)
    if seconds is not None:
        over += _check_limit("seconds", _seconds(recorded, records), seconds)
    if over:
        _fail_if(f"used more than was allowed: {'; '.join(over)}")


def _check_limit(name: str, used: float | None, allowed: float) -> list[str]:
    if used is None:
        return [f"{name}: unknown of {format_amount(allowed)}"]
    if used > allowed:
        return [f"{name}: {format_amount(used)} of {format_amount(allowed)}"]
    return []


def _seconds(recorded: Recorded, records: Sequence[e.Record]) -> float:
    if isinstance(recorded, Result):
        return recorded.seconds
    return sum(turn.took.seconds for turn in split_turns(records))


def _expected_call(call: Expected) -> ExpectedCall:
    match call:
        case ExpectedCall():
            return call
        case str(name):
            return ExpectedCall(name)
        case (str(name), Mapping() as arguments):
            return ExpectedCall(name, arguments)
    raise UsageError(
        f"a wanted call is {name_kind(call)}; give its name, or (name, arguments), or ExpectedCall"
    )


def _check_names(tools: Iterable[str]) -> None:
    for tool in tools:
        check_kind("a tool", tool, str, "its name, or a glob")


def _records(recorded: Recorded) -> tuple[e.Record, ...]:
    if isinstance(recorded, Result | Recording):
        return recorded.records
    if isinstance(recorded, str | Path):
        return load_recording(recorded).records
    return tuple(recorded)


def _fail_if(problem: str) -> None:
    __tracebackhide__ = True
    if problem:
        raise AssertionError(make_visible(problem))
