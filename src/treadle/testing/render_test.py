"""Renders a test file that runs a recorded thread again. Pure.

Whatever it quotes of the log is a Python literal.
"""

import pprint
from collections.abc import Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.feedback import read_feedback
from ..core.result import Result
from ..core.visible import visible_line
from ..evals.actual_calls import actual_calls
from ..observe.turns import split_turns

WIDTH = 100
MOST_CHARS = 90


@dataclass(frozen=True)
class SavedTest:
    """The names and imports of a test file."""

    name: str
    """The test's name without `test_`: letters, digits and underscores."""
    recording: str
    """The name of the file with the thread, beside the test's."""
    imports: tuple[str, ...]
    """The lines that import the agent as `agent`, or the function that loads it."""
    load: str = ""
    """The line that loads the agent; "" if it is imported."""
    standard: tuple[str, ...] = ()
    """The lines that import modules of the standard library."""


def render_test(records: Sequence[e.Record], saved: SavedTest, replays: bool) -> str:
    """The test file. With `replays` it also has a test that the thread replays exactly."""
    results = [turn.result for turn in split_turns(records) if turn.number]
    assertions = ["assert_trajectory"]
    if any(_went_well(result) for result in results):
        assertions.insert(0, "assert_no_errors")
    lines = [
        '"""A thread that was recorded, as a test. Written by treadle save-test, to be edited."""'
    ]
    lines.append("")
    if saved.standard:
        lines += [*saved.standard, ""]
    lines += ["import pytest", "", *saved.imports]
    lines.append(f"from treadle.testing import {', '.join(assertions)}")
    if saved.load:
        lines += ["", saved.load]
    lines += ["", f"pytestmark = pytest.mark.treadle_replay({saved.recording!r})", "", ""]
    if replays:
        lines += _replay_test(saved.name)
    lines += [
        f"def test_{saved.name}_comes_out_the_same(treadle_thread):",
        '    """The agent of today, with the messages, replies, results and decisions of then."""',
        "    turns = treadle_thread.run(agent)",
        f"    assert len(turns) == {len(results)}",
    ]
    words = read_feedback(records)
    for number, result in enumerate(results):
        found = [said for said in words if said.turn_seq == result.records[0].seq]
        lines += ["", *map(_comment, found), *_assertions(result, f"turns[{number}]")]
    return "\n".join(lines) + "\n"


def _comment(said: e.FeedbackGiven) -> str:
    found = "good" if said.good else "bad"
    text = f"{said.by} found this turn {found}"
    if said.reason:
        text += f": {said.reason}"
    return f"    # {visible_line(text, MOST_CHARS)}"


def _replay_test(name: str) -> list[str]:
    return [
        f"def test_{name}_replays_to_the_byte(treadle_thread):",
        '    """Any change of a prompt, a schema, a limit or a rule fails here.'
        ' Delete it where they may change."""',
        "    treadle_thread.replay(agent)",
        "",
        "",
    ]


def _assertions(result: Result, turn: str) -> list[str]:
    wanted: list[object] = []
    for call in actual_calls(result.records):
        if isinstance(call.arguments, dict):
            wanted.append((call.name, call.arguments))
        else:
            wanted.append(call.name)
    lines = _statement(f"assert_trajectory({turn}, ", wanted, ")")
    if _went_well(result):
        lines.append(f"    assert_no_errors({turn})")
    lines.append(f"    assert {turn}.status == {result.status!r}")
    return lines + _statement(f"assert {turn}.answer == ", result.answer, "")


def _went_well(result: Result) -> bool:
    calls = actual_calls(result.records)
    return bool(calls) and not any(call.status.startswith("failed") for call in calls)


def _statement(before: str, value: object, after: str) -> list[str]:
    """A statement of the test with the value as a literal, in as many lines as it takes."""
    text = pprint.pformat(value, width=WIDTH, sort_dicts=False)
    if "\n" in text and isinstance(value, str) and not text.startswith("("):
        text = f"(\n{text}\n)"
    indent = " " * 4
    return (indent + (before + text + after).replace("\n", "\n" + indent)).split("\n")
