"""Exports and imports threads as JSON Lines, and checks that every log of a store can be folded."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from ..core.codec import decode_record, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from ..core.events import Record
from ..core.state import fold
from .rows import from_rows, to_rows
from .store import Store

ALL_THREADS = 1_000_000_000
"""The `limit` of a list of all threads."""


class Imported(msgspec.Struct, frozen=True):
    """How much an import added."""

    threads: int
    records: int


async def export_threads(store: Store, threads: Sequence[str] = ()) -> AsyncIterator[bytes]:
    """The records of these threads, or of all if none is named, each as one line of JSON.

    Thread by thread, the oldest record first. Raises UnknownThread.
    """
    names = threads or [info.thread_id for info in reversed(await store.threads(ALL_THREADS))]
    for name in names:
        rows = await store.read(name)
        if not rows:
            raise UnknownThread(f"there is no thread {name!r} in this store")
        for record in from_rows(name, rows):
            yield encode_record(record)


async def import_threads(store: Store, lines: Iterable[bytes]) -> Imported:
    """Add the threads of an export. Each thread is checked and then written as a whole.

    Raises StoreDamaged for a line that is no record, IllegalEvent for a log that breaks the rules,
    and UsageError for a thread that the store already has. The threads before the bad one are kept.
    """
    threads = 0
    records = 0
    for name, group in groupby(_decode(lines), key=lambda record: record.thread_id):
        log = list(group)
        fold(log)
        if await store.read(name, 0):
            raise UsageError(
                f"thread {name!r} is already in this store; nothing of it was imported"
            )
        await store.append(name, to_rows(log))
        threads += 1
        records += len(log)
    return Imported(threads, records)


def _decode(lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                yield decode_record(line)
        except StoreDamaged as error:
            raise StoreDamaged(f"line {number}: {error}") from error


async def find_damage(store: Store) -> list[str]:
    """The threads that can't be read, decoded or folded, with the reason, a sentence each."""
    damage = []
    for info in await store.threads(ALL_THREADS):
        name = info.thread_id
        if info.damaged:
            damage.append(f"thread {name}: {info.damaged}")
            continue
        try:
            fold(from_rows(name, await store.read(name)))
        except (StoreDamaged, IllegalEvent) as error:
            damage.append(f"thread {name}: {error}")
    return damage
