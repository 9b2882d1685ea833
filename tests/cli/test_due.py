"""What is due is listed and resumed; SIGTERM leaves turns open; the same message twice is one turn."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import Treadle
from cli.test_chat import events
from fakes import live
from treadle import Agent, Flow, SQLiteStore, stop
from treadle.core import events as e
from treadle.runtime.import_string import import_string

PATIENCE_S = 20.0
Started = Callable[..., "subprocess.Popen[str]"]

AGENTS = """
import asyncio
from treadle import Agent, ScriptedModel, flow, step, tool
from treadle.models.scripted import calls, says

class Told(ScriptedModel):
    async def reply(self, request, emit):
        told = [m.text for m in request.messages if m.role == "tool"]
        return says("; ".join(told)) if told else calls("nap")

@tool(idempotent=True)
async def nap() -> str:
    "Nap."
    await asyncio.sleep(SECONDS)
    return "napped"

napper = Agent(tools=[nap], model=Told([]))
other = Agent(tools=[nap], model=Told([]), name="other")

async def wait() -> str:
    await asyncio.sleep(SECONDS)
    return "rested"

@flow
async def rests() -> str:
    return await step.options(idempotent=True)(wait)
"""


def agents_file(folder: Path, seconds: float) -> str:
    path = folder / f"naps_{seconds * 1000:.0f}_ms.py"
    path.write_text(AGENTS.replace("SECONDS", str(seconds)))
    return str(path)


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
    while text not in (line := process.stdout.readline()):
        assert line, f"{text!r} didn't come"


def left_open(place: str, *threads: str) -> None:
    """Threads of the agent or flow at this place that were stopped at work."""
    runner: Any = import_string(place, Agent, Flow, name="agent")
    runner = replace(runner, store=SQLiteStore(os.environ["TREADLE_DB"]))

    async def whole() -> None:
        for thread in threads:
            if isinstance(runner, Flow):
                await runner.options(thread=thread).start()
            else:
                await runner.start("go", thread=thread)
            await asyncio.sleep(0.05)
        await stop(0)

    asyncio.run(whole())


@pytest.mark.slow
def test_after_sigterm_the_tool_has_its_time_and_resume_last_goes_on(
    treadle: Treadle, started: Started, tmp_path: Path
) -> None:
    driver = started(
        "go", "-t", "mine", "--json", "--agent", f"{agents_file(tmp_path, 0.7)}:napper"
    )
    until(driver, "ToolStarted")
    driver.send_signal(signal.SIGTERM)
    _, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 143, told
    assert "stopped; nothing is lost: treadle resume mine" in told
    assert "Traceback" not in told
    assert "destroyed" not in told
    *_, result, released = events("mine")
    assert isinstance(result, e.ToolReturned)
    assert isinstance(released, e.ThreadClaimed)
    assert released.releases
    done = treadle("resume", "last", "--agent", f"{agents_file(tmp_path, 0.01)}:napper")
    assert done.out == "napped\n"


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(started: Started, tmp_path: Path) -> None:
    driver = started("go", "-t", "mine", "--json", "--agent", f"{agents_file(tmp_path, 60)}:napper")
    until(driver, "ToolStarted")
    driver.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(0.5)
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(5) == 143


@pytest.mark.slow
def test_ctrl_c_cancels(started: Started, tmp_path: Path) -> None:
    driver = started("go", "-t", "mine", "--json", "--agent", f"{agents_file(tmp_path, 60)}:napper")
    until(driver, "ToolStarted")
    driver.send_signal(signal.SIGINT)
    assert driver.wait(PATIENCE_S) == 130
    assert events("mine")[-1] == e.TurnEnded("cancelled")


def test_due_lists_and_resume_all_resumes_side_by_side(treadle: Treadle, tmp_path: Path) -> None:
    slow, quick = agents_file(tmp_path, 60), agents_file(tmp_path, 0.01)
    left_open(f"{slow}:napper", "one", "two")
    left_open(f"{slow}:other", "three")
    treadle("hello", "-t", "ended", agent="echoes")
    listed = treadle("due")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["one", "two", "three"]
    assert [json.loads(line)["agent"] for line in treadle("due", "--json").out.splitlines()] == [
        "agent",
        "agent",
        "other",
    ]
    done = treadle("resume", "--all", "--agent", f"{quick}:napper")
    assert done.code == 0
    assert sorted(done.out.splitlines()) == [
        "one  answered  napped",
        "two  answered  napped",
    ]
    assert "of other agents (--agent MODULE:NAME): other" in done.err
    assert [line.split()[0] for line in treadle("due").out.splitlines()] == ["three"]
    records = treadle("resume", "--all", "--json", "--agent", f"{quick}:other").out.splitlines()
    assert json.loads(records[-1])["event"]["type"] == "TurnEnded"
    nothing = treadle("resume", "--all", "--agent", f"{quick}:other")
    assert (nothing.code, nothing.out) == (0, "")
    assert "nothing is due" in nothing.err


@pytest.mark.slow
def test_sigterm_while_all_are_resumed_leaves_them_due(
    treadle: Treadle, started: Started, tmp_path: Path
) -> None:
    slow = agents_file(tmp_path, 1)
    left_open(f"{slow}:napper", "one", "two")
    driver = started("resume", "--all", "--json", "--agent", f"{slow}:napper")
    for _ in range(2):
        until(driver, "ToolStarted")
    driver.send_signal(signal.SIGTERM)
    driver.wait(PATIENCE_S)
    assert driver.returncode == 143
    assert driver.stderr
    assert "2 of the threads were left open" in driver.stderr.read().replace(
        "are left", "were left"
    )
    assert len(treadle("due").out.splitlines()) == 2


def test_flows_are_due_too(treadle: Treadle, tmp_path: Path) -> None:
    left_open(f"{agents_file(tmp_path, 60)}:rests", "one")
    done = treadle("resume", "--all", "--agent", f"{agents_file(tmp_path, 0.01)}:rests")
    assert done.out == 'one  answered  "rested"\n'


def test_resume_takes_a_thread_or_all(treadle: Treadle) -> None:
    for words in ((), ("mine", "--all")):
        refused = treadle("resume", *words)
        assert refused.code == 2
        assert "not both" in refused.err


def test_the_same_message_twice_is_one_turn(treadle: Treadle) -> None:
    first = treadle("go", "--key", "k", agent="agent")
    again = treadle("go", "--key", "k", agent="agent")
    assert (first.code, first.out) == (again.code, again.out) == (0, "The sum is 3.\n")
    other = treadle("something else", "--key", "k", agent="agent")
    assert other.code == 2
    assert "is that of another message" in other.err
    store = SQLiteStore(os.environ["TREADLE_DB"])
    assert len(live(store.threads())) == 1
    treadle("go", "--key", "k", "-t", "mine", agent="agent")
    assert len(live(store.threads())) == 2
