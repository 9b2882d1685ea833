"""A store that lives as long as its process: for tests, and for work that needs no tomorrow."""

import threading
from collections.abc import Sequence
from typing import Any

from ..core.errors import SeqTaken
from .store import Row, ThreadInfo, with_checksum


class MemoryStore:
    def __init__(self) -> None:
        self.extras: dict[str, Any] = {}
        """What else lives as long as this: notes, for instance. By name."""
        self._rows: dict[str, list[Row]] = {}
        self._lock = threading.Lock()  # the loop of `run_sync` and the caller's may share one store

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        with self._lock:
            known = self._rows.get(thread_id, [])
            if rows[0].seq != len(known) + 1:
                raise SeqTaken(
                    f"seq {rows[0].seq} of thread {thread_id!r} can't be written; {len(known)} are there"
                )
            self._rows.pop(
                thread_id, None
            )  # put back at the end: the last written thread is the last in the dict
            self._rows[thread_id] = known
            known.extend(with_checksum(thread_id, row) for row in rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        with self._lock:
            return self._rows.get(thread_id, [])[after_seq:]

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        with self._lock:
            latest = list(reversed(self._rows.items()))[:limit]
            return [ThreadInfo(thread_id, len(rows), rows[-1].at) for thread_id, rows in latest]
