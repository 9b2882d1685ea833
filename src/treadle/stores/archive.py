"""Copies threads out of a store and into one, as JSON Lines, and checks all logs of a store.

1. A thread goes with its children, at every depth: without them what they did would be done again.
2. `restore_threads` takes one's own backup as it is. `import_threads` takes what others may have
   written: nothing in it counts before a person adopts it.
3. Nothing that is there is ever changed, and if anything is wrong, nothing is written.
4. Children are written before the threads that they work for: whoever resumes one of these while
   the rest is still to come, or never comes, would begin its children once more.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec
from msgspec.structs import replace

from ..core.codec import decode_record, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from ..core.events import Record, TrustChanged
from ..core.links import (
    Links,
    find_children,
    find_link_faults,
    is_child_in,
    read_links,
    start_of_child,
)
from ..core.state import fold
from .rows import from_rows, to_rows
from .store import Row, Store

ALL_THREADS = 1_000_000_000
"""The `limit` of a list of all threads."""

END_OF_TIME = 9e9
"""Seconds since the epoch that no record reaches: nanoseconds in 64 bits end in the year 2262."""

Logs = Mapping[str, Sequence[Record]]
"""The records of threads, by thread id."""


@runtime_checkable
class _Checking(Protocol):
    """A store that says before it writes what it can't keep."""

    def refuse_unkeepable(self, thread_id: str, rows: Sequence[Row]) -> None: ...


class Copied(msgspec.Struct, frozen=True):
    """How much was added to a store."""

    threads: tuple[str, ...]
    """Those that were added."""
    records: int
    """Theirs in the file."""
    present: int = 0
    """How many threads of the file were there already, the same as in the file."""


async def export_threads(store: Store, threads: Sequence[str] = ()) -> AsyncIterator[bytes]:
    """The records of these threads and their children, or of all threads, each as a line of JSON.

    Thread by thread, the oldest record first, and each child after its parent. Raises
    UnknownThread.
    """
    if not threads:
        for info in reversed(await store.threads(ALL_THREADS)):
            for record in await _read(store, info.thread_id):
                yield encode_record(record)
    written: set[str] = set()
    for name in threads:
        for records in await _read_tree(store, name):
            if records[0].thread_id in written:
                continue
            written.add(records[0].thread_id)
            for record in records:
                yield encode_record(record)


async def _read(store: Store, thread_id: str) -> list[Record]:
    rows = await store.read(thread_id)
    if not rows:
        raise UnknownThread(f"there is no thread {thread_id!r} in this store")
    return from_rows(thread_id, rows)


async def _read_tree(store: Store, thread_id: str) -> list[list[Record]]:
    """The records of a thread, then those of its children at every depth."""
    found: list[list[Record]] = []
    waiting = [await _read(store, thread_id)]
    while waiting:
        records = waiting.pop()
        found.append(records)
        children: list[list[Record]] = []
        for started in find_children(records):
            child = from_rows(started.thread_id, await store.read(started.thread_id))
            if is_child_in(records, started, child):
                children.append(child)
        waiting += reversed(children)
    return found


async def restore_threads(store: Store, lines: Iterable[bytes]) -> Copied:
    """Add the threads of one's own backup as they are; what is there already is left alone.

    Raises StoreDamaged for a line that is no record, IllegalEvent for a log that breaks the rules,
    and UsageError for a thread that the store has with other records.
    """
    logs = _read_logs(lines)
    new: dict[str, Sequence[Record]] = {}
    for name, log in logs.items():
        there = from_rows(name, await store.read(name))
        if not there:
            new[name] = log
        elif there[: len(log)] != log:
            raise UsageError(
                f"thread {name!r} is already in this store and differs from the backup; nothing was"
                " written. Restore into a database of its own: --db PATH"
            )
    return await _write(store, logs, new)


async def import_threads(
    store: Store,
    lines: Iterable[bytes],
    *,
    by: str = "import",
    reason: str = "",
    now: Callable[[], float] = time.time,
) -> Copied:
    """Add threads that others may have written: each waits until a person adopts it.

    Raises StoreDamaged for a line that is no record, IllegalEvent for a log that breaks the rules,
    and UsageError for links that don't make trees and for a thread that the store has already.
    """
    logs = _read_logs(lines)
    _refuse_bad_links(logs)
    new: dict[str, Sequence[Record]] = {}
    for name, log in logs.items():
        await _refuse_intruder(store, logs, log)
        mark = TrustChanged(False, by, reason)
        marked = [*log, Record(name, len(log) + 1, now(), mark, 0.0)]
        there = from_rows(name, await store.read(name))
        if not there:
            new[name] = marked
        elif not _is_import_of(there, log):
            raise UsageError(f"thread {name!r} is already in this store; nothing was imported")
    return await _write(store, logs, new)


async def find_damage(store: Store) -> list[str]:
    """The threads that can't be read or folded, and the links that are wrong, a sentence each."""
    damage: list[str] = []
    links: dict[str, Links] = {}
    for info in await store.threads(ALL_THREADS):
        name = info.thread_id
        try:
            if info.damaged:
                raise StoreDamaged(info.damaged)
            records = from_rows(name, await store.read(name))
            if not records:
                continue  # it was deleted meanwhile
            fold(records)
            links[name] = read_links(records)
        except (StoreDamaged, IllegalEvent) as error:
            damage.append(f"thread {name}: {error}")
    return damage + find_link_faults(links)


async def copy_threads(source: Store, target: Store) -> Copied:
    """Add all threads of one store to another: the children, then the others, the oldest first.

    What is there already stays; of a thread that has gone on, the rest is added. What was written
    is read again and compared. Raises StoreDamaged for a thread that can't be read, and UsageError
    for one that differs in both: those before it are copied then.
    """
    added: list[str] = []
    records, present = 0, 0
    there = reversed(await source.threads(ALL_THREADS))
    for info in sorted(there, key=lambda info: not info.parent):
        name = info.thread_id
        count = await _copy_thread(source, target, name)
        if count:
            added.append(name)
            records += count
        else:
            present += 1
    return Copied(tuple(added), records, present)


async def _copy_thread(source: Store, target: Store, name: str) -> int:
    """How many records were added."""
    rows = await source.read(name)
    there = await target.read(name)
    if there != rows[: len(there)]:
        raise UsageError(
            f"thread {name!r} is in both databases and differs; copy it to one of its own, or"
            " delete one of the two"
        )
    derived = to_rows(from_rows(name, rows))
    # The events as they are, byte by byte: they may be of an older format.
    whole = [replace(new, event=row.event) for new, row in zip(derived, rows, strict=True)]
    missing = whole[len(there) :]
    if not missing:
        return 0
    await target.append(name, missing)
    if await target.read(name) != rows:
        raise StoreDamaged(f"thread {name!r} isn't in the target as it was written to it")
    return len(missing)


async def _write(store: Store, logs: Logs, new: Logs) -> Copied:
    """Write the new ones of the logs in a file, once all are found to be such as can be kept."""
    made = {name: to_rows(log) for name, log in new.items()}
    if isinstance(store, _Checking):
        for name, rows in made.items():
            store.refuse_unkeepable(name, rows)
    for name in sorted(made, key=lambda name: start_of_child(new[name]) is None):
        await store.append(name, made[name])
    records = sum(len(logs[name]) for name in new)
    return Copied(tuple(new), records, len(logs) - len(new))


def _read_logs(lines: Iterable[bytes]) -> dict[str, list[Record]]:
    """The logs in an export, each checked. Raises StoreDamaged, IllegalEvent and UsageError."""
    logs: dict[str, list[Record]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = decode_record(line)
        except StoreDamaged as error:
            raise StoreDamaged(f"line {number}: {error}") from error
        if not record.thread_id:
            raise UsageError(f"line {number}: a record of a thread without a name")
        if not 0 <= record.at < END_OF_TIME:
            raise StoreDamaged(f"line {number}: a record of the time {record.at:g}, which is none")
        logs.setdefault(record.thread_id, []).append(record)
    for name, log in logs.items():
        try:
            fold(log)
        except IllegalEvent as error:
            raise IllegalEvent(f"thread {name!r}: {error}") from error
    return logs


def _refuse_bad_links(logs: Logs) -> None:
    faults = find_link_faults({name: read_links(log) for name, log in logs.items()})
    if faults:
        more = f", and {len(faults) - 1} more like that" if len(faults) > 1 else ""
        raise UsageError(f"nothing was imported: {faults[0]}{more}")


async def _refuse_intruder(store: Store, logs: Logs, log: Sequence[Record]) -> None:
    """Raise UsageError for a thread that would become the child of one that is here."""
    start = read_links(log).start
    if start is None or start.parent_thread_id in logs:
        return
    if await store.read(start.parent_thread_id):
        raise UsageError(
            f"nothing was imported: thread {log[0].thread_id!r} says that it works for thread"
            f" {start.parent_thread_id!r}, which is in this store and not in the file"
        )


def _is_import_of(there: Sequence[Record], log: Sequence[Record]) -> bool:
    """Whether the store has this log as an import has left it."""
    last = there[-1].event
    return list(there[:-1]) == list(log) and isinstance(last, TrustChanged) and not last.trusted
