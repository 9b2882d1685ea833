"""Group commit: appends of many threads, made durable together, in a thread that may wait for the disk.

The thread knows the connection, not its owner: it ends with `close()`, else when the owner is garbage.
"""

import _thread
import asyncio
import os
import queue
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import StoreError
from .connection import Connection
from .store import Row

Insert = Callable[[sqlite3.Connection, str, Sequence[Row]], None]

MAX_BATCH = 500
"""Appends in one transaction."""


@dataclass(frozen=True)
class _Append:
    thread_id: str
    rows: Sequence[Row]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[None]"

    def settle(self, error: BaseException | None) -> None:
        def tell() -> None:
            if not self.done.done():
                self.done.set_exception(error) if error else self.done.set_result(None)

        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(tell)


class GroupCommit:
    """One connection, one thread; each transaction takes all the appends that have come while the last one synced."""

    def __init__(self, connection: Connection, insert: Insert) -> None:
        self._connection = connection
        self._insert = insert
        self._waiting: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._pid = 0
        """Of the process whose thread works; 0: none does. A fork leaves the thread, and its work, with the parent."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Comes back when the rows are on the disk. Raises SeqTaken, StoreError, sqlite3.DatabaseError."""
        loop = asyncio.get_running_loop()
        mine = _Append(thread_id, rows, loop, loop.create_future())
        if self._pid != os.getpid():
            self._waiting, self._pid = queue.SimpleQueue(), os.getpid()
            _thread.start_new_thread(_work, (self._waiting, self._connection, self._insert))
            weakref.finalize(self, self._waiting.put, None)
        self._waiting.put(mine)
        # A cancelled caller must still learn whether its rows are there: the log would lose its place else.
        await _finished(mine.done)

    def close(self) -> None:
        """End the thread and its connection when all that waits is written."""
        if self._pid == os.getpid():
            self._pid = 0
            self._waiting.put(None)


def _work(
    waiting: "queue.SimpleQueue[_Append | None]", connection: Connection, insert: Insert
) -> None:
    while (first := waiting.get()) is not None:
        batch = [first]
        while len(batch) < MAX_BATCH and not waiting.empty():
            more = waiting.get()
            if more is None:
                waiting.put(None)
                break
            batch.append(more)
        try:
            with connection as db:
                outcomes = _commit(db, batch, insert)
        except (StoreError, sqlite3.DatabaseError) as error:
            outcomes = [error] * len(batch)
        for append, outcome in zip(batch, outcomes, strict=True):
            append.settle(outcome)
    connection.close()


def _commit(
    db: sqlite3.Connection, batch: list[_Append], insert: Insert
) -> list[BaseException | None]:
    """What became of each: one that is refused takes none of the others with it."""
    outcomes: list[BaseException | None] = []
    db.execute("begin immediate")
    try:
        for append in batch:
            db.execute("savepoint one")
            try:
                insert(db, append.thread_id, append.rows)
                outcomes.append(None)
            except StoreError as error:
                db.execute("rollback to one")
                outcomes.append(error)
            db.execute("release one")
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return outcomes


async def _finished(done: "asyncio.Future[None]") -> None:
    cancelled = False
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            cancelled = True
    done.result()
    if cancelled:
        raise asyncio.CancelledError
