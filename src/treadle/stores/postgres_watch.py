"""Counts what is written to a tenant's logs: PostgreSQL tells a thread that listens (LISTEN).

1. A notice says only that there is something. Whoever follows a log reads it by seq.
2. Notices are sent after an append by a thread of their own, one for all that came meanwhile: with
   a notice in it, a transaction holds a lock of the whole server until it is on the disk. So a
   process that dies may have told nobody. Whoever listens therefore also looks, twice a second, how
   far the positions have come, which each append moves on.
3. While nobody listens, as when the server is restarted, anything may have been written: then the
   version is another one each time it is asked for.
4. What the store's own connections write counts at once; notices of it are left out.
"""

import os
import threading
import time
import weakref
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from ..core.errors import StoreError
from .postgres_pool import Pool, import_psycopg

if TYPE_CHECKING:
    from psycopg import Connection

START_S = 2.0
"""How long the first question waits until somebody listens."""
LOOK_S = 0.5
"""How often the thread that listens looks at the positions, and whether it is still wanted."""
TELL_S = 0.005
"""How much time passes at least from one notice of a store to its next."""
_POSITION = "select last_value from treadle.position"
_TELL = "select pg_notify(%s, '')"
_AGAIN_S = 0.5


class Watch:
    """The version of a tenant's logs."""

    def __init__(self, pool: Pool, channel: str) -> None:
        self.channel = channel
        self._pool = pool
        self._pid = 0
        """The process in which a thread listens; 0: none."""
        self._state = _State(pool)
        self._telling_pid = 0
        """The process in which a thread tells others; 0: none."""
        self._due = _Due()

    def note_own(self, position: int) -> None:
        """After an append of this store, which has put a thread at this position."""
        self._state.note_own(position)

    def tell(self) -> None:
        """Let others know soon that something was written."""
        if self._telling_pid != os.getpid():
            self._telling_pid = os.getpid()
            self._due = _Due()
            threading.Thread(
                target=_tell,
                args=(self._due, self._pool, self.channel),
                name="treadle-tell",
                daemon=True,
            ).start()
            weakref.finalize(self, self._due.stop)
        self._due.set()

    def version(self) -> object:
        """A value that differs from the one before if anything was written."""
        if self._pid != os.getpid():
            self._listen()
        state = self._state
        if not state.listening.is_set():
            return "unknown", next(state.unknown)
        return state.began, state.own, state.told

    def _listen(self) -> None:
        self._pid = os.getpid()
        self._state.stop()
        self._state = _State(self._pool)
        threading.Thread(
            target=_listen, args=(self._state, self.channel), name="treadle-listen", daemon=True
        ).start()
        weakref.finalize(self, self._state.stop)
        self._state.listening.wait(START_S)

    def close(self) -> None:
        """End the thread that listens; the next question starts another."""
        self._pid = 0
        self._telling_pid = 0
        self._state.stop()
        self._due.stop()


class _Due(threading.Event):
    """Set while something is yet to be told."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True
        self.set()


class _State:
    """What the thread that listens and those who ask have in common."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.listening = threading.Event()
        self.began = 0
        """How often it has begun to listen: in between, something may have been missed."""
        self.own = 0
        self.told = 0
        self.position = 0
        """The highest that is accounted for in the numbers above."""
        self.unknown = count()
        self.stopped = False
        self._lock = threading.Lock()

    def note_own(self, position: int) -> None:
        with self._lock:
            self.own += 1
            if position == self.position + 1:  # else somebody was in between
                self.position = position

    def note_position(self, position: int) -> None:
        """What the server says: others have written if it isn't what is accounted for."""
        with self._lock:
            if position > self.position:
                self.told += 1
                self.position = position

    def stop(self) -> None:
        self.stopped = True
        self.listening.clear()


def _listen(state: _State, channel: str) -> None:
    """What the thread does: listen, and where that breaks off, listen anew."""
    psycopg = import_psycopg()
    while not state.stopped:
        with suppress(psycopg.Error, StoreError):
            db = state.pool.connect()
            with db:
                db.execute(f'listen "{channel}"'.encode())
                state.note_position(_read_position(db))
                state.began += 1
                state.listening.set()
                _count_notices(db, state)
        state.listening.clear()
        if not state.stopped:
            time.sleep(_AGAIN_S)


def _count_notices(db: "Connection[Any]", state: _State) -> None:
    while not state.stopped:
        # Not in the loop: until it has ended, it has the connection alone.
        notices = list(db.notifies(timeout=LOOK_S, stop_after=1))
        if any(notice.pid not in state.pool.pids for notice in notices):
            state.told += 1
        state.note_position(_read_position(db))


def _read_position(db: "Connection[Any]") -> int:
    row = db.execute(_POSITION).fetchone()
    assert row is not None
    return int(row[0])


def _tell(due: _Due, pool: Pool, channel: str) -> None:
    """What the other thread does: send one notice for all that is due."""
    psycopg = import_psycopg()
    while not due.stopped:
        with suppress(psycopg.Error, StoreError), pool.connect() as db:
            pool.pids.add(db.info.backend_pid)
            db.execute("set synchronous_commit = off")  # a notice that is lost does no harm
            while due.wait() and not due.stopped:
                due.clear()
                db.execute(_TELL, (channel,))
                time.sleep(TELL_S)
        if not due.stopped:
            time.sleep(_AGAIN_S)
