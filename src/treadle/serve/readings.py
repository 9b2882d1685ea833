"""Threads as the server has read them: each is read and folded once, and goes on from there.

1. What is kept only spares work: each time, the store is asked for what came since.
2. A log only grows. But a thread can be deleted, and another one get its name: then the last record
   that is known isn't there any more, and all is read anew. So it is once a thread was imported: a
   log that others may have written need not begin as the one that was deleted.
3. What is kept has a bound; what nobody has asked for the longest goes first.
4. A long log is taken in by pieces, so that others are answered between them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from ..core import events as e
from ..core.count_thread import ThreadCount
from ..core.errors import IllegalEvent, TreadleError
from ..core.state import State, apply
from ..core.thread_summary import CountedThread
from ..observe.folded import Folded
from ..observe.outward import describe_outward
from ..stores.rows import from_rows
from ..stores.store import Row, Store

PIECE = 500
"""How many records are taken in before others are answered."""
MAX_KEPT_BYTES = 64_000_000
"""Of all logs that are kept, as the store has them. In memory they take about twice as much."""
MAX_KEPT_THREADS = 2_000


class Readings:
    """Reads threads, and keeps what it has read of them."""

    def __init__(
        self,
        store: Store,
        max_bytes: int = MAX_KEPT_BYTES,
        max_threads: int = MAX_KEPT_THREADS,
    ) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._max_threads = max_threads
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def read(self, thread_id: str) -> Folded:
        """The thread as it is now; without records if there is none. Raises StoreErrors,
        IllegalEvent."""
        return (await self._refresh(thread_id)).fold()

    async def count(self, thread_id: str) -> CountedThread | None:
        """What the thread adds to a summary; None if there is none. Raises as `read`."""
        return (await self._refresh(thread_id)).count()

    async def _refresh(self, thread_id: str) -> "_Kept":
        kept = self._kept.setdefault(thread_id, _Kept(thread_id, self._store))
        self._kept.move_to_end(thread_id)
        try:
            while not await kept.refresh():
                kept = self._kept[thread_id] = _Kept(thread_id, self._store)
        except TreadleError:
            self._drop(kept)
            raise
        if not kept.size:
            self._drop(kept)
        self._make_room()
        return kept

    def _drop(self, kept: "_Kept") -> None:
        if self._kept.get(kept.thread_id) is kept:
            del self._kept[kept.thread_id]

    def _make_room(self) -> None:
        size = sum(kept.size for kept in self._kept.values())
        while len(self._kept) > 1:
            if size <= self._max_bytes and len(self._kept) <= self._max_threads:
                break
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.size


class _Kept:
    """What was read of one thread so far."""

    def __init__(self, thread_id: str, store: Store) -> None:
        self.thread_id = thread_id
        self.size = 0
        """Bytes of its events."""
        self._store = store
        self._records: list[e.Record] = []
        self._state = State()
        self._outward: dict[int, str] = {}
        self._count = ThreadCount()
        self._last: Row | None = None
        self._reads = asyncio.Lock()

    def fold(self) -> Folded:
        return Folded(list(self._records), self._state, dict(self._outward))

    def count(self) -> CountedThread | None:
        if not self._records:
            return None
        return self._count.read(self._records, self._state)

    async def refresh(self) -> bool:
        """Take in what came since. False if what is known isn't this thread's beginning any more:
        then somebody must read it anew. Raises StoreErrors, IllegalEvent."""
        async with self._reads:
            goes_on = self._last is not None
            rows = await self._store.read(self.thread_id, max(0, self._state.seq - 1))
            if goes_on and (not rows or rows[0] != self._last):
                return False
            rows = rows[goes_on:]
            for start in range(0, len(rows), PIECE):
                if start:
                    await asyncio.sleep(0)
                piece = rows[start : start + PIECE]
                records = from_rows(self.thread_id, piece)
                if goes_on and any(map(_is_import, records)):
                    return False
                self._take_in(records)
                self.size += sum(len(row.event) for row in piece)
                self._last = piece[-1]
        return True

    def _take_in(self, records: Sequence[e.Record]) -> None:
        for record in records:
            before = self._state
            if words := describe_outward(before, record.event):
                self._outward[record.seq] = words
            try:
                self._state = apply(before, record)
            except IllegalEvent as error:
                text = f"thread {self.thread_id} can't be read on: {error}"
                raise IllegalEvent(text) from error
            self._count.add(record, before, self._state)
            self._records.append(record)


def _is_import(record: e.Record) -> bool:
    return isinstance(record.event, e.TrustChanged) and not record.event.trusted
