"""Says which claims living processes drive, on any machine: by locks and beats in PostgreSQL.

1. A driver holds an advisory lock of its session for each claim, and has a line in the table
   `driver`, whose beat it moves on twice a second as long as the claim's event loop turns. It takes
   the line away when it is done. Beats are times by the server's clock; those of clients are never
   looked at.
2. Where a line is there and its lock is free, its session has broken off: its process has died, or
   the server was restarted, or the network was cut. A living one takes its locks again within a
   second. So for GRACE_S such a claim counts as driven still, unless its process is known to be
   dead.
3. That a process is dead is known on its own machine alone, from the operating system. Of another
   machine nobody can know: it may be cut off, and work on. So `is_gone` is never true of a line of
   another machine, however old its beat is.
4. It only says whom not to disturb. That two drivers never both write is up to the log.
"""

import asyncio
import contextlib
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import StoreError
from .attendance import BEAT_S, DrivenClaim
from .postgres_accounts import make_lock_key
from .postgres_pool import Pool, import_psycopg

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")

GRACE_S = 3.0
"""How long after its last beat, or the server's start, a claim without a lock counts as driven."""
KEPT_DAYS = 30
"""How long the line of a driver that has died is kept."""
ASK_S = 1.0
"""How long an event loop waits for a server that has gone, to ask it who drives a claim."""

_BEGIN = """
insert into treadle.driver select %(tenant)s, %(claim)s, clock_timestamp(), %(process)s
from pg_advisory_lock(%(key)s)
on conflict (tenant, claim) do update set beat = excluded.beat, process = excluded.process
"""
_BEAT = """
update treadle.driver set beat = clock_timestamp() where tenant = %s and claim = any(%s)
"""
_END = """
with gone as (delete from treadle.driver where tenant = %(tenant)s and claim = %(claim)s)
select pg_advisory_unlock(%(key)s)
"""
_TAKE = """
select key from unnest(%s::bigint[]) as places (key) where pg_try_advisory_lock(key) limit 1
"""
_LET_GO = "select pg_advisory_unlock(key) from unnest(%s::bigint[]) as places (key)"
_TAKE_AGAIN = "select pg_try_advisory_lock(key) from unnest(%s::bigint[]) as places (key)"
_CLEAN = f"""
delete from treadle.driver where tenant = %s and beat < now() - interval '{KEPT_DAYS} days'
"""  # noqa: S608  # numbers of this file
_FIND = f"""
select (extract(epoch from beat) * 1000000)::bigint, process,
    not pg_try_advisory_xact_lock_shared(%(key)s),
    clock_timestamp() < greatest(beat, pg_postmaster_start_time()) + interval '{GRACE_S} seconds'
from treadle.driver where tenant = %(tenant)s and claim = %(claim)s
"""  # noqa: S608  # numbers of this file


class Drivers:
    """The claims that this process drives for a tenant, and those that others do."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self._pool = pool
        self._tenant = tenant
        self._drives: dict[str, DrivenClaim] = {}
        self._places: set[int] = set()
        """The keys of the locks that stand for places."""
        self._lock = threading.Lock()
        self._session: Connection[Any] | None = None
        """The session that holds the locks."""
        self._beating = False
        self._pid = os.getpid()

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        """Drive the claim, in the running event loop, until the block is left."""
        self._look_for_fork()
        with self._lock:
            self._drives[claim] = DrivenClaim(asyncio.get_running_loop())
            self._use_session(lambda db: self._begin(db, claim))
            if not self._beating:
                self._beating = True
                threading.Thread(
                    target=_beat, args=(weakref.ref(self),), name="treadle-beat", daemon=True
                ).start()
        pid = os.getpid()
        try:
            yield
        finally:
            if os.getpid() == pid:
                self._withdraw(claim)

    @contextmanager
    def take_place(self, name: str, most: int) -> Iterator[bool]:
        """Hold one of so many places of this name until the block is left; False: none is free.

        A place is a lock of the driver's session. After a break of its connection the locks are
        taken again; until then others may hold as many.
        """
        self._look_for_fork()
        keys = [make_lock_key(self._tenant, "place", f"{name} {number}") for number in range(most)]
        taken: list[int] = []
        with self._lock:
            self._use_session(lambda db: taken.extend(self._take(db, keys)))
            self._places.update(taken)
        pid = os.getpid()
        try:
            yield bool(taken)
        finally:
            if os.getpid() == pid and taken:
                with self._lock:
                    self._places.difference_update(taken)
                    self._use_session(lambda db: db.execute(_LET_GO, (taken,)))
                    if not self._drives and not self._places:
                        self._close_session()

    def _take(self, db: "Connection[Any]", keys: list[int]) -> list[int]:
        """At most one of these that was free. (A session may take its own locks twice.)"""
        free_here = [key for key in keys if key not in self._places]
        return [key for (key,) in db.execute(_TAKE, (free_here,)).fetchall()]

    def find_beat(self, claim: str) -> int | None:
        """A number that changes as long as the claim's driver works; None where nobody drives.

        While the server can't be asked, nobody knows, and nobody is to be disturbed.
        """
        self._look_for_fork()
        drive = self._drives.get(claim)
        if drive:
            return drive.beat
        try:
            found = self._find(claim)
        except StoreError:
            return time.monotonic_ns()
        if found is None:
            return None
        beat, process, is_locked, is_recent = found
        is_there = (is_locked or is_recent) and is_alive(process) is not False
        return int(beat) if is_there else None

    def is_gone(self, claim: str) -> bool:
        """Whether nobody can be driving the claim any more, on any machine."""
        self._look_for_fork()
        if claim in self._drives:
            return False
        found = self._find(claim)
        if found is None:
            return True
        _, process, *_ = found  # its lock may be held yet: the server hasn't noticed its death
        return is_alive(process) is False

    def beat(self) -> bool:
        """Change the beat of every claim whose loop has turned; False where no claim is left."""
        with self._lock:
            if self._pid != os.getpid():
                return False
            turned = [claim for claim, drive in self._drives.items() if drive.turned]
            for drive in self._drives.values():
                drive.turned = False
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    drive.loop.call_soon_threadsafe(drive.turn)
            for claim in turned:
                self._drives[claim].beat += 1
            if turned:
                self._use_session(lambda db: db.execute(_BEAT, (self._tenant, turned)))
            if not self._drives and not self._places:
                self._close_session()
            self._beating = bool(self._drives)
            return self._beating

    def close(self) -> None:
        with self._lock:
            if not self._drives and not self._places:
                self._close_session()

    def _withdraw(self, claim: str) -> None:
        with self._lock:
            if self._drives.pop(claim, None):
                self._use_session(lambda db: db.execute(_END, self._values(claim)))

    def _begin(self, db: "Connection[Any]", claim: str) -> None:
        db.execute(_BEGIN, self._values(claim) | {"process": name_process()})

    def _values(self, claim: str) -> dict[str, Any]:
        key = make_lock_key(self._tenant, "claim", claim)
        return {"tenant": self._tenant, "claim": claim, "key": key}

    def _find(self, claim: str) -> Any:
        def question(db: "Connection[Any]") -> Any:
            return db.execute(_FIND.encode(), self._values(claim)).fetchone()

        return self._pool.ask(question, ASK_S)

    def _use_session(self, work: Callable[["Connection[Any]"], object]) -> None:
        """Do it in the session with the locks. Where that has broken off, take them all anew.

        Where the server can't be reached, nothing is done: the next beat tries again.
        """
        psycopg = import_psycopg()
        with contextlib.suppress(psycopg.Error, StoreError):
            if self._session is not None:
                try:
                    work(self._session)
                    return
                except psycopg.OperationalError:
                    self._close_session()
            db = self._pool.connect()
            self._session = db
            db.execute("set synchronous_commit = off")  # a beat that is lost does no harm
            db.execute(_CLEAN.encode(), (self._tenant,))
            for claim in self._drives:
                self._begin(db, claim)
            db.execute(_TAKE_AGAIN, (list(self._places),))
            work(db)

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _look_for_fork(self) -> None:
        """After a fork: the drives and the session are the parent's."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._drives = {}
        self._places = set()
        self._beating = False
        self._inherited = self._session  # not closed: the parent uses it
        self._session = None


def _beat(reference: "weakref.ReferenceType[Drivers]") -> None:
    """What the thread does that beats for all claims of a store, until none is left."""
    while True:
        time.sleep(BEAT_S)
        drivers = reference()
        if drivers is None or not drivers.beat():
            return
        del drivers


def name_process(pid: int | None = None) -> str:
    """This process, as no other one is called: machine and its boot, process and its start.

    "" where the system doesn't say (only Linux does).
    """
    pid = os.getpid() if pid is None else pid
    started = _read_start(pid)
    return f"{_machine()} {pid} {started}" if started else ""


def is_alive(process: str) -> bool | None:
    """Whether the process of this name lives; None where it is of another machine."""
    machine, _, rest = process.partition(" ")
    if not machine or machine != _machine():
        return None
    pid, _, started = rest.partition(" ")
    return _read_start(int(pid)) == started


@functools.cache
def _machine() -> str:
    """This machine, since it was started, and the space in which its process ids count."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except (OSError, ValueError):
        return ""


def _read_start(pid: int) -> str:
    """When the process was started, by the system's count; "" where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf8", errors="replace")
    except OSError:
        return ""
    # The name, in brackets, may hold anything; a process that has ended may still be listed.
    state, *rest = status.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]
