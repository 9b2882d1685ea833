"""One connection to SQLite, for many threads, that no fork carries over.

What SQLite knows of its locks would be inherited, and the locks themselves would not: when the parent closed the file,
it took the write-ahead log from under its child, whose commits were lost. So a fork waits for whoever uses a connection
and closes it first; both sides open another when they need one.
"""

import functools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable


class Connection:
    """Opened at the first use. Whoever has it (`with connection as db`) has it alone."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        _known()[id(self)] = self

    def __enter__(self) -> sqlite3.Connection:
        """Raises what opening raises."""
        self._lock.acquire()
        try:
            if self._open is None:
                self._open = self._connect()
            return self._open
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        """Close it; the next use opens another. What is in memory is gone."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def hold(self) -> None:
        """Let nobody use it before `release`, and close it if it is of a file: what is in memory can be inherited."""
        self._lock.acquire()
        if self._open is not None and self._open.execute("pragma database_list").fetchone()[2]:
            self._open.close()
            self._open = None

    def release(self) -> None:
        self._lock.release()


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
