"""One simulation: what its seed draws, how it runs, and what it says when a promise is broken.

1. Everything is drawn from one seed: also how much of each trouble there is, so that some seeds have
   much of one kind and nothing of another.
2. First there is trouble. Then it ends, and everything must come to its end: that finds what hangs.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from simulate.actors import ACTORS, Actor, post_decision
from simulate.cast import (
    FLOW_KINDS,
    HASTY_KINDS,
    KINDS,
    LIMITS,
    PIECES,
    VERIFIED_KINDS,
    WORKED_KINDS,
    Settings,
    make_runner,
)
from simulate.check import Check, Shadow
from simulate.database import Database
from simulate.engine import SimEngine
from simulate.final import check_the_end
from simulate.jobs import Jobs
from simulate.loop import SimLoop, SimulatedProcess
from simulate.operations import Operations
from simulate.process import EPOCH_S, Process
from simulate.service import Service
from simulate.workers import serve
from treadle import Budget, Limits
from treadle.core import events as e
from treadle.core.call import CallState
from treadle.core.waits import find_waits
from treadle.stores.rows import to_rows
from treadle.stores.store import Row, Store

MAX_STEPS = 120_000
"""In which nothing is written. With a budget of a few calls a minute much of a simulation is waiting."""
MAX_RECORDS = 5000
LONGEST_S = 6000.0
"""How long a caller may wait in the end."""
CALM_ROUNDS = 60
WORKED_ROUNDS = 60
"""In which nothing is written. A budget of a few calls a minute lets much of it be waiting."""
WORKED_S = 5.0
"""How long the workers are left alone before whatever waits is decided."""
_LIMITS = (
    *(LIMITS, LIMITS, Limits(steps=3, tool_calls=4, tokens=60_000, seconds=40.0)),
    *(Limits(steps=6, tool_calls=12, tokens=4000, seconds=40.0), Limits(seconds=6.0, steps=5)),
)


class Violation(Exception):
    """A promise is broken."""

    def __init__(self, promise: str, words: str) -> None:
        super().__init__(f"{promise}: {words}")
        self.promise = promise


@dataclass
class Plan:
    """How much of what there is: drawn once for each simulation."""

    processes: int
    kinds: tuple[str, ...]
    trouble_s: float
    crashes: float
    """Of a process, a chance of each step."""
    pauses: float
    cancelling: float
    leaving: float
    taking: float
    clock_jumps: float
    failing_models: float
    hanging_models: float
    double_clicks: float = 0.0
    """Of people who decide."""
    judging: float = 0.0
    """Somebody says of a call that runs what became of it."""
    stands: float = 0.0
    """A process stops in the midst of a tool."""
    settings: Settings = field(default_factory=Settings)


def draw_plan(chance: random.Random) -> Plan:
    def some(*amounts: float) -> float:
        return chance.choice((0.0, *amounts))

    settings = Settings(
        limits=chance.choice(_LIMITS),
        unknown=chance.choice(("ask", "ask", "tell")),
        parallel=chance.random() < 0.15,
    )
    return Plan(
        processes=chance.choice((1, 2, 2, 3)),
        kinds=tuple(chance.choices(KINDS, k=chance.choice((1, 1, 2, 3)))),
        trouble_s=chance.choice((3.0, 8.0, 15.0)),
        crashes=some(0.002, 0.01, 0.02),
        pauses=some(0.0, 0.002, 0.01),
        cancelling=some(0.0, 0.3, 0.8),
        leaving=some(0.0, 0.1, 0.5),
        taking=some(0.0, 0.0, 0.1),
        clock_jumps=some(0.0, 0.3),
        failing_models=some(0.1, 0.25),
        hanging_models=some(0.0, 0.05),
        settings=settings,
    )


def _with_verified(kinds: tuple[str, ...], chance: random.Random) -> tuple[str, ...]:
    """The kinds, some of them now of those whose tools can be asked what they did.

    By chance of its own, so that the other seeds stay as they were.
    """
    if chance.random() > 0.25:
        return kinds
    return tuple(chance.choice((each, *VERIFIED_KINDS)) for each in kinds)


def _with_hasty(kinds: tuple[str, ...], chance: random.Random) -> tuple[str, ...]:
    """The kinds, some of them now of those whose calls are often cut off. As above."""
    if chance.random() > 0.2:
        return kinds
    return tuple(chance.choice((each, *HASTY_KINDS)) for each in kinds)


def _with_worked(kinds: tuple[str, ...], chance: random.Random) -> tuple[str, ...]:
    """The kinds, some of them now of those whose children are other workers'."""
    return tuple(chance.choice((each, *WORKED_KINDS)) for each in kinds)


def _draw_plays(plan: Plan, plays: random.Random) -> None:
    """What makes some troubles likely that are rare by chance alone."""
    plan.double_clicks = plays.choice((0.0, 0.5))
    plan.judging = plays.choice((0.0, 0.0, 0.5))
    if any(kind in VERIFIED_KINDS for kind in plan.kinds):  # what began a call may be alive
        plan.stands = plays.choice((0.0, 0.2, 0.3))
    elif plan.pauses:
        plan.stands = plays.choice((0.0, 0.1))


def draw_accounts(chance: random.Random, settings: Settings) -> Settings:
    """The settings with limits that are tight for a whole tree, and budgets, in some simulations."""
    if chance.random() < 0.3:
        tokens = chance.choice((600, 1200, 2500))
        settings = replace(settings, limits=replace(settings.limits, tokens=tokens))
    if chance.random() < 0.3:
        budget = chance.choice(
            (
                Budget("team", requests_a_minute=chance.choice((4, 8))),
                Budget("team", tokens_a_minute=chance.choice((600, 1500, 4000))),
                Budget("team", tokens_a_day=chance.choice((600, 1500, 5000))),
                Budget("team", tokens_a_day=2500, requests_a_minute=6),
            )
        )
        settings = replace(settings, budgets=(budget,))
    return settings


class Simulation:
    """Everything of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        traced: bool = False,
        actors: Sequence[Actor] = ACTORS,
        rows: Store | None = None,
        workers: bool = False,
    ) -> None:
        """`workers`: each process has one, and nobody else resumes threads."""
        self.seed = seed
        self.workers = workers
        self.chance = random.Random(seed)
        self.loop = SimLoop(self.chance)
        self.plan = draw_plan(self.chance)
        self.plan.kinds = _with_verified(self.plan.kinds, random.Random(f"verified {seed}"))
        self.plan.kinds = _with_hasty(self.plan.kinds, random.Random(f"hasty {seed}"))
        if workers:
            self.plan.kinds = _with_worked(self.plan.kinds, random.Random(f"worked {seed}"))
        self.plays = random.Random(f"plays {seed}")
        """Chance of its own for what only some simulations have, so that the others stay as they were."""
        _draw_plays(self.plan, self.plays)
        self.service = Service(self.loop)
        self.plan.settings = draw_accounts(random.Random(f"accounts {seed}"), self.plan.settings)
        self.database = Database(self, rows)
        self.engine = SimEngine(self)
        self.check = Check(self)
        self.operations = Operations(self)
        self.jobs = Jobs(self.chance, self.loop.time)
        self.processes: list[Process] = []
        self.is_calm = False
        """The trouble is over."""
        self.trace: list[str] = []
        self._traced = traced
        self._actors = actors
        self._counted = 0
        self._written_at = 0
        """The step of the last record."""
        self._violation: Violation | None = None
        self._is_over = False
        self._draw_faults()

    def _draw_faults(self) -> None:
        chance, database = self.chance, self.database
        database.has_attendance = chance.random() < 0.85
        database.waits_to_the_end = chance.random() < 0.7
        faults = database.faults
        faults.waits = chance.choice((0.0, 0.05, 0.3))
        faults.busy = chance.choice((0.0, 0.0, 0.1))
        faults.refuses = chance.choice((0.0, 0.0, 0.01, 0.05))
        faults.breaks = chance.choice((0.0, 0.0, 0.01, 0.05))
        faults.read_fails = chance.choice((0.0, 0.0, 0.03))
        faults.look_fails = chance.choice((0.0, 0.0, 0.2))

    # What the actors use

    @property
    def is_hasty(self) -> bool:
        """Whether there are threads whose calls are often cut off."""
        return any(kind in HASTY_KINDS for kind in self.plan.kinds)

    def count(self) -> int:
        """A number that was not drawn before."""
        self._counted += 1
        return self._counted

    def new_id(self) -> str:
        return f"id{self.count():06}"

    def draw_work(self) -> list[str]:
        """The work of a flow."""
        pieces = self.chance.choices(PIECES, k=self.chance.choice((1, 2, 3, 4)))
        return [f"{piece}:{self.count()}" for piece in pieces]

    def draw_work_of(self, key: str) -> list[str]:
        """The work of a flow that is submitted under this key, maybe twice."""
        chance = random.Random(f"work {key}")
        pieces = chance.choices(PIECES, k=chance.choice((1, 2, 3)))
        return [f"{piece}:{key}{index}" for index, piece in enumerate(pieces)]

    def make_runner(self, kind: str, store: Store, world: Any) -> Any:
        return make_runner(kind, self.plan.settings, store, world)

    def start_process(self) -> Process:
        process = Process(self, f"p{len(self.processes) + 1}")
        self.processes.append(process)
        self.note(process, "starts")
        if self.workers:
            process.spawn(serve(self, process))
        return process

    def living(self) -> list[Process]:
        return [each for each in self.processes if not each.dead and not each.paused]

    async def any_process(self) -> Process:
        """A process that is up; waits for one."""
        if found := self.living():
            return self.chance.choice(found)
        await asyncio.sleep(0.3)
        return await self.any_process()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self.loop.call_later(seconds, work)

    @property
    def tops(self) -> dict[str, Shadow]:
        """The threads of people's own."""
        return {name: each for name, each in self.check.threads.items() if each.kind}

    def find_open(self) -> list[str]:
        return [name for name, shadow in self.tops.items() if shadow.is_open]

    def find_failed_flows(self) -> list[str]:
        """The threads of people in which the code of a flow has failed."""
        return [
            name
            for name, shadow in self.tops.items()
            if (turn := shadow.state.turn) and turn.ended and turn.ended.status == "failed"
            if name.partition("-")[0] in (*FLOW_KINDS, "order")
        ]

    def find_all_open(self) -> list[str]:
        """The open threads, children too."""
        return [name for name, shadow in self.check.threads.items() if shadow.is_open]

    def find_unfinished(self) -> list[str]:
        """The open threads of people that could go on."""
        now = self.loop.time()
        return [
            name
            for name in self.find_open()
            if not find_waits(self.tops[name].state, name, now=now)
        ] + [name for name in self.find_open() if self._has_child_that_goes_on(name)]

    def _has_child_that_goes_on(self, name: str) -> bool:
        below = [each for each in self.check.threads if each.startswith(f"{name}.")]
        return bool(below) and bool(find_waits(self.tops[name].state, name))

    def find_calls(self, status: str) -> list[tuple[str, CallState]]:
        """The calls of tools that are at this as the log says, in every thread."""
        found: list[tuple[str, CallState]] = []
        for name in self.find_all_open():
            turn = self.check.threads[name].state.turn
            calls = turn.calls.values() if turn and not turn.ended else ()
            found += [(name, call) for call in calls if call.status == status and not call.child]
        return found

    def find_decisions(self) -> list[tuple[str, e.PendingDecision]]:
        """What people are waited for, in every thread."""
        found: list[tuple[str, e.PendingDecision]] = []
        for name, shadow in self.check.threads.items():
            if shadow.is_open:
                waits = find_waits(shadow.state, name)
                found += [(name, each) for each in waits if each.thread_id == name]
        return found

    # What is told

    def note(self, process: SimulatedProcess | None, what: str) -> None:
        if self._traced and not self._is_over:
            at = f"{self.loop.time() - 1000:10.4f} {self.loop.steps:6}"
            self.trace.append(f"{at} {process or '-'}: {what}")

    def violate(self, promise: str, words: str) -> None:
        """A promise is broken: the simulation stops."""
        if self._violation is None and not self._is_over:
            self._violation = Violation(promise, words)
            self.note(None, f"VIOLATION: {self._violation}")

    def appended(self, process: Process, thread_id: str, rows: Sequence[Row]) -> None:
        self._written_at = self.loop.steps
        self.check.appended(process, thread_id, rows)
        if self._traced:
            for record in self.check.threads[thread_id].records[-len(rows) :]:
                self.note(process, f"{thread_id} {record.seq} {record.event}")

    # How it runs

    def run(self) -> None:
        """Run it to its end. Raises Violation."""
        self.loop.before_step = self._before_step
        try:
            self.loop.run_until_complete(self._live())
        finally:
            self._is_over = True
            self.loop.before_step = lambda _: None
            self.loop.dispose_all()
        if self._violation:
            raise self._violation

    def _before_step(self, process: SimulatedProcess | None) -> None:
        if self._violation:
            raise self._violation
        if self.loop.steps - self._written_at > MAX_STEPS or self.check.checked > MAX_RECORDS:
            words = f"{self.loop.steps} steps, {self.check.checked} records"
            self.violate("everything comes to an end", words)
        if self.is_calm or not isinstance(process, Process):
            return
        drawn = self.chance.random()
        if drawn < self.plan.crashes:
            process.kill()
        elif drawn < self.plan.crashes + self.plan.pauses:
            process.pause()
            if self.chance.random() < 0.15:
                self.database.lock(process)

    async def _live(self) -> None:
        if self.workers and self.plays.random() < 0.3:
            await self._leave_damaged()
        for _ in range(self.plan.processes):
            self.start_process()
        acting = [self.loop.create_task(each(self)) for each in self._actors]
        await asyncio.sleep(self.plan.trouble_s)
        self._calm_down()
        for task in acting:
            task.cancel()
        await asyncio.wait(acting)
        for task in acting:
            if not task.cancelled():
                task.result()
        bring_to_an_end = self._let_workers_end if self.workers else self._bring_to_an_end
        await bring_to_an_end()
        for process in self.processes:  # those that nobody has waited for come back as zombies
            process.wake()
        await bring_to_an_end()
        await check_the_end(self)

    async def _leave_damaged(self) -> None:
        """Leave threads that can't be read, which keep nobody from the others."""
        for kind in sorted(set(self.plan.kinds)):
            started = e.ThreadStarted(kind, "key")
            record = e.Record(f"{kind}-damaged", 1, EPOCH_S, started, 0.0)
            [row] = to_rows([record])
            torn = msgspec.structs.replace(row, event=row.event[:-9], status="unfinished")
            await self.database.rows.append(record.thread_id, [torn])

    def _calm_down(self) -> None:
        self.is_calm = True
        self.note(None, "the trouble is over")
        self.database.faults = type(self.database.faults)()
        self.engine.calm_down()
        self.plan.hanging_models = self.plan.failing_models = 0.0
        for process in self.processes:
            if self.chance.random() < 0.6 or self.database.locked_by is process:
                process.wake()
        for process in self.database.find_standing():
            process.kill()  # it would keep its place from the others
        while len(self.living()) < 2:
            self.start_process()

    async def _bring_to_an_end(self) -> None:
        """Resume everything, from two processes at once, and decide whatever waits."""
        for _ in range(CALM_ROUNDS):
            # The child of a driver that died late is ended by whoever resumes its parent.
            opened = sorted({name.partition(".")[0] for name in self.find_all_open()})
            awaited = [each for each in self.operations.running if not each.process.paused]
            if not opened and not awaited:
                return
            started: list[Any] = []
            for thread in opened:
                for process in self.living()[:2]:
                    started.append(self.operations.resume(process, thread))
            await self._wait_for(started)
            await self._decide_all()
            if not opened:
                await self._wait_for(awaited)
        self._say_what_is_left()

    async def _let_workers_end(self) -> None:
        """Decide whatever waits, and resume nothing: that is the workers' to do."""
        quiet_rounds, checked = 0, 0
        while quiet_rounds < WORKED_ROUNDS:
            quiet_rounds = 0 if self.check.checked > checked else quiet_rounds + 1
            checked = self.check.checked
            awaited = [each for each in self.operations.running if not each.process.paused]
            if not self.find_all_open() and not awaited and self.engine.is_idle:
                return
            await asyncio.sleep(WORKED_S)
            await self._decide_all()
            # A child that was begun when its parent had ended is ended by who comes to that next.
            roots = {name.partition(".")[0] for name in self.find_all_open()}
            ended = sorted(roots - set(self.find_open()))
            await self._wait_for([self.operations.resume(self.living()[0], each) for each in ended])
        self._say_what_is_left()

    async def _decide_all(self) -> None:
        decisions = self.find_decisions()
        if any(decision.until for _, decision in decisions):
            for process in self.processes:  # the next day, whose budgets are new
                process.turn_clock(86_400.0)
        posted = [
            post_decision(self, self.living()[0], thread, decision)
            for thread, decision in decisions
            if not decision.until or decision.status == "pending"
        ]
        await self._wait_for(posted)

    def _say_what_is_left(self) -> None:
        left = {name: self.check.threads[name].state.turn for name in self.find_all_open()}
        awaited = [str(each) for each in self.operations.running] + [*self.engine.held]
        self.violate("every thread ends or waits for something listed", f"{left} {awaited}")

    async def _wait_for(self, operations: Sequence[Any]) -> None:
        tasks = [each.task for each in operations if each.task and not each.process.dead]
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=LONGEST_S)
            if left:
                hanging = [str(each) for each in operations if each.task in left]
                self.violate("every caller gets its result", f"still waiting: {hanging}")
                await asyncio.sleep(0)
