"""Logs out of a store and into one, as JSON Lines, and the check that what is in one can be read and makes sense."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from ..core.codec import decode_event, decode_record, encode_event, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from ..core.events import Record
from ..core.state import fold
from .store import Row, Store

ALL_THREADS = 1_000_000_000


class Imported(msgspec.Struct, frozen=True):
    threads: int
    records: int


async def export_threads(store: Store, threads: Sequence[str] = ()) -> AsyncIterator[bytes]:
    """The records of these threads (none named: of all), one JSON object each, thread by thread, oldest first."""
    names = threads or [info.thread_id for info in reversed(await store.threads(ALL_THREADS))]
    for name in names:
        rows = await store.read(name)
        if not rows:
            raise UnknownThread(f"there is no thread {name!r} in this store")
        for row in rows:
            yield encode_record(Record(name, row.seq, row.at, decode_event(row.event)))


async def import_threads(store: Store, lines: Iterable[bytes]) -> Imported:
    """Add threads that `export` wrote. Each is checked whole, and then written whole.

    Raises StoreDamaged for a line that is no record, IllegalEvent for a log that can't be, UsageError for a thread that
    is here already; the threads before it have been added.
    """
    threads = records = 0
    for name, group in groupby(_decoded(lines), key=lambda record: record.thread_id):
        log = list(group)
        fold(log)
        if await store.read(name, 0):
            raise UsageError(
                f"thread {name!r} is already in this store; nothing of it was imported"
            )
        await store.append(
            name, [Row(record.seq, record.at, encode_event(record.event)) for record in log]
        )
        threads, records = threads + 1, records + len(log)
    return Imported(threads, records)


def _decoded(lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                yield decode_record(line)
        except StoreDamaged as error:
            raise StoreDamaged(f"line {number}: {error}") from error


async def find_damage(store: Store) -> list[str]:
    """What is wrong with the logs in a store, a sentence each; none where every record can be read and follows."""
    wrong = []
    for info in await store.threads(ALL_THREADS):
        if info.damaged:
            wrong.append(f"thread {info.thread_id}: {info.damaged}")
            continue
        try:
            rows = await store.read(info.thread_id)
            fold(Record(info.thread_id, row.seq, row.at, decode_event(row.event)) for row in rows)
        except (StoreDamaged, IllegalEvent) as error:
            wrong.append(f"thread {info.thread_id}: {error}")
    return wrong
