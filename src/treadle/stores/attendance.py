"""Says which claims a living process of this machine drives, by locks of the operating system.

1. A claim is attended while some process holds its lock: one byte of the file `<database>-drivers`,
   at a place that the claim's name gives. Nothing is ever written to that file. So a lock can be
   taken and let go when the disk is full, and a process that dies lets go of all of its locks.
2. A process that is stopped, or whose event loop stands still, keeps its locks. So each claim has a
   second lock, its beat: a thread moves it on by a byte, twice a second, as long as the claim's
   event loop turns. Whoever waits for the claim sees that it changes, by a clock of their own,
   however seldom they look: it is a thousand beats until it stands at the same place again.
3. It only says whom not to disturb. That two drivers never both write is up to the log.

Where the system has no such locks (Windows), or the file can't be made, no claim is attended.
"""

import _thread
import asyncio
import contextlib
import functools
import hashlib
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BEAT_S = 0.5
"""How often the beat of a claim changes while its event loop turns."""
BEATS = 1022
"""After how many beats the lock stands where it stood before."""
_ROOM = 1024
"""Bytes for each claim: its lock, a gap, so that locks don't merge, and the places of its beat."""
_ROOMS = 2**52


@dataclass
class DrivenClaim:
    """A claim that this process drives."""

    loop: asyncio.AbstractEventLoop
    turned: bool = True
    """Whether the loop has turned since the last beat."""
    beat: int = 0

    def turn(self) -> None:
        self.turned = True


class Attendance:
    """The claims that the processes of this machine drive in one database. One for each file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._drives: dict[str, DrivenClaim] = {}
        self._places: set[str] = set()
        self._file = -1
        """The open file with this process's locks; -1 while it has none."""
        self._beating = False
        """Whether a thread beats for this process's claims."""
        self._lock = threading.Lock()

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        """Drive the claim, in the running event loop, until the block is left."""
        drive = DrivenClaim(asyncio.get_running_loop())
        with self._lock:
            if self._file < 0:
                self._file = _open(self.path)
            if not self._beating:
                self._beating = True
                _thread.start_new_thread(_beat, (self, os.getpid()))
            self._drives[claim] = drive
            _change_lock(self._file, _place(claim), held=True)
        pid = os.getpid()
        try:
            yield
        finally:
            if os.getpid() == pid:
                self._withdraw(claim)

    @contextmanager
    def take_place(self, name: str, most: int) -> Iterator[bool]:
        """Hold one of so many places of this name until the block is left; False: none is free."""
        taken = self._take_place(name, most)
        pid = os.getpid()
        try:
            yield bool(taken)
        finally:
            if os.getpid() == pid and taken:
                with self._lock:
                    self._places.discard(taken)
                    _change_lock(self._file, _place(taken), held=False)
                    self._close_if_idle()

    def _take_place(self, name: str, most: int) -> str:
        """The place that is held now; "" if there is none."""
        with self._lock:
            if self._file < 0:
                self._file = _open(self.path)
            for number in range(most):
                place = f"place {number} of {name}"
                free_here = place not in self._places  # of its own locks, a process isn't told
                if free_here and _change_lock(self._file, _place(place), held=True):
                    self._places.add(place)
                    return place
            self._close_if_idle()
            return ""

    def _withdraw(self, claim: str) -> None:
        with self._lock:
            if self._drives.pop(claim, None) is None:
                return
            _change_lock(self._file, _place(claim), held=False, length=_ROOM)
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._drives and not self._places:
            _close(self._file)
            self._file = -1

    def find_beat(self, claim: str) -> int | None:
        """A number that changes as long as the claim's driver works; None where nobody drives."""
        with self._lock:
            drive = self._drives.get(claim)
            if drive:
                return drive.beat
            file = self._file
            if file < 0:
                file = _open(self.path, create=False)
            try:
                if _find_lock(file, _place(claim)) is None:
                    return None
                return _find_lock(file, _place_of_beat(claim, 0), BEATS) or 0
            finally:
                if file != self._file:
                    _close(file)

    def is_gone(self, claim: str) -> bool:
        """Whether no process of this machine can be driving the claim: where locks tell that.

        They don't where there is no file for them, as beside a copy of the database, nor where
        it is another user's.
        """
        if sys.platform == "win32" or not os.access(self.path, os.R_OK):
            return False
        return self.find_beat(claim) is None

    def beat(self) -> bool:
        """Change the beat of every claim whose loop has turned; False where no claim is left."""
        with self._lock:
            for claim, drive in self._drives.items():
                if drive.turned:
                    drive.turned = False
                    drive.beat += 1
                    _change_lock(self._file, _place_of_beat(claim, drive.beat), held=True)
                    _change_lock(self._file, _place_of_beat(claim, drive.beat - 1), held=False)
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    drive.loop.call_soon_threadsafe(drive.turn)
            self._beating = bool(self._drives)
            return self._beating

    def forget(self) -> None:
        """After a fork: the locks are the parent's."""
        self._lock = threading.Lock()
        self._drives = {}
        self._places = set()
        self._beating = False
        _close(self._file)
        self._file = -1


def _beat(attendance: Attendance, pid: int) -> None:
    """What the thread does that beats for all claims of a file, until none is left."""
    while os.getpid() == pid:
        time.sleep(BEAT_S)
        if not attendance.beat():
            return


@functools.cache
def _attendances() -> dict[str, Attendance]:
    """By file. Kept to the end of the process: to close one would let go of another's locks."""
    kept: dict[str, Attendance] = {}

    def forget() -> None:
        for attendance in kept.values():
            attendance.forget()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
    return kept


def find_attendance(database: Path) -> Attendance:
    """The one of this database in this process."""
    path = Path(f"{os.path.realpath(database)}-drivers")
    return _attendances().setdefault(str(path), Attendance(path))


def _open(path: Path, *, create: bool = True) -> int:
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    if hasattr(os, "O_CLOEXEC"):
        flags |= os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError:
        return -1


def _close(file: int) -> None:
    if file >= 0:
        os.close(file)


def _place(claim: str) -> int:
    digest = hashlib.blake2b(claim.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % _ROOMS * _ROOM


def _place_of_beat(claim: str, beat: int) -> int:
    return _place(claim) + 2 + beat % BEATS


def _change_lock(file: int, place: int, *, held: bool, length: int = 1) -> bool:
    """False where another process holds it, or there are no locks."""
    if file < 0 or sys.platform == "win32":
        return False
    import fcntl

    how = fcntl.LOCK_EX | fcntl.LOCK_NB if held else fcntl.LOCK_UN
    try:
        fcntl.lockf(file, how, length, place)
    except OSError:
        return False
    return True


def _find_lock(file: int, place: int, length: int = 1) -> int | None:
    """Where another process holds a lock in these bytes. (Of its own, a process isn't told.)"""
    if file < 0 or sys.platform == "win32":
        return None
    import fcntl

    mac = sys.platform == "darwin"
    if mac:  # struct flock: start, length, pid, type, whence
        asked = struct.pack("qqihh", place, length, 0, fcntl.F_WRLCK, os.SEEK_SET)
    else:  # type, whence, start, length, pid
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, place, length, 0)
    try:
        answer = fcntl.fcntl(file, fcntl.F_GETLK, asked)
    except OSError:
        return None
    if mac:
        start, _, _, kind, _ = struct.unpack("qqihh", answer)
    else:
        kind, _, start, _, _ = struct.unpack("hhqqi4x", answer)
    return None if kind == fcntl.F_UNLCK else int(start)
