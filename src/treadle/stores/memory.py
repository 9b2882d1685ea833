"""A store in memory, gone when its process ends: for tests, and for work that nobody resumes."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.errors import SeqTaken
from .store import Row, ThreadInfo, with_checksum


class MemoryStore:
    def __init__(self) -> None:
        self.extras: dict[str, Any] = {}
        """Other things to keep as long as the store, such as its notes. By name."""
        self._rows: dict[str, list[Row]] = {}
        self._appends = 0
        self._attended: set[str] = set()
        """The claims that are driven now."""
        self._lock = threading.Lock()  # the event loops of several threads may share one store

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._lock:
            log = self._rows.get(thread_id, [])
            if rows[0].seq != len(log) + 1:
                raise SeqTaken(
                    f"seq {rows[0].seq} of thread {thread_id!r} can't be written;"
                    f" {len(log)} are there"
                )
            # Removed and added again: the last written thread is then the last of the dict.
            self._rows.pop(thread_id, None)
            self._rows[thread_id] = log
            log.extend(with_checksum(thread_id, row) for row in rows)
            self._appends += 1

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        with self._lock:
            return self._rows.get(thread_id, [])[after_seq:]

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        with self._lock:
            latest = list(reversed(self._rows.items()))[:limit]
            return [ThreadInfo(thread_id, len(rows), rows[-1].at) for thread_id, rows in latest]

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        self._attended.add(claim)
        try:
            yield
        finally:
            self._attended.discard(claim)

    def find_beat(self, claim: str) -> int | None:
        if claim not in self._attended:
            return None
        return time.monotonic_ns()  # it is in this process, which is alive

    def version(self) -> int:
        """How many appends there were."""
        return self._appends

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        with self._lock:
            return {name: len(self._rows.get(name, ())) for name in thread_ids}
