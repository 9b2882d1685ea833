"""Adopts an imported thread with its children. Drives nothing."""

from ..core import events as e
from ..core.errors import UsageError
from ..core.links import start_of_child
from .children import open_parent, open_tree, refuse_child
from .log import Log


async def adopt(log: Log, event: e.TrustChanged) -> tuple[str, ...]:
    """Append that this thread and its children count as one's own; the ids of those that didn't.

    The children come first: a crash in between leaves a thread that waits to be adopted still.
    Raises UsageError for a child, which is adopted with its parent, and where there is nothing to
    adopt.
    """
    if not event.trusted:
        raise UsageError("only an import says that a thread isn't one's own; cancel it instead")
    if await open_parent(log):
        refuse_child(log, "adopt that one, and this goes with it")
    waiting = [each for each in await _own_tree(log) if not each.state.trusted]
    if not waiting:
        raise UsageError(f"thread {log.thread_id} is no imported one that waits to be adopted")
    for each in reversed(waiting):
        await each.append(event)
    return tuple(each.thread_id for each in waiting)


async def _own_tree(log: Log) -> list[Log]:
    """The thread and its children at all depths, without those that a fork shares."""
    own = [log]
    for each in (await open_tree(log))[1:]:
        start = start_of_child(each.records)
        if start and start.parent_thread_id in {one.thread_id for one in own}:
            own.append(each)
    return own
