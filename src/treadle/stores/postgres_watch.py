"""Counts what is written to a tenant's logs: PostgreSQL tells a thread that listens (LISTEN).

1. A notice says only that there is something. Whoever follows a log reads it by seq.
2. While nobody listens, as when the server is restarted, anything may have been written: then the
   version is another one each time it is asked for.
3. What the store's own connections write counts at once; notices of it are left out.
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
_LOOK_S = 1.0
"""How often the thread that listens looks whether it is still wanted."""
_ASK_S = 10.0
"""How often it asks the server something, so that it notices when that has gone."""
_AGAIN_S = 0.5


class Watch:
    """The version of a tenant's logs."""

    def __init__(self, pool: Pool, channel: str) -> None:
        self.channel = channel
        self._pool = pool
        self._pid = 0
        """The process in which a thread listens; 0: none."""
        self._state = _State(pool)

    def note_own(self) -> None:
        """After an append of this store."""
        self._state.own += 1

    def version(self) -> Any:
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
        self._state.stop()


class _State:
    """What the thread that listens and those who ask have in common."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.listening = threading.Event()
        self.began = 0
        """How often it has begun to listen: in between, something may have been missed."""
        self.own = 0
        self.told = 0
        self.unknown = count()
        self.stopped = False

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
                state.began += 1
                state.listening.set()
                _count_notices(db, state)
        state.listening.clear()
        if not state.stopped:
            time.sleep(_AGAIN_S)


def _count_notices(db: "Connection[Any]", state: _State) -> None:
    asked = time.monotonic()
    while not state.stopped:
        for notice in db.notifies(timeout=_LOOK_S):
            if notice.pid not in state.pool.pids:
                state.told += 1
            if state.stopped or time.monotonic() - asked > _ASK_S:
                break
        if time.monotonic() - asked > _ASK_S:
            db.execute("select 1")
            asked = time.monotonic()
