"""Finds and deletes the threads to which nobody has said anything for long.

1. A thread is as old as what was written last to it, to a child, or to a fork: they go together.
2. Nothing happens by itself: threads go when somebody calls this, as a nightly job or by hand.
3. What somebody alive drives stays, however old it is.
"""

import time
from collections.abc import Callable, Sequence

from ..core.age import parse_age
from ..core.errors import UsageError
from ..stores.archive import ALL_THREADS
from ..stores.store import Store, ThreadInfo
from .delete import Deletion, delete_threads, plan_deletion


async def delete_expired(
    store: Store, older: str = "", *, notes: bool = False, now: Callable[[], float] = time.time
) -> Deletion:
    """Delete the threads to which nothing was written for that long; what was deleted.

    `older` is an age such as "90d"; by default it is the store's `retention`. Children and forks
    count with the thread that they come from. Raises UsageError, StoreErrors.
    """
    retention = older or getattr(store, "retention", None)
    if not retention:
        raise UsageError(
            'say how old a thread must be, as in delete_expired(store, "90d"), or give the store'
            ' its retention="90d"'
        )
    names = await find_expired(store, now() - parse_age(retention))
    if not names:
        return Deletion((), 0)
    return await delete_threads(store, names, notes=notes)


async def find_expired(store: Store, before: float) -> list[str]:
    """The threads to delete, all but children, where nothing was written since then.

    `before` is in seconds since the epoch, UTC. Those that somebody drives aren't among them.
    """
    expired: list[str] = []
    for family in find_families(await store.threads(ALL_THREADS)):
        if max(info.updated_at for info in family) >= before:
            continue
        roots = [info.thread_id for info in family if not info.parent]
        plan = await plan_deletion(store, roots or [family[-1].thread_id])
        if not plan.driven:
            expired += roots
    return expired


def find_families(infos: Sequence[ThreadInfo]) -> list[list[ThreadInfo]]:
    """The threads that count together: each with its children and forks, at every depth.

    Those whose line in the list is damaged are left out: nobody knows how old they are.
    """
    whole = [info for info in infos if not info.damaged]
    above = {info.thread_id: info.source or info.parent for info in whole}
    families: dict[str, list[ThreadInfo]] = {}
    for info in whole:
        families.setdefault(_top_of(info.thread_id, above), []).append(info)
    return list(families.values())


def _top_of(name: str, above: dict[str, str]) -> str:
    """The thread that this one comes from in the end, among those that are there."""
    seen: set[str] = set()
    while above.get(name) in above and name not in seen:
        seen.add(name)
        name = above[name]
    return name
