"""The text of a test that runs a recorded thread again. Pure; what it holds of the log it holds as Python literals."""

import pprint
from collections.abc import Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.result import Result
from ..evals.trajectory import actual_calls
from ..observe.turns import split_turns

WIDTH = 100


@dataclass(frozen=True)
class SavedTest:
    """Where the test finds what it needs."""

    name: str
    """Of the test, without `test_`: letters, digits and underscores."""
    recording: str
    """The file of the thread, beside the test's."""
    imports: tuple[str, ...]
    """The lines that import the agent as `agent`, or what loads it."""
    load: str = ""
    """The line that loads it; "" where it is imported."""
    standard: tuple[str, ...] = ()
    """The lines that import what that needs of the standard library."""


def render_test(records: Sequence[e.Record], place: SavedTest, replays: bool) -> str:
    """The test file. With `replays` it has a test too that wants every record to come out as it was."""
    results = [part.result for part in split_turns(records) if part.number]
    checks = ["assert_trajectory"] + ["assert_no_errors"] * any(
        _went_well(result) for result in results
    )
    lines = [
        '"""A thread that was recorded, as a test. Written by treadle save-test, to be edited."""',
        "",
        *place.standard,
        *([""] if place.standard else []),
        "import pytest",
        "",
        *place.imports,
        f"from treadle.testing.assertions import {', '.join(sorted(checks))}",
        *(["", place.load] if place.load else []),
        "",
        f"pytestmark = pytest.mark.treadle_replay({place.recording!r})",
        "",
        "",
        *(_replaying(place.name) if replays else ()),
        f"def test_{place.name}_comes_out_the_same(treadle_thread):",
        '    """The agent of today, with the messages, replies, results and decisions of then."""',
        "    turns = treadle_thread.run(agent)",
        f"    assert len(turns) == {len(results)}",
    ]
    for number, result in enumerate(results):
        lines += ["", *_of_turn(result, f"turns[{number}]")]
    return "\n".join(lines) + "\n"


def _replaying(name: str) -> list[str]:
    return [
        f"def test_{name}_replays_to_the_byte(treadle_thread):",
        '    """Any change of a prompt, a schema, a limit or a rule fails here. Delete it where they may change."""',
        "    treadle_thread.replay(agent)",
        "",
        "",
    ]


def _of_turn(result: Result, turn: str) -> list[str]:
    wanted = [
        (call.name, call.arguments) if isinstance(call.arguments, dict) else call.name
        for call in actual_calls(result.records)
    ]
    lines = [*_written(f"assert_trajectory({turn}, ", wanted, ")")]
    lines += [f"    assert_no_errors({turn})"] if wanted and _went_well(result) else []
    lines += [f"    assert {turn}.status == {result.status!r}"]
    return [*lines, *_written(f"assert {turn}.answer == ", result.answer, "")]


def _went_well(result: Result) -> bool:
    calls = actual_calls(result.records)
    return bool(calls) and not any(call.status.startswith("failed") for call in calls)


def _written(before: str, value: object, after: str) -> list[str]:
    """A statement of the test's, with the value as a literal in as many lines as it takes."""
    text = pprint.pformat(value, width=WIDTH, sort_dicts=False)
    indent = " " * 4
    if "\n" in text and isinstance(value, str):
        text = f"(\n{text}\n)" if not text.startswith("(") else text
    return (indent + (before + text + after).replace("\n", "\n" + indent)).split("\n")
