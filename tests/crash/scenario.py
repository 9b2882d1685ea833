"""The child of the crash tests: one life of a play, that may be told to die at any point of it.

A play is a module with a PLAY: agents with tools, and what comes of them where nothing disturbs.
This one's is an agent alone.

Run as a program it forks a process for each life that is to die, so that a life costs some
milliseconds. One that goes on to its end does so in the program itself, as in a server that takes
over from dead ones: nothing of one life is in the next but the database and the file of effects.
"""

import asyncio
import dataclasses
import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from treadle import Agent, Context, SQLiteStore, Tool, ToolRetry, Usage, tool
from treadle.core.errors import TreadleError
from treadle.core.events import ApprovalGiven, OutcomeDecided
from treadle.core.model import Reply, Request
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.world import World
from treadle.stores.store import Row, ThreadInfo

THREAD = "t"
DEADLY = {"point", "alarm_s", "holds"}
"""What an order has that needs a process of its own."""
SYSTEM = "Move the money."
ROUNDS = (
    calls("charge", "charge_later", "put", "put_later"),
    calls("broken", "flaky", "put"),
    calls(("wire", {"amount": 5})),
)


@dataclass
class Fate:
    """What happens to one life: it is killed at the n-th arrival at a point of that name.

    Agents and tools are made once, before the fork; each life then fills in its own fate.
    """

    point: str = ""
    arrival: int = 1
    effects: Path = Path()
    """The file of what the tools have done."""
    arrived: Counter[str] = field(default_factory=Counter)

    def take(self, order: dict[str, Any]) -> None:
        self.point, self.arrival = order.get("point", ""), order.get("arrival", 1)
        self.effects = Path(order["effects"])
        self.arrived.clear()

    def at(self, point: str) -> None:
        self.arrived[point] += 1
        if point == self.point and self.arrived[point] == self.arrival:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class DoomedStore:
    """A SQLite file. Its process may die before and after each append."""

    inner: SQLiteStore
    fate: Fate

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        self.fate.at("append.before")
        await self.inner.append(thread_id, rows)
        self.fate.at("append.after")

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        return await self.inner.threads(limit, **filters)


class Pilot(ScriptedModel):
    """Answers by what it is shown, not by how often it was asked: any process can go on with it."""

    def __init__(self, fate: Fate, rounds: Sequence[Reply]) -> None:
        super().__init__([])
        self._fate = fate
        self._rounds = rounds

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        self._fate.at("model.before")
        await asyncio.sleep(0)  # in flight
        self._fate.at("model.after")
        rounds = sum(message.role == "assistant" for message in request.messages)
        told = "; ".join(message.text for message in request.messages if message.role == "tool")
        answer = self._rounds[rounds] if rounds < len(self._rounds) else says(told)
        return replace(answer, usage=Usage(request.tokens, 5))


def toolbox(fate: Fate) -> list[Tool]:
    """Sync and async, idempotent and not, failing, trying again, and with a person's consent."""

    def act(context: Context, name: str) -> str:
        fate.at(f"{name}.before")
        line = json.dumps(
            {
                "tool": name,
                "key": context.idempotency_key,
                "call": [context.thread_id, context.call_id],
            }
        )
        wrote = os.open(fate.effects, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(wrote, line.encode() + b"\n")
        os.close(wrote)
        fate.at(f"{name}.after")
        return f"{name} is done"

    @tool
    def charge(context: Context) -> str:
        return act(context, "charge")

    @tool
    async def charge_later(context: Context) -> str:
        await asyncio.sleep(0)
        return act(context, "charge_later")

    @tool(idempotent=True)
    def put(context: Context) -> str:
        return act(context, "put")

    @tool(idempotent=True)
    async def put_later(context: Context) -> str:
        await asyncio.sleep(0)
        return act(context, "put_later")

    @tool
    def broken() -> str:
        fate.at("broken")
        raise ValueError("no such account")

    @tool
    def flaky(context: Context) -> str:
        if context.attempt == 1:
            fate.at("flaky.retry")
            raise ToolRetry("busy", retry_after_s=0.0)
        return act(context, "flaky")

    @tool(needs_approval=True)
    async def wire(amount: int, context: Context) -> str:
        return act(context, "wire")

    return [charge, charge_later, put, put_later, broken, flaky, wire]


@dataclass(frozen=True)
class Play:
    """What a life is of: whatever it takes to live it, and to say afterwards whether all is as it should be."""

    agents: Callable[[Fate], dict[str, Agent]]
    """By name; the first is the one that is asked."""
    effects: dict[str, int]
    """How often each tool has its effect where nothing disturbs."""
    idempotent: tuple[str, ...]
    answer: str


def alone(fate: Fate) -> dict[str, Agent]:
    return {"agent": Agent(SYSTEM, tools=toolbox(fate), model=Pilot(fate, ROUNDS))}


PLAY = Play(
    alone,
    {"charge": 1, "charge_later": 1, "put": 2, "put_later": 1, "flaky": 1, "wire": 1},
    ("put", "put_later"),
    "charge is done; charge_later is done; put is done; put_later is done;"
    " error: ValueError: no such account; flaky is done; put is done; wire is done",
)


def happened(effects: Path) -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in effects.read_text().splitlines()] if effects.exists() else []
    )


async def life(agent: Agent, effects: Path) -> dict[str, Any]:
    """Start or resume the thread and bring it to its end; a person who looks at the effects decides what is held."""
    began = time.monotonic()
    known = await agent.store.read(THREAD)  # type: ignore[union-attr]
    result = await (agent.resume(THREAD) if known else agent.run("go", thread=THREAD))
    decided = []
    while result.status == "waiting":
        for call in result.waiting:
            if call.status == "waiting":
                await agent.post(call.thread_id, ApprovalGiven(call.id, True, "ann"))
                continue
            place = [call.thread_id, call.id]
            ran = any(effect["call"] == place for effect in happened(effects))
            decided.append(place)
            told = f"{call.name} is done" if ran else ""
            await agent.post(
                call.thread_id, OutcomeDecided(call.id, "ran" if ran else "not_run", "ann", told)
            )
        result = await agent.resume(THREAD)
    return {
        "status": result.status,
        "answer": result.answer,
        "decided": decided,
        "took_s": time.monotonic() - began,
    }


async def hold(db: Path, kind: str) -> dict[str, Any]:
    """A life that hangs, in the model's stream or in tools, until it is fenced or cancelled from another process."""

    class Streaming(ScriptedModel):
        async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
            if kind == "model":
                emit("half an ")
                say({"holds": "model"})
                await asyncio.sleep(1e6)
            return calls("stubborn", "waits")

    left = threading.Event()

    @tool(parallel=True)
    def stubborn() -> None:
        left.wait()  # takes no notice of being cancelled

    @tool(parallel=True)
    async def waits() -> None:
        say({"holds": "tools"})
        await asyncio.sleep(1e6)

    agent = Agent(tools=[stubborn, waits], model=Streaming([]), store=SQLiteStore(db))
    try:
        ended = (await agent.run("go", thread=THREAD)).status
    except TreadleError as error:
        ended = type(error).__name__
    return {"ended": ended, "at": time.time(), "tasks": len(asyncio.all_tasks()) - 1}


def say(line: dict[str, Any]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _live(first: Agent, fate: Fate, order: dict[str, Any]) -> None:
    db = Path(order["db"])
    if order.get("holds"):
        say(asyncio.run(hold(db, order["holds"])))
        return
    fate.take(order)
    store = DoomedStore(SQLiteStore(db), fate)
    agent = dataclasses.replace(first, store=store, world=World(chance=lambda: 0.0))
    if order.get("alarm_s"):
        signal.signal(
            signal.SIGALRM, signal.SIG_DFL
        )  # the kernel ends the process, wherever it is; nothing catches it
        signal.setitimer(signal.ITIMER_REAL, order["alarm_s"])
    say(asyncio.run(life(agent, fate.effects)))
    store.inner.close()


def played(name: str) -> Callable[[dict[str, Any]], None]:
    """The lives of the play in this module."""
    play: Play = importlib.import_module(name).PLAY
    fate = Fate()
    first = next(iter(play.agents(fate).values()))
    return lambda order: _live(first, fate, order)


def main(live: Callable[[dict[str, Any]], None]) -> None:
    """One life for each line of JSON on standard input: what it says, then a line that tells how it ended."""
    import treadle.models.choose  # noqa: F401 - no child has to import it: that took more than half of its life

    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if order.keys().isdisjoint(DEADLY):
            say({"exit": _outcome(live, order)})
            continue
        child = os.fork()
        if child == 0:
            os._exit(_outcome(live, order))
        _, status = os.waitpid(child, 0)
        say({"exit": os.waitstatus_to_exitcode(status)})


def _outcome(live: Callable[[dict[str, Any]], None], order: dict[str, Any]) -> int:
    try:
        live(order)
    except BaseException as error:
        say({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    main(played(sys.argv[1]))
