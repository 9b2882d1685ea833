"""A worker: does the jobs that an engine brings, over one database, until it is told to stop.

1. To resume a thread is safe at any time, by any number of workers: where there is nothing to do,
   nothing is written, and where somebody alive is at it, the job is left for later.
2. A sweep looks for threads that are due, and has them resumed: those whose process died before it
   could say so, those whose time has come, those that an engine has forgotten. It is a job too, so
   only one worker at a time sweeps.
3. Code that doesn't fit a thread, such as that of an older version, changes nothing in it. The job
   comes back later, to whatever worker is there then.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import signature
from typing import Any

from ..core.check_settings import check_kind, check_whole_number
from ..core.errors import (
    EngineError,
    Fenced,
    ModelError,
    SeqTaken,
    Stopped,
    StoreError,
    TreadleError,
    TurnFailed,
)
from ..core.events import UserSaid
from ..core.status import find_status
from ..engines import Engine, Job, LocalEngine
from ..engines.open_engine import engine_here
from ..models.known_secrets import redact_error
from ..runtime.drives import find_beat
from ..runtime.due import is_due
from ..runtime.elsewhere import drive_child
from ..runtime.listeners import Listener
from ..runtime.log import Log, open_log
from ..runtime.resume import is_driven
from ..runtime.world import World
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Limiting, tenant_of
from .check_worker import check_worker
from .done import Done, find_lag_s
from .resumable import Resumable
from .timetable import Scheduled

HELD_S = 2.0
"""When a job comes back whose thread somebody alive drives."""
SOON_S = 1.0
"""When one comes back that was interrupted, here or by others."""
STORE_S = 5.0
"""When one comes back whose database couldn't be used."""
AGAIN_S = 60.0
"""When one comes back that this worker's code can't do."""
SHARE = 20
"""The pause between two sweeps is at least so many times as long as a sweep takes."""
OFFERS_AT_ONCE = 20
"""How many jobs a sweep offers to the engine side by side."""
KNOWN_S = 10.0
"""How often a worker makes sure that the engine knows of sweeps and timetable: it may lose them."""

logger = logging.getLogger("treadle")


@dataclass(frozen=True)
class Worker:
    """What does the jobs of some agents and flows. Raises UsageError for wrong settings."""

    runners: Sequence[Any]
    """Agents, flows and graphs, each of a name of its own."""
    engine: Engine = field(default_factory=LocalEngine)
    stores: Sequence[GivenStore] = ()
    """Those of several tenants. None: each agent's own."""
    deps: Callable[[str], Any] | None = None
    """Makes the deps of an agent's thread from its name."""
    every_s: float = 2.0
    """The pause between two sweeps, in seconds."""
    at_once: Mapping[str, int] = field(default_factory=dict)
    """By agent, how many threads of each tenant all workers together may drive at once."""
    timetable: Sequence[Scheduled] = ()
    """What begins threads by itself."""
    told: Callable[[Job, Done, float], object] | None = None
    """Is told of each job what came of it, and how many seconds it took."""
    listen: Callable[[Any], Sequence[Listener]] | None = None
    """Makes further listeners for an agent, flow or graph over a tenant's store."""
    world: World = World()

    def __post_init__(self) -> None:
        check_worker(self)

    @cached_property
    def served(self) -> dict[tuple[str, str], Resumable]:
        """By tenant and name, each over its tenant's store."""
        found: dict[tuple[str, str], Resumable] = {}
        for runner in self.runners:
            for store in map(open_store, self.stores or [runner.store]):
                one = replace(runner, store=store)
                if self.listen:
                    one = replace(one, listeners=[*one.listeners, *self.listen(one)])
                found[tenant_of(store), runner.name] = one
        return found

    async def do(self, job: Job) -> float | None:
        """Do a job; the seconds after which it is to be done again, or None. Raises nothing."""
        clock = asyncio.get_running_loop().time
        began = clock()
        engine_here.set(self.engine)
        done = await self._see_to(job)
        if self.told:
            self.told(job, done, clock() - began)
        return done.again_s

    async def _see_to(self, job: Job) -> Done:
        runner = self.served.get((job.tenant, job.agent))
        if runner is None:
            again_s = SOON_S if job.agent in self.agents else AGAIN_S  # a tenant of other workers
            log = logger.info if job.agent in self.agents else logger.error
            log("%s isn't served here", job.id)
            return Done("unfit", again_s)
        try:
            if job.kind == "sweep":
                again_s = await self.sweep(job, runner)
                return Done("swept", None if job.name else again_s)
            if job.kind == "cron":
                return Done("looked", await self._begin_scheduled(job, runner))
            if job.kind == "child":
                return await self._drive_child(job, runner)
            return await self._resume_in_place(job, runner)
        except (Fenced, SeqTaken, Stopped) as error:
            return Done("interrupted", SOON_S, error=type(error).__name__)
        except (StoreError, EngineError) as error:
            logger.warning("%s: %s", job.id, redact_error(error))
            return Done("unavailable", STORE_S, error=type(error).__name__)
        except TreadleError as error:
            logger.error("%s can't go on here: %s", job.id, redact_error(error))
            return Done("unfit", AGAIN_S, error=type(error).__name__)
        except Exception as error:
            logger.error("%s met a bug", job.id, exc_info=redact_error(error))
            return Done("bug", AGAIN_S, error=type(error).__name__)

    async def _resume_in_place(self, job: Job, runner: Resumable) -> Done:
        """Resume the thread where fewer of the agent's threads are driven than may be.

        Else the job is dropped: who ends a thread has the next one looked for.
        """
        most = self.at_once.get(job.agent)
        store = open_store(runner.store)
        if most is None or not isinstance(store, Limiting):
            return await self._resume(job, runner)
        is_free = False
        try:
            with store.take_place(job.agent, most) as is_free:
                return await self._resume(job, runner) if is_free else Done("crowded")
        finally:  # also where it can't go on: the others were dropped meanwhile
            if is_free:
                with suppress(EngineError):
                    await self.engine.offer(Job("sweep", job.agent, "next", job.tenant))

    async def _resume(self, job: Job, runner: Resumable) -> Done:
        log = await open_log(job.name, open_store(runner.store), self.world)
        if not await is_due(log):
            if await is_driven(log):
                return Done("held", HELD_S)
            if not _is_held(log):
                return Done("idle")
        seq, lag_s = log.state.seq, find_lag_s(log)
        try:
            await runner.resume(job.name, **self._given(job, runner))
        except (ModelError, TurnFailed) as error:  # its thread says so
            return Done("failed", None, lag_s, type(error).__name__)
        await log.refresh()
        again_s: float | None = None
        if await is_due(log):
            again_s = 0.0 if log.state.seq != seq else SOON_S
        status = find_status(log.state)
        if status == "waiting" and log.state.seq == seq:
            again_s = None  # a poll has put its time off in the store's list, by which a sweep goes
        return Done(status, again_s, lag_s)

    async def _drive_child(self, job: Job, runner: Any) -> Done:
        deps = self.deps(job.name) if self.deps else None
        try:
            log = await drive_child(job.name, runner, deps)
        except (ModelError, TurnFailed) as error:  # its thread says so
            return Done("failed", error=type(error).__name__)
        return Done(find_status(log.state) if log else "idle")

    def _given(self, job: Job, runner: Resumable) -> dict[str, Any]:
        """The deps of a thread, for who takes any: a flow's code has its own."""
        if self.deps is None or "deps" not in signature(runner.resume).parameters:
            return {}
        return {"deps": self.deps(job.name)}

    async def sweep(self, job: Job, runner: Resumable) -> float:
        """Have all threads of this agent resumed that are due; the seconds to the next sweep."""
        clock = asyncio.get_running_loop().time
        began = clock()
        due = await runner.due()
        pause_s = max(self.every_s, SHARE * (clock() - began))
        chosen = self._choose(job, due)
        try:
            for first in range(0, len(chosen), OFFERS_AT_ONCE):
                names = chosen[first : first + OFFERS_AT_ONCE]
                jobs = [Job("resume", job.agent, name, job.tenant) for name in names]
                await asyncio.gather(*map(self.engine.offer, jobs))
        except EngineError as error:
            logger.warning("%s: %s", job.id, error)
        return pause_s

    def _choose(self, job: Job, due: list[str]) -> list[str]:
        """The threads to offer now: as many as may be driven at once, the one that was left first
        comes first. Besides, some of the others by turns: the first may be such as can't go on."""
        most = self.at_once.get(job.agent, len(due))
        first, others = due[:most], due[most:]
        if not others:
            return first
        turn = self._turns.get((job.tenant, job.agent), 0) % len(others)
        more = (others[turn:] + others[:turn])[:OFFERS_AT_ONCE]
        self._turns[job.tenant, job.agent] = turn + len(more)
        return first + more

    @cached_property
    def _turns(self) -> dict[tuple[str, str], int]:
        """By tenant and agent, with which of the other threads the next sweep begins."""
        return {}

    async def _begin_scheduled(self, job: Job, runner: Any) -> float | None:
        """Begin the thread of this line that is due, once; the seconds to its next time."""
        line = next((each for each in self.timetable if each.name == job.name), None)
        if line is None:
            return None  # it was taken out of the timetable
        now = self.world.now()
        if due := line.find_due(now):
            name = line.thread_at(due)
            if line.arguments is not None:
                begun = runner.options(thread=name, key=name, by=line.by)
                await begun.submit(**line.arguments)
            else:
                await runner.submit(UserSaid(line.said, by=line.by), thread=name, key=name)
        return line.seconds_to_next(now)

    @property
    def agents(self) -> list[str]:
        """The names of those whose jobs it does."""
        return [runner.name for runner in self.runners]

    @property
    def sweeps(self) -> list[Job]:
        """The sweep of each agent and tenant."""
        return [Job("sweep", agent, "", tenant) for tenant, agent in self.served]

    @property
    def lines(self) -> list[Job]:
        """Each line of the timetable, for each tenant."""
        return [
            Job("cron", agent, line.name, tenant)
            for tenant, agent in self.served
            for line in self.timetable
            if line.agent == agent
        ]

    async def keep_sweeping(self) -> None:
        """See to it that the engine knows of sweeps and timetable. Never ends by itself."""
        while True:
            with suppress(EngineError):
                for job in [*self.sweeps, *self.lines]:
                    await self.engine.offer(job)
            await asyncio.sleep(KNOWN_S)


def _is_held(log: Log) -> bool:
    """Whether somebody drives the thread's open turn, alive or frozen."""
    return log.state.is_open and find_beat(log) is not None


@asynccontextmanager
async def work(worker: Worker, most: int = 100) -> AsyncIterator[None]:
    """Do jobs, at most so many at once for each agent, until the block is left.

    Whoever leaves it has told the process to `stop` before. Raises EngineError.
    """
    check_kind("work(worker)", worker, Worker, "Worker([agent])")
    check_whole_number("work(most", most, 1)
    async with worker.engine.serve(worker.agents, worker.do, most):
        sweeping = asyncio.create_task(worker.keep_sweeping())
        try:
            yield
        finally:
            sweeping.cancel()
