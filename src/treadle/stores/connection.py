"""One connection to SQLite, for many threads, that no fork carries over and that nobody has to close.

1. It is closed by its owner's `close()`; else when its owner is garbage, at the latest when the process ends.
2. What SQLite knows of its locks would be inherited by a fork, and the locks themselves would not: when the parent
   closed the file, it took the write-ahead log from under its child, whose commits were lost. So a fork waits for
   whoever uses a connection and closes it first; both sides open another when they need one.
"""

import functools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable

END_S = 1.0
"""How long the end of the process waits for a thread that uses a connection; then the system closes it."""


class Connection:
    """Opened at the first use. Whoever has it (`with connection as db`) has it alone."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        """One or none. A list, so that it can be closed when this object is gone."""
        weakref.finalize(self, _end, self._lock, self._open)
        _known()[id(self)] = self

    def __enter__(self) -> sqlite3.Connection:
        """Raises what opening raises."""
        self._lock.acquire()
        try:
            if not self._open:
                self._open.append(self._connect())
            return self._open[0]
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        """Close it; the next use opens another. What is in memory is gone."""
        with self._lock:
            _close(self._open)

    def hold(self) -> None:
        """Let nobody use it before `release`, and close it if it is of a file: what is in memory can be inherited."""
        self._lock.acquire()
        if self._open and self._open[0].execute("pragma database_list").fetchone()[2]:
            _close(self._open)

    def release(self) -> None:
        self._lock.release()


def _close(opened: list[sqlite3.Connection]) -> None:
    while opened:
        opened.pop().close()


def _end(lock: threading.Lock, opened: list[sqlite3.Connection]) -> None:
    if lock.acquire(
        timeout=END_S
    ):  # taken only at the end of the process, by a thread that outlives it
        _close(opened)
        lock.release()


@functools.cache
def _known() -> "weakref.WeakValueDictionary[int, Connection]":
    """The connections of this process. From the first time that it is asked for, forks hold them."""
    known: weakref.WeakValueDictionary[int, Connection] = weakref.WeakValueDictionary()
    held: list[Connection] = []
    forking = threading.Lock()

    def before() -> None:
        forking.acquire()
        for each in filter(None, [found() for found in known.valuerefs()]):
            each.hold()
            held.append(each)

    def after() -> None:
        while held:
            held.pop().release()
        forking.release()

    if hasattr(os, "register_at_fork"):  # where there are forks
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
    return known
