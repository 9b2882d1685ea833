"""Who watches a thread: callables that are told of records and text, aside from the turn, and can't steer it."""

import _thread
import asyncio
import contextlib
import logging
import queue
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from ..core.events import Record

T = TypeVar("T")


class Delta(msgspec.Struct, frozen=True):
    """A piece of what the model is writing. Shown, never logged: the reply will hold it all."""

    thread_id: str
    text: str
    thinking: bool = False
    """It is what the model thinks, and not said to the person."""


Listener = Callable[[Record | Delta], None]
"""What it returns changes nothing; what it raises goes to the logger `treadle`."""

_log = logging.getLogger("treadle")

LISTENER_GRACE_S = 5.0
"""How long the end of a turn waits for listeners that lag behind."""


class BackgroundListener:
    """Calls listeners one after the other in a thread of its own, in order, so that a slow one slows no turn."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._waiting: queue.SimpleQueue[Record | Delta | Callable[[], None]] = queue.SimpleQueue()
        self._running = False

    def tell(self, what: Record | Delta) -> None:
        """Never waits."""
        if not self._running:
            self._running = True
            _thread.start_new_thread(self._work, ())
        self._waiting.put(what)

    async def drain(self) -> None:
        """Until all that was told has been heard, or PATIENCE_S have passed. Ends the thread."""
        if self._running:
            self._running = False
            loop, heard = asyncio.get_running_loop(), asyncio.Event()

            def say() -> None:
                with contextlib.suppress(RuntimeError):  # the loop that waited is closed
                    loop.call_soon_threadsafe(heard.set)

            self._waiting.put(say)
            try:
                await asyncio.wait_for(heard.wait(), LISTENER_GRACE_S)
            except TimeoutError:
                _log.warning(
                    "a listener lags behind by more than %g s; the turn has ended without it",
                    LISTENER_GRACE_S,
                )

    def _work(self) -> None:
        while True:
            what = self._waiting.get()
            if not isinstance(what, Record | Delta):
                what()
                return
            for listener in self._listeners:
                try:
                    listener(what)
                except Exception:  # a watcher's fault is its own
                    _log.exception("listener %r raised; the turn goes on", listener)


async def stream_events(
    start: Callable[[Listener], Coroutine[Any, Any, T]],
) -> AsyncGenerator[Delta | Record | T, None]:
    """What a listener of this work is told, as it comes, and what the work gives last. Left early, it is cancelled."""
    queue: asyncio.Queue[Delta | Record | None] = asyncio.Queue()
    task = asyncio.create_task(start(queue.put_nowait))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (item := await queue.get()) is not None:
            yield item
        yield await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
