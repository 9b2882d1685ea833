"""Reads the summary of a thread: its own log and those of its children, at any depth.

A child's log that can't be read, or that doesn't name this parent and call, stops nothing: it is
named in the summary. Each thread is read once, so that logs which name each other in a ring end.
"""

from collections.abc import Awaitable, Callable

from ..core.count_thread import count_thread
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread
from ..core.thread_summary import CountedThread, OneThread, ThreadSummary, make_thread_summary
from ..stores.rows import from_rows
from ..stores.store import Store
from .thread_name import check_thread_name

CountOne = Callable[[str], Awaitable[CountedThread | None]]
"""Counts the thread of this name; None where there is none. Raises StoreErrors, IllegalEvent."""


async def read_summary(thread_id: str, store: Store) -> ThreadSummary:
    """The totals of a thread and its children. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    check_thread_name(thread_id)

    async def count(name: str) -> CountedThread | None:
        records = from_rows(name, await store.read(name))
        return count_thread(records) if records else None

    return await sum_up(thread_id, count)


async def sum_up(thread_id: str, count: CountOne) -> ThreadSummary:
    """As `read_summary`, of threads that are counted so."""
    try:
        root = await count(thread_id)
    except IllegalEvent as error:
        raise IllegalEvent(f"thread {thread_id} can't be read on: {error}") from error
    if root is None:
        raise UnknownThread(f"there is no thread {thread_id!r} in this store")
    totals = root.totals
    found: list[OneThread] = []
    unread: list[str] = []
    seen = {thread_id}
    waiting = list(reversed(root.thread.children))
    while waiting:
        child = waiting.pop()
        if child.thread_id in seen:
            continue
        seen.add(child.thread_id)
        counted = None
        try:
            counted = await count(child.thread_id)
            is_its = counted is None or child.is_begun_by(counted.first)
        except (StoreDamaged, IllegalEvent):
            is_its = False
        if not is_its:
            unread.append(child.thread_id)
            totals.add_usage(child.usage, child.cost_usd)
            continue
        if counted:
            totals.add(counted.totals)
            found.append(counted.thread)
            waiting += reversed(counted.thread.children)
    return make_thread_summary(thread_id, root.thread, found, totals, unread)
