"""Engines for tests: one that only remembers what it was told, and one that has it done at once."""

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Any

from treadle.core.errors import EngineError
from treadle.engines import Job, Queue, Work


class Told:
    """An engine that remembers what it was told, perhaps late, or can't be reached."""

    def __init__(self, *, is_down: bool = False, after_s: float = 0) -> None:
        self.jobs: list[Job] = []
        self._is_down = is_down
        self._after_s = after_s

    async def submit(self, job: Job) -> None:
        await asyncio.sleep(self._after_s)
        if self._is_down:
            raise EngineError("it is down")
        self.jobs.append(job)

    async def offer(self, job: Job) -> None:
        await self.submit(job)

    def serve(
        self, agents: Collection[str], work: Work, most: int
    ) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError

    async def look(self, agents: Collection[str]) -> list[Queue]:
        if self._is_down:
            raise EngineError("it is down")
        mine = [[job for job in self.jobs if job.agent == agent] for agent in agents]
        return [
            Queue(agent, len(jobs), 0.0, ("w1",)) for agent, jobs in zip(agents, mine, strict=True)
        ]


class Hired(Told):
    """Has each thread resumed at once by this runner, which stands for a worker."""

    def __init__(self, runner: Any) -> None:
        super().__init__()
        self._runner = runner

    async def submit(self, job: Job) -> None:
        await super().submit(job)
        self._runner.resume_in_background(job.name)
