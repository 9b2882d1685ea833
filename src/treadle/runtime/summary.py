"""Reads the summary of a thread: its own log and those of its children, at any depth.

A child's log that can't be read, or that doesn't name this parent and call, stops nothing: it is
named in the summary. Each thread is read once, so that logs which name each other in a ring end.
"""

from collections.abc import Sequence

from ..core import events as e
from ..core.count_thread import count_thread
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread
from ..core.thread_summary import Child, OneThread, ThreadSummary, Totals, make_thread_summary
from ..stores.rows import from_rows
from ..stores.store import Store
from .thread_name import check_thread_name


async def read_summary(thread_id: str, store: Store) -> ThreadSummary:
    """The totals of a thread and its children. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    check_thread_name(thread_id)
    records = await _read(thread_id, store)
    if not records:
        raise UnknownThread(f"there is no thread {thread_id!r} in this store")
    totals = Totals()
    try:
        root = count_thread(records, totals)
    except IllegalEvent as error:
        raise IllegalEvent(f"thread {thread_id} can't be read on: {error}") from error
    found: list[OneThread] = []
    unread: list[str] = []
    seen = {thread_id}
    waiting = list(reversed(root.children))
    while waiting:
        child = waiting.pop()
        if child.thread_id in seen:
            continue
        seen.add(child.thread_id)
        try:
            counted = await _count_child(child, store, totals)
        except (StoreDamaged, IllegalEvent):
            unread.append(child.thread_id)
            totals.add_usage(child.usage, child.cost_usd)
            continue
        if counted:
            found.append(counted)
            waiting += reversed(counted.children)
    return make_thread_summary(thread_id, root, found, totals, unread)


async def _count_child(child: Child, store: Store, totals: Totals) -> OneThread | None:
    """Count the child's thread; None if it has yet to begin. Raises StoreDamaged, IllegalEvent."""
    records = await _read(child.thread_id, store)
    if not records:
        return None
    if not child.is_in(records):
        raise StoreDamaged(f"thread {child.thread_id} isn't the child of {child.parent_thread_id}")
    alone = Totals()
    counted = count_thread(records, alone)
    totals.add(alone)  # all of it or nothing
    return counted


async def _read(thread_id: str, store: Store) -> Sequence[e.Record]:
    return from_rows(thread_id, await store.read(thread_id))
