"""The engine of a simulation: outside of all processes, it brings jobs to the workers within them.

1. A job that was accepted is done by some worker; again where that one died, or stood still for too
   long: it may wake up, and go on beside the other.
2. It is slow, can't be reached, or loses a job, as the seed says. What it loses, a sweep finds.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulate.loop import PROCESS
from simulate.process import Process
from treadle.core.errors import EngineError
from treadle.engines import Job
from treadle.engines.engine import Queue, Work

if TYPE_CHECKING:
    from simulate.simulation import Simulation

LOST_S = 4.0
"""How long a worker stands still before its job is given to another."""
BEAT_S = 0.5


@dataclass(eq=False)
class Serving:
    """A worker that asks for jobs."""

    process: Process
    agents: Collection[str]
    work: Work
    most: int
    busy: Counter[str] = field(default_factory=Counter)
    """By agent, the places that are taken."""

    def may_take(self, job: Job) -> bool:
        if self.process.dead or self.process.paused or job.agent not in self.agents:
            return False
        return not job.takes_place or self.busy[job.agent] < self.most


@dataclass(eq=False)
class Held:
    """A job that was accepted, and isn't done."""

    job: Job
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where it was submitted once more."""


class SimEngine:
    """What all workers of a simulation share."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.chance = random.Random(f"engine {simulation.seed}")
        self.fails = self.chance.choice((0.0, 0.0, 0.1, 0.5))
        """How often it can't be reached."""
        self.loses = self.chance.choice((0.0, 0.0, 0.1))
        self.is_calm = False
        self.held: dict[str, Held] = {}
        """By id."""
        self.serving: list[Serving] = []

    def calm_down(self) -> None:
        """Be reliable, and let the timetable begin nothing more."""
        self.fails = self.loses = 0.0
        self.is_calm = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left of what it had to do but to look for more."""
        return all(each.job.kind == "sweep" for each in self.held.values())

    def connect(self, process: Process) -> "EngineConnection":
        return EngineConnection(self, process)

    def accept(self, job: Job, once_more: bool) -> None:
        if job.id in self.held:
            if once_more:
                self.held[job.id].asked.set()
            return
        if self.chance.random() < self.loses or (self.is_calm and job.kind == "cron"):
            return
        held = self.held[job.id] = Held(job)
        context = copy_context()
        context.run(PROCESS.set, None)
        self.simulation.loop.create_task(self._see_to(held), context=context)

    async def _see_to(self, held: Held) -> None:
        while True:
            serving = await self._find_worker(held.job)
            held.asked.clear()
            again_s = await self._have_done(serving, held.job)
            is_done = again_s is None and not held.asked.is_set()
            if is_done or (self.is_calm and held.job.kind == "cron"):
                del self.held[held.job.id]
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(held.asked.wait(), again_s or 0.0)

    async def _find_worker(self, job: Job) -> Serving:
        while True:
            if found := [each for each in self.serving if each.may_take(job)]:
                return self.chance.choice(found)
            await asyncio.sleep(0.2)

    async def _have_done(self, serving: Serving, job: Job) -> float | None:
        operation = self.simulation.operations.do_job(serving.process, job, serving.work)
        assert operation.task
        places = int(job.takes_place)
        serving.busy[job.agent] += places
        seen_at = self.simulation.loop.time()
        while not operation.task.done():
            await asyncio.wait({operation.task}, timeout=BEAT_S)
            now = self.simulation.loop.time()
            if not (serving.process.dead or serving.process.paused):
                seen_at = now
            elif now - seen_at > LOST_S:
                self.simulation.note(None, f"{operation} is given to another worker")
                break
        serving.busy[job.agent] -= places
        if not operation.task.done():
            return 0.0
        again_s: float | None = operation.task.result()
        return again_s


class EngineConnection:
    """The engine as one process has it."""

    def __init__(self, engine: SimEngine, process: Process) -> None:
        self._engine = engine
        self._process = process

    async def submit(self, job: Job) -> None:
        await self._reach()
        self._engine.accept(job, once_more=True)

    async def offer(self, job: Job) -> None:
        await self._reach()
        self._engine.accept(job, once_more=False)

    @asynccontextmanager
    async def serve(self, agents: Collection[str], work: Work, most: int) -> AsyncIterator[None]:
        serving = Serving(self._process, agents, work, most)
        self._engine.serving.append(serving)
        try:
            yield
        finally:
            self._engine.serving.remove(serving)

    async def look(self, agents: Collection[str]) -> list[Queue]:
        return [Queue(each, 0, 0.0, ()) for each in agents]

    async def _reach(self) -> None:
        chance: Any = self._engine.chance
        await asyncio.sleep(chance.choice((0.0, 0.0, 0.01, 0.3)))
        if chance.random() < self._engine.fails:
            raise EngineError("the engine can't be reached")
