"""The API's view of the workers: what there is to do for them, by agent, and which there are."""

import asyncio

import msgspec

from ..workers.overview import Overview, read_overview
from .routes import Asked
from .served import Served

QUICK_S = 0.1
SHARE = 4
"""Reading takes as long as all open threads do. What took longer than QUICK_S is given once more
for SHARE times as long, so that the pages of many people don't keep the server busy."""


class WorkQueue(msgspec.Struct):
    """What there is to do for workers."""

    engine: bool
    """Whether an engine brings threads to workers; else this server resumes them itself."""
    agents: list[Overview]
    """Of those that are served."""


class QueueReader:
    """Reads the queue, once for all who ask meanwhile."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._lock = asyncio.Lock()
        self._read = WorkQueue(served.engine is not None, [])
        self._read_again_at = 0.0

    async def read(self) -> WorkQueue:
        """The queue, as it is or was a short while ago. Raises StoreErrors."""
        loop, served = asyncio.get_running_loop(), self._served
        async with self._lock:
            began = loop.time()
            if began >= self._read_again_at:
                self._read.agents = await read_overview(
                    served.store, served.engine, list(served.runners)
                )
                took_s = loop.time() - began
                self._read_again_at = loop.time() + SHARE * max(0.0, took_s - QUICK_S)
            return self._read


async def read_queue(asked: Asked) -> WorkQueue:
    """By agent: what is due, runs, waits and is parked; how many jobs the engine holds, and which
    workers ask for them."""
    reader: QueueReader = asked.request.app.state.queue
    return await reader.read()
