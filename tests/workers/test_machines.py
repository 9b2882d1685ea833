"""Workers in processes of their own, over a real PostgreSQL and a real Temporal server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from treadle import Record, Result
from treadle.core import events as e
from treadle.runtime.import_string import import_string
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.open_store import open_store

pytestmark = [pytest.mark.temporal, pytest.mark.postgres, pytest.mark.real]

PATIENCE_S = 150.0
AGENTS = """
import asyncio, json, os
from treadle import Agent, Context, ScriptedModel, tool
from treadle.models.scripted import calls, says
from treadle.workers import elsewhere

def reply(request):
    told = [each.text for each in request.messages if each.role == "tool"]
    if len(told) < 2:
        return calls(("charge", {"number": len(told)}))
    return says(" and ".join(told))

@tool(idempotent=True)
async def charge(number: int, context: Context) -> str:
    "Charge it."
    await asyncio.sleep(0.3)
    line = {"thread": context.thread_id, "key": context.idempotency_key, "pid": os.getpid()}
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(json.dumps(line) + "\\n")
    return f"charged {number}"

@tool(needs_approval=True)
async def wire() -> str:
    "Wire it."
    return "wired"

def ask(request):
    told = [each.text for each in request.messages if each.role == "tool"]
    return says(told[0]) if told else calls("wire")

shop = Agent(name="shop", tools=[charge], model=ScriptedModel([reply] * 1000))
bank = Agent(name="bank", tools=[wire], model=ScriptedModel([ask] * 1000))

def give(request):
    told = [each.text for each in request.messages if each.role == "tool"]
    return says(told[0]) if told else calls(("shop", {"task": "go"}))

boss = Agent(name="boss", tools=[elsewhere(shop)], model=ScriptedModel([give] * 1000))
"""


@pytest.fixture
def file(postgres: Any, temporal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The agents' file, with the addresses that they and their workers go by."""
    monkeypatch.setenv("TREADLE_DB", f"{postgres.url}&tenant={tmp_path.name}-{os.getpid()}")
    monkeypatch.setenv("TREADLE_ENGINE", temporal.address)
    monkeypatch.setenv("LEDGER", str(tmp_path / "ledger"))
    path = tmp_path / "agents.py"
    path.write_text(AGENTS)
    return str(path)


@pytest.fixture
def work(file: str) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a worker for these agents, and returns once it works."""
    with ExitStack() as started:

        def start(*agents: str) -> "subprocess.Popen[str]":
            source = str(Path(__file__).parents[2] / "src")
            process = subprocess.Popen(
                [sys.executable, "-m", "treadle", "worker", *(f"{file}:{name}" for name in agents)],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": source},
            )
            started.enter_context(process)
            started.callback(process.kill)
            assert process.stderr
            while "resuming threads" not in (line := process.stderr.readline()):
                assert line, "the worker has ended"
            return process

        yield start


def load(file: str, name: str) -> Any:
    return import_string(f"{file}:{name}", object, name="agent")


async def claimed_by(thread: str) -> int:
    """The process whose tool is at work in this thread; waits for one."""
    async with asyncio.timeout(PATIENCE_S):
        log = await open_log(thread, open_store(None), World())
        while not any(isinstance(each.event, e.ToolStarted) for each in log.records):
            await asyncio.sleep(0.05)
            await log.refresh()
    drivers = [each.event.driver for each in log.records if isinstance(each.event, e.ThreadClaimed)]
    return int(drivers[-1].rpartition(":")[2])


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_is_killed_or_stopped_and_another_one_ends_its_turns(
    file: str, work: Callable[..., "subprocess.Popen[str]"], how: signal.Signals
):
    processes = {each.pid: each for each in (work("shop"), work("shop"))}
    shop = load(file, "shop")

    async def whole() -> tuple[list[Result[Any]], list[int]]:
        submitted = [await shop.submit("go", thread=f"t{number}") for number in range(6)]
        watching = asyncio.create_task(follow(submitted[0]))
        processes[await claimed_by("t0")].send_signal(how)
        async with asyncio.timeout(PATIENCE_S):
            return [await each.result() for each in submitted], await watching

    async def follow(submitted: Any) -> list[int]:
        return [each.seq async for each in submitted.follow() if isinstance(each, Record)]

    results, seqs = asyncio.run(whole())
    assert {result.answer for result in results} == {"charged 0 and charged 1"}
    assert seqs == list(range(1, len(seqs) + 1))
    lines = [json.loads(line) for line in Path(os.environ["LEDGER"]).read_text().splitlines()]
    assert len({line["key"] for line in lines}) == 12  # one key for each call, whoever made it
    assert asyncio.run(shop.due()) == []


@pytest.mark.slow
def test_a_thread_that_waits_is_nobody_s_until_a_person_decides(
    file: str, work: Callable[..., "subprocess.Popen[str]"]
):
    worker = work("bank")
    bank = load(file, "bank")

    async def whole() -> str:
        async with asyncio.timeout(PATIENCE_S):
            submitted = await bank.submit("go", thread="mine")
            result = await submitted.result()
            assert result.status == "waiting"
            await bank.post("mine", e.ApprovalGiven(result.waiting[0].id, True, "ann"))
            return (await submitted.result()).answer  # nobody was told: the sweep finds it

    assert asyncio.run(whole()) == "wired"
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 143


@pytest.mark.slow
def test_an_agent_without_a_worker_waits_and_the_others_go_on(
    file: str, work: Callable[..., "subprocess.Popen[str]"]
):
    shop, bank = load(file, "shop"), load(file, "bank")

    async def whole() -> None:
        async with asyncio.timeout(PATIENCE_S):
            waits = await bank.submit("go", thread="waits")
            done = await (await shop.submit("go", thread="goes on")).result()
            assert done.status == "answered"
            assert await bank.due() == ["waits"]
            work("bank")
            assert (await waits.result()).status == "waiting"

    work("shop")
    asyncio.run(whole())


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_child_runs_at_another_worker_than_its_parent(
    file: str, work: Callable[..., "subprocess.Popen[str]"], how: signal.Signals
):
    """Where one of two workers dies or stands still, whichever it is, the other ends both."""
    processes = {each.pid: each for each in (work("boss"), work("boss"))}
    boss = load(file, "boss")

    async def drivers_of(thread: str) -> set[int]:
        log = await open_log(thread, open_store(None), World())
        claims = [each.event for each in log.records if isinstance(each.event, e.ThreadClaimed)]
        return {int(each.driver.rpartition(":")[2]) for each in claims if each.driver}

    async def whole() -> set[bool]:
        async with asyncio.timeout(PATIENCE_S):
            submitted = [await boss.submit("go", thread=f"b{number}") for number in range(8)]
            log = await open_log("b0", open_store(None), World())
            while not log.state.calls or not next(iter(log.state.calls.values())).child:
                await asyncio.sleep(0.05)
                await log.refresh()
            child = next(iter(log.state.calls.values())).child
            assert child
            processes[await claimed_by(child.thread_id)].send_signal(how)
            for each in submitted:
                assert "charged 0 and charged 1" in (await each.result()).answer
            infos = await open_store(None).threads(parent="b0")
            assert [info.status for info in infos] == ["answered"]
            apart = set[bool]()
            for number in range(8):
                [info] = await open_store(None).threads(parent=f"b{number}")
                apart.add(await drivers_of(f"b{number}") != await drivers_of(info.thread_id))
            return apart

    assert True in asyncio.run(whole())
    lines = [json.loads(line) for line in Path(os.environ["LEDGER"]).read_text().splitlines()]
    assert len({line["key"] for line in lines}) == 16
