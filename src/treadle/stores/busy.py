"""Says what a busy database is waited for: after two seconds, and in the error when it stays so.

SQLite itself doesn't tell who holds its locks, but Linux lists them. (To ask for a lock would need
a file of our own, and closing that would let go of SQLite's locks: so POSIX has it.)
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TELL_AFTER_S = 2.0
"""How long a wait may take before anybody is told of it."""
_LOCKS = Path("/proc/locks")
_WRITE_LOCK_BYTE = 120
"""The byte of the file `-shm` that whoever writes has locked, by SQLite's file format."""
_FIRST_LOCK_BYTE = 0x40000000
"""Where SQLite's locks of the database file itself begin."""

_logger = logging.getLogger("treadle")


@contextmanager
def telling_of_waits(path: Path, give_up_s: float) -> Iterator[None]:
    """Log a warning if the block, in the running event loop, still waits after TELL_AFTER_S."""

    def tell() -> None:
        _logger.warning(
            "%s is busy: %s; waiting for that, at most %g s", path, describe_writer(path), give_up_s
        )

    timer = asyncio.get_running_loop().call_later(TELL_AFTER_S, tell)
    try:
        yield
    finally:
        timer.cancel()


def describe_writer(path: Path) -> str:
    """Who is at work in the database at this moment, as far as the system tells."""
    pid = find_writer(path)
    if pid is None:
        return "another process is writing to it (a backup or an import, say)"
    if pid == os.getpid():
        return "another connection of this process is writing to it"
    name = ""
    with suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text("utf8", errors="replace").strip()
    if name and name.isprintable():
        name = f" ({name})"
    return f"process {pid}{name} is writing to it"


def find_writer(path: Path) -> int | None:
    """The id of the process that has locked the database; None if nobody has, or can't be told."""
    files = [(path, _FIRST_LOCK_BYTE), (path.with_name(f"{path.name}-shm"), _WRITE_LOCK_BYTE)]
    try:
        wanted = {os.stat(file).st_ino: byte for file, byte in files if file.exists()}
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        match line.split():
            case [_, "POSIX", _, "WRITE", pid, place, first, last]:
                byte = wanted.get(int(place.rpartition(":")[2]))
                end = int(last) if last.isdigit() else int(first)
                if byte is None or int(pid) <= 0:
                    continue
                if _covers(int(first), end, byte):
                    return int(pid)
    return None


def _covers(first: int, last: int, byte: int) -> bool:
    """Whether a locked range is the one that whoever writes has locked."""
    if byte == _FIRST_LOCK_BYTE:
        return first >= byte
    return first <= byte <= last
