"""`treadle worker` resumes what was submitted, until a signal; `treadle queue` says what there is to do."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import Treadle
from cli.test_due import Started, agents_file, started
from treadle import SQLiteStore, UsageError, run_sync
from treadle.cli.worker import WorkerOptions, make_worker
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.world import World

__all__ = ["started"]

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)


def until(process: "subprocess.Popen[str]", text: str) -> None:
    """Read its standard error up to a line with this text."""
    assert process.stderr
    while text not in (line := process.stderr.readline()):
        assert line, f"{text!r} didn't come"


@pytest.mark.slow
def test_what_is_submitted_waits_for_a_worker_which_a_signal_stops(
    treadle: Treadle, started: Started, tmp_path: Path
) -> None:
    napper = f"{agents_file(tmp_path, 0.01)}:napper"
    assert treadle("submit", "go", "-t", "mine", "--agent", napper).out == "mine\n"
    assert "mine" in treadle("due").out
    worker = started("worker", napper, "--every", "0.1")
    until(worker, "resuming threads of agent")
    waited = treadle("submit", "go", "-t", "mine", "--agent", napper, "--wait")
    assert waited.out == "napped\n"
    worker.send_signal(signal.SIGTERM)
    _, told = worker.communicate(timeout=PATIENCE_S)
    assert worker.returncode == 143, told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_worker_that_is_stopped_leaves_its_turn_to_the_next(
    treadle: Treadle, started: Started, tmp_path: Path
) -> None:
    napper = f"{agents_file(tmp_path, 60)}:napper"
    worker = started("worker", napper, "--every", "0.1", "--grace", "0")
    until(worker, "resuming")
    treadle("submit", "go", "-t", "mine", "--agent", napper)
    store = SQLiteStore(os.environ["TREADLE_DB"])

    async def tool_has_started() -> None:
        async with asyncio.timeout(PATIENCE_S):
            log = await open_log("mine", store, World())
            while not any(isinstance(record.event, e.ToolStarted) for record in log.records):
                await asyncio.sleep(0.05)
                await log.refresh()

    run_sync(tool_has_started())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 143
    quick = f"{agents_file(tmp_path, 0.01)}:napper"
    worker = started("worker", quick, "--every", "0.1")
    assert treadle("submit", "go", "-t", "mine", "--agent", quick, "--wait").out == "napped\n"


def test_an_answer_that_was_waited_for_controls_no_terminal(treadle: Treadle) -> None:
    treadle("go", "-t", "mine", "--key", "k", "--tools", "add", agent="escapes")
    waited = treadle("submit", "go", "-t", "mine", "--key", "k", "--wait", agent="escapes")
    assert (waited.code, waited.out) == (0, "\\x1b]0;evil\\x07 [red]x[/red]\n")


def test_what_a_waiting_turn_waits_for_is_no_answer(treadle: Treadle) -> None:
    treadle("go", "-t", "mine", "--key", "k", agent="sends")
    waited = treadle("submit", "go", "-t", "mine", "--key", "k", "--wait", agent="sends")
    assert (waited.code, waited.out) == (4, "")
    assert "thread mine: waiting, send: send needs approval" in waited.err


def test_the_queue_names_what_is_due_and_what_is_parked(treadle: Treadle, tmp_path: Path) -> None:
    assert "no thread is open" in treadle("queue").err
    napper = f"{agents_file(tmp_path, 0.01)}:napper"
    treadle("submit", "go", "-t", "mine", "--agent", napper)
    store = SQLiteStore(os.environ["TREADLE_DB"])

    async def park() -> None:
        log = await open_log("dead", store, World())
        await log.append(e.ThreadStarted("agent", "k"), e.ThreadClaimed("c0"), e.UserSaid("go"))
        for number in range(9):
            await log.append(e.ThreadClaimed(f"c{number}"))

    run_sync(park())
    shown = treadle("queue").out
    assert shown.split()[:6] == ["AGENT", "DUE", "FOR", "RUNNING", "WAITING", "PARKED"]
    assert "parked: dead" in shown
    [line] = treadle("queue", "--json").out.splitlines()
    found = json.loads(line)
    assert (found["agent"], found["due"], found["parked"]) == ("agent", 1, ["dead"])
    assert [each for each in treadle("queue", "other", "--json").out.splitlines()]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("submit", " "), "the message is empty"),
        (("submit", "go", "--engine", "nats://host"), "temporal://"),
        (("worker", "--tenant", "acme"), "PostgreSQL"),
        (("worker", "--engine", "temporal://"), "HOST:PORT"),
    ],
)
def test_wrong_options_are_refused_in_words(
    treadle: Treadle, words: tuple[str, ...], told: str
) -> None:
    refused = treadle(*words)
    assert refused.code == 2
    assert told in refused.err


SHOPS = """
from treadle import Agent, ScriptedModel
one = Agent(name="one", model=ScriptedModel([]), store={})
two = Agent(name="two", model=ScriptedModel([]), store={})
"""


def shops(folder: Path, *stores: str) -> list[str]:
    """Two agents in a file, each of a database of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / "shops.py"
    path.write_text(SHOPS.format(*map(repr, stores)))
    return [f"{path}:one", f"{path}:two"]


def test_each_agent_keeps_its_own_database_unless_one_is_named_for_all(tmp_path: Path) -> None:
    places = [str(tmp_path / "one.db"), str(tmp_path / "two.db")]
    agents = shops(tmp_path, *places)
    found: Any = make_worker(WorkerOptions(agents=agents)).served
    assert [str(runner.store.path) for runner in found.values()] == places
    named: Any = make_worker(WorkerOptions(agents=agents, db=places[0])).served
    assert [str(runner.store.path) for runner in named.values()] == [places[0]] * 2


def test_tenants_are_of_one_database(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    urls = ["postgresql://host/one", "postgresql://host/two"]
    for stores, told in ((urls, "of one database"), ([urls[0], "one.db"], "PostgreSQL")):
        agents = shops(tmp_path / told, *stores)
        with pytest.raises(UsageError, match=told):
            make_worker(WorkerOptions(agents=agents, tenant=["acme"]))
    worker = make_worker(WorkerOptions(agents=agents, db=urls[0], tenant=["acme", "other"]))
    assert list(worker.served) == [(t, n) for n in ("one", "two") for t in ("acme", "other")]


def test_a_flow_is_submitted_from_code(treadle: Treadle, tmp_path: Path) -> None:
    refused = treadle("submit", "go", "--agent", f"{agents_file(tmp_path, 0.01)}:rests")
    assert "a flow takes arguments" in refused.err


@pytest.mark.slow
def test_a_worker_whom_nobody_asks_for_metrics_loads_nothing_of_them(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from treadle import Agent, MemoryStore, ScriptedModel;"
        " from treadle.cli.traces import watching; from treadle.workers import Worker;"
        " one = Agent(model=ScriptedModel([]), store=MemoryStore());"
        " enter = watching(Worker([one])).__aenter__();"
        " worker = asyncio.run(enter);"
        " print(worker.told, [name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, env=clean
    )
    assert done.stdout == "None []\n", done.stderr
