"""Several processes over one SQLite file that are killed, stopped, forked and lied to; what they promise is checked.

    python benchmarks/torture.py                                   five minutes, 200 threads, three processes
    python benchmarks/torture.py --minutes 0.5 --threads 40 --processes 2 --seed 7

Workers drive agents, teams, flows and graphs (torture_play.py); a person answers now and then. At random they meet:
SIGKILL, SIGTERM, SIGSTOP for shorter and longer than the three seconds after which a driver counts as frozen, forks, event
loops that stand still, two resumes in one process and in several at once, appends that break while their process lives,
threads taken by force, and a wall clock (their own, never the machine's) that jumps by an hour. Then all is quiet, and
every thread must come to its end. The exit code is 1 if anything was lost, repeated, stolen or left (torture_checks.py).

The seed gives the choices; at which record they strike differs from run to run. No model and no key are needed.
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture_checks import Checks
from torture_play import Journal, Play, is_alive, read_journal

from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.state import OPEN_PHASES
from treadle.core.waits import find_tree_waits
from treadle.runtime.log import open_log
from treadle.runtime.waiting_children import read_waiting_children
from treadle.runtime.world import World

SETTLE_S = 120.0
"""How long the threads have, once all is quiet, to come to their ends."""
LOOK_S = 4.0
"""How often all logs are read while it runs."""
ENDS = (0, -signal.SIGKILL, -signal.SIGTERM)
"""How a process may end; by SIGTERM while it starts."""
FAULTS = ("kill", "kill", "term", "pause", "freeze", "freeze and kill", "freeze all")


@dataclass
class Seat:
    """A place for a process, which is started again whenever it ends."""

    role: str
    number: int
    life: int = 0
    process: subprocess.Popen[bytes] | None = None
    starts_at: float = 0.0
    stopped: bool = False


@dataclass
class Torture:
    """Starts the processes, disturbs them, and starts them again."""

    play: Play
    chance: random.Random
    lasts_s: float
    processes: int
    began: float = field(default_factory=time.monotonic)
    journal: Journal = field(init=False)
    seats: list[Seat] = field(default_factory=list)
    later: list[tuple[float, Seat, str, int]] = field(default_factory=list)
    """What is to be done to a process at a time, and to which life of it."""

    def __post_init__(self) -> None:
        self.journal = self.play.journal
        self.seats = [Seat("worker", number) for number in range(self.processes)]
        self.seats.append(Seat("person", 0))

    def start(self, seat: Seat) -> None:
        seat.life += 1
        seat.stopped = False
        given = {
            "folder": str(self.play.folder),
            "seed": self.play.seed,
            "threads": self.play.threads,
            "role": seat.role,
            "number": seat.number,
            "life": seat.life,
            "began": self.began,
            "lasts_s": self.lasts_s,
            "of": self.processes,
        }
        script = Path(__file__).with_name("torture_worker.py")
        said = open(self.play.folder / "said.txt", "ab")  # noqa: SIM115 - the process has it
        seat.process = subprocess.Popen(
            [sys.executable, str(script), json.dumps(given)], stdout=said, stderr=said
        )
        said.close()

    def tend(self) -> None:
        """Start what has ended, and do what is to be done by now."""
        now = time.monotonic()
        for seat in self.seats:
            process = seat.process
            if process is not None and process.poll() is not None:
                if process.returncode not in ENDS:
                    self.journal.note(
                        "error", how=f"{seat.role} {seat.number}", error=f"it ended with {process.returncode}"
                    )  # fmt: skip
                seat.process = None
                seat.starts_at = now + self.chance.uniform(0, 2)
            if seat.process is None and now >= seat.starts_at:
                self.start(seat)
        for entry in [each for each in self.later if each[0] <= now]:
            self.later.remove(entry)
            _, seat, what, life = entry
            if seat.process is not None and seat.life == life and seat.process.poll() is None:
                self.signal(seat, what)

    def signal(self, seat: Seat, what: str) -> None:
        assert seat.process
        numbers = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
        if what == "go on":
            seat.process.send_signal(signal.SIGCONT)
            seat.stopped = False
        else:
            seat.stopped = what == "stop" or seat.stopped
        self.journal.note(what, child=seat.process.pid)
        if what != "go on":
            seat.process.send_signal(numbers[what])

    def fault(self) -> None:
        """Do something to one of the processes that run."""
        seats = [seat for seat in self.seats if seat.process and not seat.stopped]
        weights = [1 if seat.role == "worker" else 0.1 for seat in seats]
        if not seats:
            return
        [seat] = self.chance.choices(seats, weights)
        what = self.chance.choice(FAULTS)
        now = time.monotonic()
        if seat.role == "person":
            what = "kill"
        if what in ("kill", "term"):
            self.signal(seat, what)
            self.later.append((now + 40, seat, "kill", seat.life))  # if it doesn't end
            return
        longer = self.chance.uniform(3.5, 8.0)
        if what == "freeze all":  # as when a laptop sleeps
            for each in seats:
                self.signal(each, "stop")
                self.later.append((now + longer, each, "go on", each.life))
            self.chance.shuffle(self.later)
            return
        seconds = self.chance.uniform(0.2, 2.4) if what == "pause" else longer
        self.signal(seat, "stop")
        self.later.append(
            (now + seconds, seat, "kill" if what == "freeze and kill" else "go on", seat.life)
        )

    def disturb(self) -> None:
        """Until the time is over."""
        next_at = self.began + 2
        while time.monotonic() < self.began + self.lasts_s:
            self.tend()
            if time.monotonic() >= next_at:
                self.fault()
                next_at = time.monotonic() + self.chance.expovariate(self.processes / 6)
            time.sleep(0.05)
        (self.play.folder / "calm").touch()

    def settle(self) -> None:
        """Let all threads come to their ends, then end all processes."""
        until = time.monotonic() + SETTLE_S
        next_at = 0.0
        while time.monotonic() < until:
            self.tend()
            if time.monotonic() >= next_at:
                if asyncio.run(self.is_over()):
                    break
                next_at = time.monotonic() + 1
            time.sleep(0.05)
        self.end()

    async def is_over(self) -> bool:
        """Whether all has been said, and each thread has ended or is left waiting."""
        store = SQLiteStore(self.play.folder / "threads.db")
        try:
            for name in self.play.names():
                log = await open_log(name, store, World())
                said = [each.event for each in log.records if isinstance(each.event, e.UserSaid)]
                waits = ()
                if log.state.phase in OPEN_PHASES:
                    states = await read_waiting_children(log)
                    waits = find_tree_waits(name, {**states, name: log.state})
                    held = {each.status for each in waits} <= {"waiting", "question"}
                    if not (waits and held and self.play.is_left(name)):
                        return False
                keys = [event.key for event in said if not event.answers]
                if len(keys) < len(self.play.messages(name)) and not waits:
                    return False
            return True
        finally:
            store.close()

    def end(self) -> None:
        """End all processes, and wait for forks that outlive their parents."""
        for seat in self.seats:
            if seat.process is not None and seat.process.poll() is None:
                if seat.stopped:
                    self.signal(seat, "go on")
                seat.process.send_signal(
                    signal.SIGKILL if seat.role == "person" else signal.SIGTERM
                )
        until = time.monotonic() + 45
        for seat in self.seats:
            if seat.process is None:
                continue
            try:
                code = seat.process.wait(max(1.0, until - time.monotonic()))
                if code not in ENDS:
                    self.journal.note(
                        "error", how=f"{seat.role}", error=f"it ended with code {code}"
                    )
            except subprocess.TimeoutExpired:
                self.journal.note("error", how="stop", error=f"{seat.role} {seat.number} hangs")
                seat.process.kill()
                seat.process.wait()
        while any(map(is_alive, self.forks())) and time.monotonic() < until:
            time.sleep(0.2)
        for pid in filter(is_alive, self.forks()):
            self.journal.note("error", how="fork", error=f"{pid} hangs")

    def forks(self) -> list[int]:
        lines = read_journal(self.play.folder / "journal")
        return [line["child"] for line in lines if line["what"] == "forked"]


def watch(checks: Checks, over: threading.Event) -> None:
    """Read all logs and the ledger, again and again."""
    store = SQLiteStore(checks.play.folder / "threads.db")
    while not over.wait(LOOK_S):
        logs = asyncio.run(checks.look(store))
        checks.check_effects(logs)
    store.close()


def count(lines: list[dict[str, Any]]) -> dict[str, object]:
    """How often each fault was made."""
    what = Counter(line["what"] for line in lines)
    stops: dict[int, float] = {}
    lengths = Counter[str]()
    for line in lines:
        if line["what"] == "stop":
            stops[line["child"]] = line["at"]
        elif line["what"] in ("go on", "kill") and line["child"] in stops:
            long = line["at"] - stops.pop(line["child"]) > 3
            lengths["long" if long else "short"] += 1
    return {
        "kills (SIGKILL)": what["kill"] + what["dies"],
        "stops (SIGTERM)": what["term"],
        "pauses of up to 3 s (SIGSTOP)": lengths["short"],
        "freezes of more than 3 s (SIGSTOP)": lengths["long"],
        "event loops that stood still": what["stalls"],
        "forks": what["forked"],
        "appends that broke": what["broke"],
        "jumps of the clock": what["clock"],
        "taken by force": what["takes"],
        "two resumes in one process": what["twice"],
        "calls that met in several processes": sum(
            "meets" in str(line.get("how")) for line in lines if line["what"] == "result"
        ),
        "what people posted": what["posted"],
    }


def print_table(rows: dict[str, object]) -> None:
    width = max(map(len, rows))
    for name, figure in rows.items():
        print(f"| {name.ljust(width)} | {figure:>9,} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--processes", type=int, default=3, help="that drive; two to four")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="keep the database in any case")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"seed {seed}, in {folder}", flush=True)
    play = Play(folder, seed, chosen.threads)
    checks = Checks(play)
    torture = Torture(play, random.Random(seed), chosen.minutes * 60, chosen.processes)
    over = threading.Event()
    watching = threading.Thread(target=watch, args=(checks, over))
    watching.start()
    try:
        torture.disturb()
        torture.settle()
    finally:
        over.set()
        watching.join()
        torture.end()
    store = SQLiteStore(folder / "threads.db")
    asyncio.run(checks.check_all(store))
    store.close()
    faults = count(read_journal(folder / "journal"))
    print_table(
        {**faults, **dict(sorted(checks.figures.items())), "violations": len(checks.violations)}
    )
    if checks.violations or chosen.keep:
        print(f"all of it is kept in {folder}; seed {seed}")
    else:
        shutil.rmtree(folder)
    sys.exit(1 if checks.violations else 0)


if __name__ == "__main__":
    main()
