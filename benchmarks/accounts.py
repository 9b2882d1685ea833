"""Accounts under load: processes that are killed share one budget; and what an account costs.

1. Eight processes, one SQLite file, one budget of a day. Each is killed now and then, and another
   takes its place. What the providers have charged, lost calls included, may not be more.
2. The wall time of twenty children whose worst cases all fit, with a limit and without one.
3. CPU for each model call, and for those that wait for room.

    python benchmarks/accounts.py [--processes 8] [--seconds 15]
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle import Agent, Budget, Flow, Limits, MemoryStore, SQLiteStore, TreadleError, Usage
from treadle.core import events as e
from treadle.core.account import name_of_day
from treadle.core.errors import AccountFull
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls
from treadle.runtime.log import open_log
from treadle.runtime.world import World

PRICE_USD = 1e-5
"""Of a token."""


class Charging:
    """Asks its helpers once, then answers; what it charges is written down as it is asked."""

    name, context_tokens, max_output_tokens = "charging", 100_000, 400

    def __init__(self, bill: Path | None, helpers: int = 0, delay_s: float = 0.01) -> None:
        self.bill, self.helpers, self.delay_s = bill, helpers, delay_s

    def cost_usd(self, usage: Usage) -> float:
        return usage.total_tokens * PRICE_USD

    async def reply(self, request: Request, emit: Any) -> Reply:
        usage = Usage(request.tokens, random.randint(1, request.max_output_tokens))
        if self.bill:
            charge(self.bill, usage.total_tokens)
        await asyncio.sleep(self.delay_s)
        has_asked = any(message.role == "assistant" for message in request.messages)
        if has_asked or not self.helpers or request.tool_choice == "none":
            return Reply("done", usage)
        asked = calls(*(("helper", {"task": f"part {n}"}) for n in range(self.helpers)))
        return Reply(asked.content, usage, "tool_calls")


def charge(bill: Path, tokens: int) -> None:
    written = os.open(bill, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(written, f"{tokens}\n".encode())
    os.close(written)


@dataclass(frozen=True)
class Place:
    folder: Path
    usd: float

    @property
    def db(self) -> Path:
        return self.folder / "t.db"

    @property
    def bill(self) -> Path:
        return self.folder / "bill"

    @property
    def charged_usd(self) -> float:
        return sum(map(int, self.bill.read_text().split())) * PRICE_USD

    def make(self, store: Any) -> Agent:
        budget = Budget("team", usd_a_day=self.usd)
        helper = Agent(name="helper", model=Charging(self.bill), store=store)
        return Agent(
            name="lead",
            model=Charging(self.bill, helpers=3),
            tools=[helper.as_tool()],
            store=store,
            limits=Limits(tokens=4000),
            budgets=[budget],
        )


async def work(place: Place, name: str, until: float) -> None:
    """What one process does: what is due, then something new, until its time is up."""
    store = SQLiteStore(place.db)
    lead, number = place.make(store), 0
    while time.time() < until:
        for thread in (await lead.due())[:3]:
            await try_it(lead.resume(thread))
        number += 1
        (place.folder / f"{name}.up").touch()
        await asyncio.gather(
            *(try_it(lead.run("go", thread=f"{name}-{number}-{each}")) for each in range(3))
        )
    store.close()


def run_work(place: Place, name: str, until: float) -> None:
    random.seed(name)
    asyncio.run(work(place, name, until))


async def try_it(running: Any) -> None:
    with contextlib.suppress(TreadleError):  # another was faster, or it is used up: see the logs
        await running


def supervise(place: Place, processes: int, seconds: float) -> dict[str, Any]:
    """Let the processes work, kill one now and then, and see what has come of it."""
    until, kills, number = time.time() + seconds, 0, 0
    forks = multiprocessing.get_context("fork")
    running: dict[str, Any] = {}

    def start() -> None:
        nonlocal number
        number += 1
        told = (place, f"p{number}", until)
        running[f"p{number}"] = forks.Process(target=run_work, args=told)
        running[f"p{number}"].start()

    while len(running) < processes:
        start()
    while time.time() < until - 1.0:
        time.sleep(random.uniform(0.2, 0.8))
        at_work = [name for name in running if (place.folder / f"{name}.up").exists()]
        if not at_work:
            continue
        victim = running.pop(random.choice(at_work))
        victim.kill()
        victim.join()
        kills += 1
        start()
    for process in running.values():
        process.join(60)
    return {"kills": kills} | asyncio.run(settle(place))


async def settle(place: Place) -> dict[str, Any]:
    """Bring everything to its end, and compare all that was charged with the budget."""
    store = SQLiteStore(place.db)
    lead = place.make(store)
    while due := await lead.due():
        for thread in due:
            await try_it(lead.resume(thread))
    now = time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    balance = await store.balance(name_of_day("team", day), now)
    ends: Counter[str] = Counter()
    calls, starved = 0, 0
    for info in await store.threads(limit=1_000_000):
        log = await open_log(info.thread_id, store, World())
        ends[info.status] += 1
        calls += sum(isinstance(record.event, e.ModelCalled) for record in log.records)
        for record in log.records:
            event = record.event
            if isinstance(event, e.LimitReached) and event.limit == "usd_a_day":
                starved += event.used < event.allowed - 1100 * PRICE_USD
    found = {
        "calls": calls,
        "ends": dict(ends),
        "charged_usd": place.charged_usd,
        "account_usd": balance.usd,
        "overshoot_usd": max(0.0, place.charged_usd - place.usd, balance.usd - place.usd - 1e-9),
        "starved": starved,
        "left_reserved": len(balance.holders),
        "wrong_accounts": store.find_wrong_lines(),
    }
    store.close()
    return found


def make_crowd(store: Any, limits: Limits, count: int, delay_s: float) -> Flow:
    one = Agent(name="one", model=Charging(None, delay_s=delay_s), store=store)

    async def crowd() -> int:
        return len(await asyncio.gather(*(one.run(f"item {n}") for n in range(count))))

    return Flow(crowd, name="crowd", store=store, limits=limits)


def measure_wall(make: Callable[[], Any], repeats: int) -> float:
    """The wall time of twenty children with a limit that holds them all, divided by that without."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats):
        for is_limited in (True, False):
            tokens = 10_000_000 if is_limited else None
            crowd = make_crowd(make(), Limits(tokens=tokens, tool_calls=None), 20, 0.2)
            began = time.perf_counter()
            asyncio.run(crowd.run())
            took[is_limited].append(time.perf_counter() - began)
    return min(took[True]) / min(took[False])


def measure_cpu(make: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Milliseconds of CPU for a model call of a child, with an account above it and without."""
    found: dict[str, float] = {}
    for name, tokens in (("without", None), ("with", 100_000_000)):
        best = 1e9
        for _ in range(repeats):
            crowd = make_crowd(make(), Limits(tokens=tokens, tool_calls=None), 100, 0.0)
            began = time.process_time()
            asyncio.run(crowd.run())
            best = min(best, time.process_time() - began)
        found[name] = best * 10  # of 100 calls, in ms
    return found


def measure_waiting(make: Callable[[], Any], waiters: int, seconds: float) -> dict[str, float]:
    """What those cost that wait while one model call takes so long."""
    store = make()
    tries, append = 0, store.append

    async def counted(thread_id: str, rows: Any) -> None:
        nonlocal tries
        try:
            await append(thread_id, rows)
        except AccountFull:
            tries += 1
            raise

    store.append = counted
    crowd = make_crowd(store, Limits(tokens=700, tool_calls=None), waiters, seconds * 10)

    async def whole() -> dict[str, float]:
        running = asyncio.ensure_future(crowd.run())
        await asyncio.sleep(1.0 + waiters / 100)  # all have come
        before, began, cpu = tries, time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        wall_s = time.perf_counter() - began
        found = {
            "tries_a_second": round((tries - before) / wall_s, 1),
            "cpu": round((time.process_time() - cpu) / wall_s, 4),
        }
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return found

    return asyncio.run(whole())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--usd", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), given.usd)
        print(f"{given.processes} processes:", supervise(place, given.processes, given.seconds))
    with tempfile.TemporaryDirectory() as folder:
        stores = 0

        def sqlite() -> SQLiteStore:
            nonlocal stores
            stores += 1
            return SQLiteStore(Path(folder) / f"{stores}.db")

        for name, make in (("memory", MemoryStore), ("sqlite", sqlite)):
            print(f"{name}: twenty children, with a limit / without: {measure_wall(make, 7):.3f}")
            print(f"{name}: ms of CPU a model call: {measure_cpu(make, 3)}")
            for waiters in (20, 200):
                print(f"{name}: {waiters} that wait: {measure_waiting(make, waiters, 2.0)}")


if __name__ == "__main__":
    main()
