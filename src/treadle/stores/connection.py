"""One connection to SQLite, for many threads, that no fork carries over and that nobody has to close.

1. It is closed by its owner's `close()`; else when its owner is garbage, at the latest when the process ends.
2. What SQLite knows of its locks would be inherited by a fork, and the locks themselves would not: when the parent
   closed the file, it took the write-ahead log from under its child, whose commits were lost. So a fork waits for
   whoever uses a connection and closes it first; both sides open another when they need one.
3. A file that was deleted or replaced while it was open would go on taking records that nobody
   finds again. So a use looks whether the file at the path is still the one that was opened.
"""

import functools
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from ..core.errors import StoreError

LOOK_EVERY_S = 0.0002
"""How old a look at the path may be. A look costs a sixth of an append, and a record that was
appended so shortly before the file was deleted would be as lost."""
END_S = 1.0
"""How long the end of the process waits for a thread that uses a connection; then the system closes it."""


class Connection:
    """Opened at the first use. Whoever has it (`with connection as db`) has it alone."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], path: Path | None = None) -> None:
        self._connect = connect
        self._path = "" if path is None else str(path)
        self._opened: tuple[int, int] | None = None
        """The file that the connection is to."""
        self._looked = 0.0
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        """One or none. A list, so that it can be closed when this object is gone."""
        weakref.finalize(self, _end, self._lock, self._open)
        _known()[id(self)] = self

    def __enter__(self) -> sqlite3.Connection:
        """Raises what opening raises, and StoreError where the file is no longer the one opened."""
        self._lock.acquire()
        try:
            if not self._open:
                self._open.append(self._connect())
                self._opened = _identify(self._path)
            elif self._path and time.monotonic() - self._looked > LOOK_EVERY_S:
                self._look()
            return self._open[0]
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _look(self) -> None:
        if _identify(self._path) != self._opened:
            _close(self._open)
            raise StoreError(
                f"{self._path} was deleted or replaced while it was in use."
                " The next use opens what is there then"
            )
        self._looked = time.monotonic()

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


def _identify(path: str) -> tuple[int, int] | None:
    """Which file this is; None where there is none."""
    if not path:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


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
