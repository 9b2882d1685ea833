"""Notices what others write to the logs that are driven here: one timer for all logs of a store.

Ten times a second it asks the store whether anything was written at all, and only then which of the
logs have grown. So thousands of turns that wait for their models cost next to nothing. A store that
can't say that (stores/store.py: Watchable) has each of the logs read instead.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from ..core.errors import TreadleError
from ..stores.store import Store, Watchable
from .log import Log

WATCH_S = 0.1
"""How often a driver looks whether another process has taken its thread or ended its turn."""


class StoreWatch:
    """Watches the logs of one store that one event loop drives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        """Kept alive: `_watches` knows it by its identity."""
        self._watchable = store if isinstance(store, Watchable) else None
        """Found once: to ask that of a protocol costs more than a look."""
        self._logs: dict[Log, asyncio.Event] = {}
        self._version: object = None
        """The store's, when the logs were last compared with it; None: compare them anyway."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(WATCH_S, self._look)

    def add(self, log: Log, grown: asyncio.Event) -> None:
        """Set this event whenever the log may have grown since it was last looked at.

        The next look reads how far the logs are even if nothing was written since: something may
        have been missed before.
        """
        self._logs[log] = grown
        self._version = None

    def remove(self, log: Log) -> bool:
        """Watch it no longer. True if it was the last one: the watch has ended with it."""
        del self._logs[log]
        if not self._logs:
            self._timer.cancel()
        return not self._logs

    def _look(self) -> None:
        self._timer = self._loop.call_later(WATCH_S, self._look)
        for log in self._find_grown():
            self._logs[log].set()

    def _find_grown(self) -> list[Log]:
        """Those that the store has otherwise: they have grown, or their threads were deleted."""
        store = self._watchable
        if store is None:
            return list(self._logs)
        try:
            version = store.version()
            if version == self._version:
                return []
            seqs = store.last_seqs([log.thread_id for log in self._logs])
        except TreadleError:
            return []  # the drivers themselves will meet it
        self._version = version
        return [log for log in self._logs if seqs.get(log.thread_id, 0) != log.state.seq]


@contextlib.contextmanager
def watching(*logs: Log) -> Iterator[asyncio.Event]:
    """An event that is set whenever one of these logs may have grown."""
    grown = asyncio.Event()
    for log in logs:
        start_watching(log, grown)
    try:
        yield grown
    finally:
        for log in logs:
            stop_watching(log)


async def wait_at_most(seconds: float, event: asyncio.Event) -> None:
    """Wait until the event is set, or so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def start_watching(log: Log, grown: asyncio.Event) -> None:
    """Have this event set whenever the log may have grown. A log that is watched already is looked
    at once more, even if nothing was written since."""
    key = (asyncio.get_running_loop(), id(log.store))
    if key not in _watches:
        _watches[key] = StoreWatch(log.store)
    _watches[key].add(log, grown)


def stop_watching(log: Log) -> None:
    """Undo `start_watching`, in the same event loop."""
    key = (asyncio.get_running_loop(), id(log.store))
    if _watches[key].remove(log):
        del _watches[key]


_watches: dict[tuple[asyncio.AbstractEventLoop, int], StoreWatch] = {}
"""By event loop and the store's identity; the watch keeps both alive, so neither is reused."""
