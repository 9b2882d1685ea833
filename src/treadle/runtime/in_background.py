"""Calls of tools that run in the background: the loop goes on, and waits for them only at its end.

1. They are the driver's: none is left running when its loop ends. Where the driver is to stop they
   get their time; else they are cancelled, as a call is that the loop waits for.
2. One that is to be tried again after a while keeps neither the model nor other calls waiting.
3. A call that isn't open any more, since the turn has ended or has come to a limit, is cancelled.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..core.call import CallState
from ..core.errors import IllegalEvent, Stopped
from .drives import rest
from .log import Log
from .waiting_children import ChildWatch


class BackgroundCalls:
    """The calls of one log that run beside its driver's loop."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._grown = asyncio.Event()
        self._below = ChildWatch(log)
        self._looked_at = 0.0
        """When the loop last decided what to do."""
        self._due: dict[tuple[str, int], float] = {}
        """By id and attempt, when the next attempt begins, by the clock that never jumps."""

    def start(self, call_id: str, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin an attempt of this call, which appends what came of it."""
        self._tasks[call_id] = asyncio.create_task(self._run(call_id, attempt))

    async def _run(self, call_id: str, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await attempt()
        except IllegalEvent:
            if call_id in self._log.state.calls:
                raise

    async def settle(self) -> None:
        """Forget those that are over, and cancel those whose calls are. Raises what they raise."""
        self._looked_at = self._log.world.now()
        for call_id, task in list(self._tasks.items()):
            if not task.done() and call_id not in self._log.state.calls:
                task.cancel()
                await asyncio.wait({task})
            if task.done():
                del self._tasks[call_id]
                if not task.cancelled():
                    task.result()

    async def rest(self, calls: Sequence[CallState]) -> tuple[CallState, ...]:
        """Wait as long as those of these that are to be tried again want; those that may start.

        Of calls that the model doesn't wait for, these are the first, and none where the log grows
        meanwhile: what is said comes first.
        """
        waits_s = [call.retry_after_s for call in calls if call.status == "retrying"]
        if not any(waits_s):
            return tuple(calls)
        now = self._log.world.monotonic()
        for call in calls:  # what is written meanwhile begins no wait anew
            self._due.setdefault((call.id, call.attempt), now + call.retry_after_s)
        due = [self._due[call.id, call.attempt] for call in calls]
        if not all(call.deferred for call in calls):
            await rest(self._log, max(0.0, max(due) - now))
            return tuple(calls)
        earliest = min(due)
        self._grown.clear()
        seq = self._log.state.seq
        await rest(self._log, max(0.0, earliest - now), self._grown)
        if self._log.state.seq != seq:
            return ()
        return tuple(call for call in calls if self._due[call.id, call.attempt] <= earliest)

    async def wait(self, seq: int) -> bool:
        """Wait until there may be something to do after this record; False where nothing runs here.

        Somebody has written to the log or to a child that waits, or a time has come.
        """
        if not self._tasks:
            return False
        self._grown.clear()
        if await self._below.has_news() or self._log.state.seq != seq:
            return True
        await self._below.wait(self._looked_at, self._grown, self._tasks.values())
        return True

    def hear(self, _: object) -> None:
        """A listener of the log."""
        self._grown.set()

    async def end(self, cancel: bool) -> None:
        """Wait for all that still run."""
        self._below.close()
        tasks = set(self._tasks.values())
        for task in tasks:
            if cancel:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # asyncio would warn of one that nobody has read


@asynccontextmanager
async def calls_in_background(log: Log) -> AsyncIterator[BackgroundCalls]:
    """What the log's driver runs in the background until the block is left."""
    calls = BackgroundCalls(log)
    before = log.listeners
    log.listeners += (calls.hear,)
    try:
        yield calls
    except Stopped:
        await calls.end(cancel=False)
        raise
    finally:
        log.listeners = before
        await calls.end(cancel=True)
