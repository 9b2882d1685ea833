"""What threads cost that wait for work elsewhere: bytes in the file, and the time to find what is due among them.

    python benchmarks/waiting.py                       10,000 threads
    python benchmarks/waiting.py --threads 500 --polls 100

Each thread is a whole turn of an agent whose tool ends as pending. Of its bytes, those are shown apart that are its own
messages, results and instructions; the rest is what waiting costs. Then a sweep looks for what is due, posts arrive by
their handles, and one job is asked about many times. Nothing is asserted: figures are for people.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from treadle import Agent, Context, Pending, ScriptedModel, SQLiteStore, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.runtime.world import World
from treadle.stores.rows import from_rows

INSTRUCTIONS = "You ship software. Start a build for what you are asked for, and say how it ended."


class Clock:
    """A world's time that can be set."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s


def make_agent(store: SQLiteStore, clock: Clock, polls: bool) -> Agent:
    async def poll(handle: Any, ctx: Context) -> str:
        raise Pending(handle, due=60)

    @tool(poll=poll if polls else None)
    async def build(branch: str, ctx: Context) -> str:
        """Builds a branch.

        Args:
            branch: Its name.
        """
        await ctx.note({"ci": "builds", "job": ctx.thread_id})
        raise Pending({"ci": "builds", "job": ctx.thread_id}, due=3600)

    script = [calls(("build", {"branch": "main"})), says("The build has passed.")]
    model = ScriptedModel(script)
    return Agent(INSTRUCTIONS, model=model, tools=[build], store=store, world=World(now=clock.now))


async def fill(agent: Agent, count: int) -> list[str]:
    """Start the turns; their threads, whose names are those that threads get by themselves."""
    script = [calls(("build", {"branch": "main"}))]
    names: list[str] = []
    for _ in range(count):
        each = replace(agent, model=ScriptedModel(script))
        result = await each.run("Ship the main branch, please.")
        assert result.status == "waiting", result
        names.append(result.thread_id)
    return names


def size(store: SQLiteStore) -> int:
    """Of the file, once it has taken in its write-ahead log."""
    store.vacuum()
    store.close()
    return store.path.stat().st_size


async def own_bytes(store: SQLiteStore, thread: str) -> tuple[int, int]:
    """Of one thread: bytes of its messages, results and instructions with tools; bytes of all events."""
    rows = await store.read(thread)
    own = 0
    for record in from_rows(thread, rows):
        match record.event:
            case e.UserSaid() | e.ModelReplied() | e.ToolReturned():
                own += len(rows[record.seq - 1].event)
            case e.AgentDescribed(instructions=instructions, tools=tools):
                own += len(msgspec.json.encode((instructions, tools)))
    return own, sum(len(row.event) for row in rows)


async def timed(work: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    result = await work
    return result, time.perf_counter() - began


async def main(count: int, polls: int, folder: Path) -> None:
    clock = Clock()
    store = SQLiteStore(folder / "waiting.db")
    agent = make_agent(store, clock, polls=False)
    names, took = await timed(fill(agent, count))
    print(
        f"{count:,} turns begun and left waiting in {took:.1f} s, {took / count * 1000:.2f} ms each"
    )
    per_thread = size(store) / count
    own, events = await own_bytes(store, names[0])
    print(f"in the file: {per_thread:,.0f} bytes a thread; its events are {events:,},")
    print(
        f"of which messages, calls and instructions with tools {own:,}; the rest is {per_thread - own:,.0f}"
    )
    found, took = await timed(agent.due())
    print(f"due() while nothing is due: {len(found)} found in {took * 1000:.1f} ms")
    clock.ahead_s = 3700
    found, took = await timed(agent.due())
    print(f"due() once the time of all is up: {len(found):,} found in {took:.2f} s")
    clock.ahead_s = 0
    names = names[:: max(1, count // 200)]
    began = time.perf_counter()
    for name in names:
        await agent.settle({"ci": "builds", "job": name}, "passed", by="ci")
    took = (time.perf_counter() - began) / len(names)
    print(f"a post by its handle: {took * 1000:.2f} ms")
    found, took = await timed(agent.due())
    print(f"due() after {len(names)} posts: {len(found)} found in {took * 1000:.1f} ms")
    await poll_often(folder, polls)


async def poll_often(folder: Path, polls: int) -> None:
    clock = Clock()
    store = SQLiteStore(folder / "polled.db")
    agent = make_agent(store, clock, polls=True)
    await agent.run("Ship the main branch, please.", thread="t")
    before = await store.read("t")
    began = time.perf_counter()
    for _ in range(polls):
        clock.ahead_s += 3700
        assert await agent.due() == ["t"]
        await agent.resume("t")
    took = (time.perf_counter() - began) / polls
    after = await store.read("t")
    print(
        f"asked {polls:,} times: {len(after) - len(before)} records more, {took * 1000:.2f} ms each"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=10_000)
    parser.add_argument("--polls", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        asyncio.run(main(given.threads, given.polls, Path(path)))
