"""One process drives a thread, another one watches it, decides, or ends it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli.commandline import Treadle
from cli.test_ask_person import crashed
from cli.test_chat import events
from treadle.core import events as e

PATIENCE_S = 20.0
Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(treadle: Treadle) -> Iterator[Started]:
    """`treadle` with these words, in a process of its own."""
    with ExitStack() as all_of_them:

        def start(*words: str) -> "subprocess.Popen[str]":
            source = str(Path(__file__).parents[2] / "src")
            process = subprocess.Popen(
                [sys.executable, "-m", "treadle", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": source},
            )
            all_of_them.enter_context(process)
            all_of_them.callback(process.kill)
            return process

        yield start


def until(process: "subprocess.Popen[str]", text: str) -> None:
    """Read its standard output up to a line with this text."""
    assert process.stdout
    lines: list[str] = []
    while text not in (lines or [""])[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], f"{text!r} didn't come; there was: {lines}"


@pytest.mark.slow
def test_tail_follows_a_thread_that_others_write_to(treadle: Treadle, started: Started) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    tail = started("tail", "mine", "--until-end")
    until(tail, "? c00005000 send(")
    treadle("approve", "mine", "--by", "ann")
    until(tail, "✓ c00005000 send allowed by ann")
    treadle("resume", "mine", agent="echoes")
    until(tail, "■ answered")
    assert tail.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_cancel_ends_a_turn_in_the_process_that_drives_it(
    treadle: Treadle, started: Started
) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    treadle("cancel", "mine")
    driver = started("go", "-t", "mine", "--json", "--agent", f"{treadle.agents}:naps")
    until(driver, "ToolStarted")
    assert treadle("cancel", "mine", "--by", "ann").code == 0
    assert driver.wait(PATIENCE_S) == 130
    assert events("mine")[-1] == e.TurnEnded("cancelled", "by ann")


@pytest.mark.slow
def test_a_process_killed_in_a_tool_is_explained_decided_and_resumed(
    treadle: Treadle, started: Started
) -> None:
    driver = started("go", "-t", "mine", "--json", "--agent", f"{treadle.agents}:naps")
    until(driver, "ToolStarted")
    driver.kill()
    driver.wait(PATIENCE_S)
    assert (
        "unknown; it may have had its effect:\n  c00005000 slow({})"
        in treadle("explain", "mine", agent="naps").out
    )
    assert treadle("settle", "mine", "--ran", "--result", "slept").code == 0
    assert treadle("resume", "mine", agent="echoes").out == "4: slept\n"


@pytest.mark.slow
def test_where_nobody_reads_any_more_it_ends_quietly(treadle: Treadle, started: Started) -> None:
    asyncio.run(crashed("mine"))
    tail = started("tail", "mine", "--json")
    until(tail, "ToolStarted")
    assert tail.stdout
    assert tail.stderr
    tail.stdout.close()
    treadle("settle", "mine", "--tell")
    assert tail.wait(PATIENCE_S) == 141
    assert tail.stderr.read() == ""
