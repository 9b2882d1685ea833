"""The Engine protocol: what brings jobs to workers, on one machine or on many.

1. The log stays the only truth. A job says "see to this thread", and no more: to do it twice, late,
   or where there is nothing left to do, is harmless.
2. So an engine needs no promises but these: a job that was accepted is done by some worker, again
   if that one dies, and once more if it was submitted while it was being done.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec


class Job(msgspec.Struct, frozen=True):
    """What a worker is to do."""

    kind: Literal["resume", "child", "sweep", "cron"]
    """Resume a thread; drive a child whose parent waits for it at another worker; look for threads
    that are due; begin what a timetable names."""
    agent: str
    """The agent or flow whose code it needs: only workers that serve it get the job."""
    name: str = ""
    """The thread, or the line of the timetable."""
    tenant: str = ""
    """Whose threads they are; "" where the store has no tenants."""

    @property
    def id(self) -> str:
        """Names the job: two with one id are never done at once."""
        parts = (self.tenant, self.agent, self.name)
        return "/".join((self.kind, *(_escape(part) for part in parts)))

    @property
    def takes_place(self) -> bool:
        """Whether it counts among those that are done at once. No child does: its parent holds a
        place while it waits for it. Nor does what only looks, which turns would hold up."""
        return self.kind == "resume"


def _escape(part: str) -> str:
    """The part without slashes, as no other part is written."""
    return part.replace("%", "%25").replace("/", "%2F")


Work = Callable[[Job], Awaitable[float | None]]
"""Does a job. Gives None once it is done, or the seconds after which it is to be done again."""


class Queue(msgspec.Struct, frozen=True):
    """What an engine knows of the jobs of one agent."""

    agent: str
    waiting: int
    """Jobs that no worker has begun, as far as the engine counts them."""
    oldest_s: float
    """How long the first of them has waited, in seconds."""
    workers: tuple[str, ...]
    """Those that have asked for work of late."""


class Engine(Protocol):
    """Brings jobs to workers."""

    async def submit(self, job: Job) -> None:
        """Have the job done soon; one that is being done just now is done once more.

        Raises EngineError where the engine can't be reached.
        """
        ...

    async def offer(self, job: Job) -> None:
        """As `submit`, but a job that waits already, or is being done, is left at that."""
        ...

    def serve(
        self, agents: Collection[str], work: Work, most: int
    ) -> AbstractAsyncContextManager[None]:
        """Do jobs of these agents until the block is left, of those that take a place at most so
        many of each agent at once.

        Then no new one begins; those under way are waited for, so whoever leaves the block has told
        them to stop. Raises EngineError.
        """
        ...

    async def look(self, agents: Collection[str]) -> list[Queue]:
        """The queue of each of these agents. Raises EngineError."""
        ...
