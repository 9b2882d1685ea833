"""Connections to PostgreSQL that threads take turns with: a store's questions run in these threads.

1. Psycopg's own async connections belong to one event loop; a store is used from several. So
   questions run in a few threads of the store's own, and every event loop awaits them.
2. Where the server has gone, as for a restart, a question is asked again on a new connection, for
   RETRY_S at most. Whoever writes must therefore say what a second try means (`postgres.py`).
3. A child process of a fork opens its own: connections are the parent's.
"""

import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import StoreError, UsageError
from .postgres_schema import migrate

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
Db = "Connection[Any]"

RETRY_S = 15.0
"""For how long a question is asked again of a server that has gone."""
_PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Between the tries; then the last one."""
_SETTINGS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "treadle",
}
"""Unless the URL says otherwise: a server that can't be reached is noticed within half a minute."""
_SESSION = """
select set_config('treadle.tenant', %s, false),
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false)
"""
"""So does the server notice a client that can't be reached, and lets go of its locks."""
_inherited: list[Any] = []
"""Connections of the parent process: never used nor closed, since it uses them."""


def import_psycopg() -> Any:
    """The module. Raises UsageError where it isn't installed."""
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(f"PostgreSQL needs: pip install 'treadle[postgres]' ({error})") from None
    return psycopg


class Pool:
    """The connections of one store to its database, for one tenant."""

    def __init__(self, url: str, tenant: str, place: str, connections: int) -> None:
        self.place = place
        """The database in words, without a password."""
        self.retry_s = RETRY_S
        self._url = url
        self._tenant = tenant
        self._most = connections
        self._idle: deque[Connection[Any]] = deque()
        self._executor: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self.pids: set[int] = set()
        """The server's processes that these connections talk with."""
        weakref.finalize(self, _close_all, self._idle)

    def executor(self) -> ThreadPoolExecutor:
        self._look_for_fork()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, "treadle-postgres")
        return self._executor

    def connect(self) -> "Connection[Any]":
        """A new connection, of this tenant, to a database with the current schema.

        Raises psycopg.OperationalError, StoreError.
        """
        psycopg = import_psycopg()
        given = psycopg.conninfo.conninfo_to_dict(self._url)
        db: Connection[Any] = psycopg.connect(**(_SETTINGS | given), autocommit=True)
        try:
            db.execute(_SESSION, (self._tenant,))
            migrate(db, self.place)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def connection(self) -> Iterator["Connection[Any]"]:
        """A connection for one thread, in no transaction; kept for the next one if it is whole."""
        self._look_for_fork()
        try:
            db = self._idle.pop()
        except IndexError:
            db = self.connect()
            self.pids.add(db.info.backend_pid)
        try:
            yield db
        finally:
            if db.closed:
                self.pids.discard(db.info.backend_pid)
            else:
                self._idle.append(db)

    def ask(self, question: Callable[["Connection[Any]"], T], retry_s: float | None = None) -> T:
        """The answer to a question, in this thread. Raises StoreErrors.

        It may be asked twice, where nobody knows whether the first time had an effect.
        """
        psycopg = import_psycopg()
        until = time.monotonic() + (self.retry_s if retry_s is None else retry_s)
        tries = 0
        while True:
            try:
                with self.connection() as db:
                    return question(db)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                lost: Exception = error
            except psycopg.OperationalError as error:
                lost = error
                _close_all(self._idle)  # they are of the same server
                if not _may_pass(error):
                    raise StoreError(self.describe(error)) from error
            except psycopg.Error as error:
                raise StoreError(self.describe(error)) from error
            pause = _PAUSES_S[min(tries, len(_PAUSES_S) - 1)]
            tries += 1
            if time.monotonic() + pause > until:
                raise StoreError(self.describe(lost)) from lost
            time.sleep(pause)

    def describe(self, error: Exception) -> str:
        """What has failed, on one line."""
        return f"{self.place}: {' '.join(str(error).split())}"

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens others."""
        self._look_for_fork()
        if self._executor:
            self._executor.shutdown()
            self._executor = None
        _close_all(self._idle)

    def _look_for_fork(self) -> None:
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        _inherited.append((self._executor, list(self._idle)))
        self._idle.clear()
        self.pids.clear()
        self._executor = None


def _close_all(idle: "deque[Connection[Any]]") -> None:
    while idle:
        idle.pop().close()


def _may_pass(error: Any) -> bool:
    """Whether the server may be there again soon: not for a wrong password or name."""
    if error.sqlstate is not None:
        return str(error.sqlstate)[:3] in ("57P", "080", "530")
    said = str(error)
    wrong = ("authentication", "does not exist", "could not translate", "no pg_hba", "role ")
    return not any(word in said for word in wrong)
