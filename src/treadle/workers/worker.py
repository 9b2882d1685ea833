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
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Protocol

import msgspec

from ..core.due import next_look
from ..core.errors import (
    EngineError,
    Fenced,
    ModelError,
    Stopped,
    StoreError,
    TreadleError,
    TurnFailed,
    UsageError,
)
from ..core.result import Result
from ..core.status import find_status
from ..engines import Engine, Job
from ..models.known_secrets import redact_error
from ..runtime.drives import find_beat
from ..runtime.due import is_due
from ..runtime.log import Log, open_log
from ..runtime.world import World
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store, tenant_of

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
KNOWN_S = 10.0
"""How often a worker makes sure that the engine knows of the sweeps: it may have lost them."""

logger = logging.getLogger("treadle")


class Resumable(Protocol):
    """An agent, a flow or a graph."""

    @property
    def name(self) -> str:
        """What its threads call it."""
        ...

    @property
    def store(self) -> GivenStore:
        """Where they are."""
        ...

    async def due(self) -> list[str]:
        """The threads that `resume` would bring forward now."""
        ...

    @property
    def resume(self) -> Callable[..., Coroutine[Any, Any, Result[Any]]]:
        """Bring the thread to its end: `resume(thread)`, of agents with `deps=`, too."""
        ...


class Done(msgspec.Struct, frozen=True):
    """What came of a job, once a worker has seen to it."""

    outcome: str
    """The status of the thread that was resumed; `idle` where there was nothing to do, `held` where
    somebody alive drives it; `swept`; else why it wasn't done: `interrupted`, `unavailable`,
    `refused`, `bug`."""
    again_s: float | None = None
    """The seconds after which it is to be done again."""
    lag_s: float | None = None
    """How long the thread had been due, in seconds; None where none was resumed."""
    error: str = ""
    """The kind of the error that ended it."""


@dataclass(frozen=True)
class Worker:
    """What does the jobs of some agents and flows, for the tenants whose stores it has."""

    runners: Mapping[tuple[str, str], Resumable]
    """By tenant and name, each over its tenant's store."""
    engine: Engine
    deps: Callable[[str], Any] | None = None
    """Makes the deps of an agent's thread from its name."""
    every_s: float = 2.0
    """The pause between two sweeps, in seconds."""
    told: Callable[[Job, Done, float], object] | None = None
    """Is told of each job what came of it, and how many seconds it took."""

    async def do(self, job: Job) -> float | None:
        """Do a job; the seconds after which it is to be done again, or None. Raises nothing."""
        clock = asyncio.get_running_loop().time
        began = clock()
        done = await self._see_to(job)
        if self.told:
            self.told(job, done, clock() - began)
        return done.again_s

    async def _see_to(self, job: Job) -> Done:
        runner = self.runners.get((job.tenant, job.agent))
        if runner is None:
            logger.error("%s isn't served here", job.id)
            return Done("refused", AGAIN_S)
        try:
            if job.kind == "sweep":
                return Done("swept", await self.sweep(job, runner))
            return await self._resume(job, runner)
        except (Fenced, Stopped) as error:
            return Done("interrupted", SOON_S, error=type(error).__name__)
        except (StoreError, EngineError) as error:
            logger.warning("%s: %s", job.id, redact_error(error))
            return Done("unavailable", STORE_S, error=type(error).__name__)
        except TreadleError as error:
            logger.error("%s can't go on here: %s", job.id, redact_error(error))
            return Done("refused", AGAIN_S, error=type(error).__name__)
        except Exception as error:
            logger.error("%s met a bug", job.id, exc_info=redact_error(error))
            return Done("bug", AGAIN_S, error=type(error).__name__)

    async def _resume(self, job: Job, runner: Resumable) -> Done:
        log = await open_log(job.name, open_store(runner.store), World())
        if not await is_due(log):
            return Done("held", HELD_S) if _is_held(log) else Done("idle")
        seq, lag_s = log.state.seq, _find_lag_s(log)
        try:
            await runner.resume(job.name, **self._given(job, runner))
        except (ModelError, TurnFailed) as error:  # its thread says so
            return Done("failed", None, lag_s, type(error).__name__)
        await log.refresh()
        again_s: float | None = None
        if await is_due(log):
            again_s = 0.0 if log.state.seq != seq else SOON_S
        return Done(find_status(log.state), again_s, lag_s)

    def _given(self, job: Job, runner: Resumable) -> dict[str, Any]:
        """The deps of a thread, for who takes any: a flow's code has its own."""
        if self.deps is None or "deps" not in signature(runner.resume).parameters:
            return {}
        return {"deps": self.deps(job.name)}

    async def sweep(self, job: Job, runner: Resumable) -> float:
        """Have all threads of this agent resumed that are due; the seconds to the next sweep."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for name in await runner.due():
            await self.engine.offer(Job("resume", job.agent, name, job.tenant))
        return max(self.every_s, SHARE * (loop.time() - began))

    @property
    def agents(self) -> list[str]:
        """The names of those whose jobs it does."""
        return sorted({agent for _, agent in self.runners})

    @property
    def sweeps(self) -> list[Job]:
        """The sweep of each agent and tenant."""
        return [Job("sweep", agent, "", tenant) for tenant, agent in self.runners]

    async def keep_sweeping(self) -> None:
        """See to it that the engine knows of the sweeps. Never ends by itself."""
        while True:
            with suppress(EngineError):
                for job in self.sweeps:
                    await self.engine.offer(job)
            await asyncio.sleep(KNOWN_S)


def _is_held(log: Log) -> bool:
    """Whether somebody alive drives the thread's open turn."""
    return log.state.is_open and find_beat(log) is not None


def _find_lag_s(log: Log) -> float:
    """How long the thread has been due: since it was left alone, or since its time came."""
    now, since, look = log.world.now(), log.records[-1].at, next_look(log.state)
    if look is not None and look <= now:
        since = max(since, look)
    return max(0.0, now - since)


def make_worker(
    runners: Sequence[Any],
    engine: Engine,
    stores: Collection[Store] = (),
    deps: Callable[[str], Any] | None = None,
    every_s: float = 2.0,
) -> Worker:
    """A worker for these agents, flows and graphs; each over these stores, or else its own.

    Raises UsageError where there is nothing to do, and for two of one name.
    """
    if not runners:
        raise UsageError("a worker has nothing to resume; give it agents, flows or graphs")
    by_name: dict[tuple[str, str], Any] = {}
    for runner in runners:
        for store in stores or [open_store(runner.store)]:
            place = (tenant_of(store), runner.name)
            if place in by_name:
                raise UsageError(
                    f"two of those to resume are named {runner.name!r}; give each a name of its own"
                )
            by_name[place] = replace(runner, store=store)
    return Worker(by_name, engine, deps, every_s)


@asynccontextmanager
async def work(worker: Worker, most: int = 100) -> AsyncIterator[None]:
    """Do jobs, at most so many at once for each agent, until the block is left.

    Whoever leaves it has told the process to `stop` before. Raises EngineError.
    """
    async with worker.engine.serve(worker.agents, worker.do, most):
        sweeping = asyncio.create_task(worker.keep_sweeping())
        try:
            yield
        finally:
            sweeping.cancel()
