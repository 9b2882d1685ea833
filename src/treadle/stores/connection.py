"""A connection to SQLite that many threads share and forks don't inherit. Nobody has to close it.

1. It is closed by its owner's `close()`, or when the owner is garbage-collected, or when the
   process ends.
2. A fork would inherit what SQLite knows of its file locks, but not the locks. When the parent then
   closed the file, it removed the write-ahead log that its child was using, and the child's commits
   were lost. So before a fork every connection is closed, once its user is finished; parent and
   child open new ones.
3. If the file was deleted, replaced or emptied while it is open, records would go on being written
   to a file that nobody finds again. So each use checks that the file at the path is still the
   opened one.
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
from .read_only import UnchangingFile

LOOK_EVERY_S = 0.0002
"""How old the last look at the path may be.

A look costs a sixth of an append, and a record that was appended just before the file was deleted
would be lost in any case.
"""
END_S = 1.0
"""How long the end of the process waits for a thread that uses a connection."""


class OpenFile:
    """The file that a path meant when it was opened first: the same for all its connections."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = "" if path is None else str(path)
        self._opened: tuple[int, int, bool] | None = None
        """As `_identify` names it; None while none is open."""
        self.lost = 0
        """How often another was found at the path. What was opened before that is closed."""

    def note_opened(self) -> None:
        """After the first connection was opened: it is this file."""
        self._opened = self._opened or _identify(self.path)

    def look(self) -> None:
        """Raise StoreError, once, if the file at the path is no longer the one that was opened."""
        if not self.path or self._opened is None or _identify(self.path) == self._opened:
            return
        self.forget()
        raise StoreError(
            f"{self.path} was deleted, replaced or emptied while it was in use."
            " The next use opens what is there then"
        )

    def forget(self) -> None:
        """Whatever is at the path is opened next."""
        self._opened = None
        self.lost += 1


class SharedConnection:
    """A connection that is opened at the first use.

    `with shared as db` gives one thread exclusive use. `file` is the one that it is to, if any.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], file: OpenFile | None = None
    ) -> None:
        self._connect = connect
        self._file = file or OpenFile()
        self._lost = 0
        """`OpenFile.lost` when it was opened."""
        self._looked = 0.0
        """When the path was last looked at, by the monotonic clock."""
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        """One connection or none.

        A list, so that the finalizer can close it without this object.
        """
        self.opened = 0
        """How many connections have been opened, one after the other."""
        weakref.finalize(self, _finalize, self._lock, self._open)
        _close_before_forks()[id(self)] = self

    def __enter__(self) -> sqlite3.Connection:
        """Raises what `connect` raises; StoreError if the file was deleted, replaced or emptied."""
        self._lock.acquire()
        try:
            if self._open and time.monotonic() - self._looked > LOOK_EVERY_S:
                self._look()
            if not self._open:
                self._file.look()
                self._open.append(self._connect())
                self.opened += 1
                self._file.note_opened()
                self._lost = self._file.lost
            return self._open[0]
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _look(self) -> None:
        try:
            self._file.look()
        finally:
            if self._lost != self._file.lost or isinstance(self._open[0], UnchangingFile):
                _close(self._open)
        self._looked = time.monotonic()

    def close(self) -> None:
        """Close it; the next use opens another. A database in memory is lost."""
        with self._lock:
            _close(self._open)

    def hold(self) -> None:
        """Lock it until `release`, and close it.

        Except if its database is in memory: forks may inherit that.
        """
        self._lock.acquire()
        if self._open and self._open[0].execute("pragma database_list").fetchone()[2]:
            _close(self._open)

    def release(self) -> None:
        self._lock.release()


def _identify(path: str) -> tuple[int, int, bool] | None:
    """The device and the number of the file at the path, and if it has content; None without one.

    A database in use has some, so an empty file is one that somebody has cut.
    """
    if not path:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size > 0


def _close(opened: list[sqlite3.Connection]) -> None:
    while opened:
        opened.pop().close()


def _finalize(lock: threading.Lock, opened: list[sqlite3.Connection]) -> None:
    # Only at the end of the process can another thread still have the lock.
    if lock.acquire(timeout=END_S):
        _close(opened)
        lock.release()


@functools.cache
def _close_before_forks() -> "weakref.WeakValueDictionary[int, SharedConnection]":
    """The connections of this process. The first call registers the hooks that forks run."""
    connections: weakref.WeakValueDictionary[int, SharedConnection] = weakref.WeakValueDictionary()
    held: list[SharedConnection] = []
    forking = threading.Lock()

    def before() -> None:
        forking.acquire()
        alive = [reference() for reference in connections.valuerefs()]
        for connection in filter(None, alive):
            connection.hold()
            held.append(connection)

    def after() -> None:
        while held:
            held.pop().release()
        forking.release()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
    return connections
