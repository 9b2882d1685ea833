"""People talk into a turn whose process is killed, again and again: nothing is lost, nothing comes twice.

    python benchmarks/steering_kills.py 50

Each round has a database of its own. A process drives the turn; this one says messages, decides what waits,
and kills that process with SIGKILL at a moment drawn by chance; then another one resumes. At the end the
log has each accepted message once, the last prompt shows each once, and no payment was made twice.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from treadle import Agent, ApprovalGiven, Context, Limits, SQLiteStore, TurnOpen, UserSaid, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent, UnknownThread
from treadle.core.legal import make_turns
from treadle.core.model import Reply, Request
from treadle.core.prompt import messages
from treadle.core.state import OPEN_PHASES
from treadle.core.waits import find_waits
from treadle.models.request_rules import find_faults
from treadle.runtime.log import open_log
from treadle.runtime.world import World

THREAD = "t"
PATIENCE_S = 60.0


class Model:
    """Looks, pays, reports and answers, by how far the conversation is."""

    name, context_tokens, max_output_tokens = "m", 100_000, 1000

    def cost_usd(self, usage: Any) -> float:
        return 0.0

    async def reply(self, request: Request, emit: Any) -> Reply:
        await asyncio.sleep(0.03)
        emit("so")
        asked = sum(len(message.calls) for message in request.messages)
        script = ["look", "pay", "report", "look", "pay", "look"]
        if asked < len(script):
            arguments = json.dumps({"n": asked})
            return Reply((e.Call("x", script[asked], arguments),))
        return Reply("done")


def make_agent(path: Path) -> Agent:
    @tool(idempotent=True)
    async def look(n: int) -> str:
        "Look."
        await asyncio.sleep(0.05)
        return f"saw {n}"

    @tool(needs_approval=True, idempotent=False)
    async def pay(n: int, context: Context) -> str:
        "Pay."
        with (path / "paid").open("a") as paid:
            paid.write(f"{context.idempotency_key}\n")
        await asyncio.sleep(0.03)
        return f"paid {n}"

    @tool(background=True, idempotent=True)
    async def report(n: int) -> str:
        "Report."
        await asyncio.sleep(0.3)
        return f"reported {n}"

    limits = Limits(steps=None, tool_calls=None, tokens=None, seconds=None, repeats=None)
    store = SQLiteStore(path / "threads.db")
    model: Any = Model()
    return Agent(tools=[look, pay, report], model=model, store=store, limits=limits, unknown="tell")


def drive(path: Path) -> None:
    """What the process does that is killed."""
    agent = make_agent(path)
    try:
        agent.run_sync("begin", thread=THREAD, key="begin")
    except TurnOpen:
        agent.run_sync("begin", thread=THREAD, key="begin")


async def play(seed: int, path: Path) -> dict[str, int]:
    chance = random.Random(seed)
    agent = make_agent(path)
    accepted = ["begin"]
    kills = 0
    driver = start(path)
    dies_at = time.monotonic() + chance.uniform(0.5, 1.6)
    deadline = time.monotonic() + PATIENCE_S
    to_say = 4
    while time.monotonic() < deadline:
        await asyncio.sleep(chance.uniform(0.01, 0.08))
        if time.monotonic() > dies_at and kills < 4:
            driver.send_signal(signal.SIGKILL)
            kills += 1
            dies_at = time.monotonic() + chance.uniform(0.5, 1.6)
        if driver.poll() is not None:
            driver.wait()
            log = await open_log(THREAD, agent.store, World())
            is_over = bool(log.records) and log.state.phase not in OPEN_PHASES
            if is_over and not to_say:
                break
            driver = start(path)
        if to_say and chance.random() < 0.3:
            text = f"message-{to_say}."
            try:
                steered = await agent.steer(THREAD, text, key=chance.choice((None, text)))
            except UnknownThread:
                continue
            accepted.append(text)
            to_say -= 1
            if steered.opened:
                driver.wait()
        await decide(agent, chance)
    else:
        raise AssertionError(f"seed {seed}: it came to no end")
    return await check(agent, path, accepted, kills)


def start(path: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, __file__, "--drive", str(path)])


async def decide(agent: Agent, chance: random.Random) -> None:
    log = await open_log(THREAD, agent.store, World())
    for pending in find_waits(log.state, THREAD):
        if chance.random() < 0.3 and pending.status in ("waiting", "parked"):
            try:
                await agent.post(THREAD, ApprovalGiven(pending.id, True, "ann"))
            except IllegalEvent:
                continue


async def check(agent: Agent, path: Path, accepted: list[str], kills: int) -> dict[str, int]:
    records = (await open_log(THREAD, agent.store, World())).records
    said = Counter(
        record.event.text
        for record in records
        if isinstance(record.event, UserSaid) and not record.event.answers
    )
    assert said == Counter(accepted), f"said {said}, accepted {accepted}"
    calls = [n for n, record in enumerate(records) if isinstance(record.event, e.ModelCalled)]
    shown: Counter[str] = Counter()
    for n in calls:
        prompt = make_turns(messages(records[:n], ""))
        faults = list(find_faults(Request(prompt, ())))
        assert not [fault for fault in faults if "tools" not in fault], faults
        texts = (message.text for message in prompt if message.role == "user")
        shown = Counter(word for text in texts for word in text.split("\n\n"))
    for text in accepted:
        assert shown[text] == 1, f"{text} is shown {shown[text]} times in the last prompt"
    paid = (path / "paid").read_text().split() if (path / "paid").exists() else []
    assert len(set(paid)) == len(paid), f"paid twice: {paid}"
    steers = sum(isinstance(each.event, UserSaid) and each.event.steers for each in records)
    deferred = sum(isinstance(each.event, e.ToolDeferred) for each in records)
    return {"kills": kills, "said": len(accepted), "steers": steers, "deferred": deferred}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int, nargs="?", default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--drive", type=Path)
    given = parser.parse_args()
    if given.drive:
        drive(given.drive)
        return
    totals: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.rounds):
        with tempfile.TemporaryDirectory() as name:
            found = asyncio.run(play(seed, Path(name)))
        totals.update(found)
        print(seed, found, flush=True)
    print(f"{given.rounds} rounds: {dict(totals)}; 0 lost, 0 twice, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
