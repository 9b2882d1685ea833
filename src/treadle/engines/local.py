"""An engine within one process: jobs are tasks of its event loop."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from .engine import Job, Queue, Work


@dataclass
class _Doing:
    """A job that waits for its turn, is done, or is to be done again."""

    job: Job
    waits_since: float | None
    """By the monotonic clock; None while it is done."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where it was submitted again."""
    task: "asyncio.Task[None] | None" = None


class LocalEngine:
    """Brings jobs to the worker of the same process. What a crash leaves is found by its sweep."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._places: dict[str, asyncio.Semaphore] = {}
        """By agent, what its turns need."""
        self._doing: dict[str, _Doing] = {}

    async def submit(self, job: Job) -> None:
        if job.id in self._doing:
            self._doing[job.id].asked.set()
        await self.offer(job)

    async def offer(self, job: Job) -> None:
        if job.id not in self._doing and self._work:
            doing = _Doing(job, time.monotonic())
            self._doing[job.id] = doing
            doing.task = asyncio.create_task(self._see_to(doing, self._work))

    @asynccontextmanager
    async def serve(self, agents: Collection[str], work: Work, most: int) -> AsyncIterator[None]:
        self._work = work
        self._places = defaultdict(lambda: asyncio.Semaphore(most))
        try:
            yield
        finally:
            self._work = None
            tasks: list[asyncio.Task[None]] = []
            for doing in self._doing.values():
                assert doing.task
                if doing.waits_since is not None:
                    doing.task.cancel()
                tasks.append(doing.task)
            await asyncio.gather(*tasks, return_exceptions=True)
            self._doing.clear()  # one that was cancelled before its first step is still there

    async def look(self, agents: Collection[str]) -> list[Queue]:
        queues: list[Queue] = []
        for agent in agents:
            waited = [
                time.monotonic() - doing.waits_since
                for doing in self._doing.values()
                if doing.job.agent == agent and doing.waits_since is not None
            ]
            queues.append(Queue(agent, len(waited), max(waited, default=0.0), ()))
        return queues

    async def _see_to(self, doing: _Doing, work: Work) -> None:
        """Do the job until there is nothing left to do."""
        try:
            while self._work:
                places = self._places[doing.job.agent] if doing.job.takes_place else nullcontext()
                async with places:
                    doing.waits_since = None
                    doing.asked.clear()
                    again_s = await work(doing.job)
                if self._work is None:  # whoever leaves waits for it
                    return
                doing.waits_since = time.monotonic()
                if again_s is None and not doing.asked.is_set():
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(doing.asked.wait(), again_s or 0)
        finally:
            del self._doing[doing.job.id]
