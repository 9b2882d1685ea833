"""A store that lives as long as its process: for tests, and for work that needs no tomorrow."""

from collections.abc import Sequence

from ..errors import SeqTaken
from .store import Row, ThreadInfo


class MemoryStore:
    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        known = self._rows.pop(thread_id, [])
        self._rows[thread_id] = known  # popped and put back: the last written thread is the last in the dict
        if rows[0].seq != len(known) + 1:
            raise SeqTaken(f"seq {rows[0].seq} of thread {thread_id!r} can't be written; {len(known)} are there")
        known.extend(rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return self._rows.get(thread_id, [])[after_seq:]

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        found = [
            ThreadInfo(thread_id, len(rows), rows[-1].at) for thread_id, rows in reversed(self._rows.items()) if rows
        ]
        return found[:limit]
