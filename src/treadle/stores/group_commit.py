"""Group commit: one transaction, and one wait for the disk, for the appends of many threads.

A background thread does the waiting. It refers to the connection but not to its owner, so it ends
with `close()` or when the owner is garbage-collected.
"""

import _thread
import asyncio
import os
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from .connection import SharedConnection
from .store import Row

T = TypeVar("T")
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
        """Tell the waiting caller how it went; from any thread."""
        with suppress(RuntimeError):  # its event loop is closed, so nobody waits
            self.loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


class GroupCommit:
    """Commits appends in batches: a transaction takes all that came while the last one synced."""

    def __init__(self, connection: SharedConnection, insert: Insert) -> None:
        self._connection = connection
        self._insert = insert
        self._waiting: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._pid = 0
        """The process that the background thread runs in; 0 if there is none.

        After a fork, the thread and its work stay with the parent.
        """
        self._locks: dict[int, threading.Lock] = {}
        """What one event loop after the other holds to reach the queue, by process: a fork may come
        while another thread of the parent holds it."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Returns when the rows are on the disk.

        Raises SeqTaken, StoreError, sqlite3.DatabaseError, and whatever else `insert` raises.
        """
        loop = asyncio.get_running_loop()
        mine = _Append(thread_id, rows, loop, loop.create_future())
        with self._lock():
            if self._pid != os.getpid():
                waiting: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
                _thread.start_new_thread(_work, (waiting, self._connection, self._insert))
                weakref.finalize(self, waiting.put, None)
                self._waiting, self._pid = waiting, os.getpid()
            self._waiting.put(mine)
        # Even a cancelled caller waits: without the outcome, the log wouldn't know its next seq.
        await wait_to_the_end(mine.done)

    def close(self) -> None:
        """End the background thread and its connection, once everything that waits is written."""
        with self._lock():
            if self._pid == os.getpid():
                self._pid = 0
                self._waiting.put(None)

    def _lock(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())


def _work(
    waiting: "queue.SimpleQueue[_Append | None]", connection: SharedConnection, insert: Insert
) -> None:
    while (first := waiting.get()) is not None:
        batch = [first]
        while len(batch) < MAX_BATCH and not waiting.empty():
            more = waiting.get()
            if more is None:
                waiting.put(None)
                break
            batch.append(more)
        outcomes: list[BaseException | None]
        try:
            with connection as db:
                outcomes = _commit(db, batch, insert)
        except BaseException as error:  # whatever it is: they wait, and so would all that follow
            outcomes = [error] * len(batch)
        for append, outcome in zip(batch, outcomes, strict=True):
            append.settle(outcome)
    connection.close()


def _commit(
    db: sqlite3.Connection, batch: list[_Append], insert: Insert
) -> list[BaseException | None]:
    """The error of each append, or None. An append that is refused doesn't undo the others."""
    outcomes: list[BaseException | None] = []
    db.execute("begin immediate")
    try:
        for append in batch:
            db.execute("savepoint one")
            try:
                insert(db, append.thread_id, append.rows)
                outcomes.append(None)
            except Exception as error:
                if not db.in_transaction:  # SQLite has taken back all of it, as on a full disk
                    raise
                db.execute("rollback to one")
                outcomes.append(error)
            db.execute("release one")
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")
    return outcomes


async def wait_to_the_end(done: "asyncio.Future[T]") -> T:
    """Wait for the future, also while cancelled; the cancellation is raised afterwards."""
    cancelled = False
    while not done.done():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            cancelled = True
    result = done.result()
    if cancelled:
        raise asyncio.CancelledError
    return result
