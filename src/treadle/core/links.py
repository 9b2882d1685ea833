"""Which thread works for which, as the logs say: a thread's name proves nothing. Pure.

A child's first record names the call that it works for, and its depth is one more than its
parent's. So links that fit can't form a ring, and whoever follows them comes to an end.
"""

from collections.abc import Iterable, Sequence

from . import events as e


def start_of_child(records: Sequence[e.Record]) -> e.ThreadStarted | None:
    """The first event of a thread that works for a call of another; None for any other thread.

    A fork works for nobody, even if it was forked from a child.
    """
    first = records[0].event if records else None
    if not isinstance(first, e.ThreadStarted) or not first.parent_call_id or is_fork(records):
        return None
    return first


def is_fork(records: Iterable[e.Record]) -> bool:
    """Whether the thread was forked from another one."""
    return any(isinstance(record.event, e.ThreadForked) for record in records)


def is_child(child: Sequence[e.Record], thread_id: str, call_id: str, depth: int) -> bool:
    """Whether this log was begun for that call of that thread, which is at that depth."""
    start = start_of_child(child)
    if start is None or start.depth != depth + 1:
        return False
    return (start.parent_thread_id, start.parent_call_id) == (thread_id, call_id)


def is_child_in(
    records: Sequence[e.Record], started: e.ChildStarted, child: Sequence[e.Record]
) -> bool:
    """Whether this log is the child that `started`, one of these records, speaks of.

    What a fork shares may speak of a child of the thread that it was forked from.
    """
    start = start_of_child(child)
    if start is None or start.parent_call_id != started.call_id:
        return False
    sources = [each.event for each in records if isinstance(each.event, e.ThreadForked)]
    if start.parent_thread_id in {source.parent_thread_id for source in sources}:
        return True
    first = records[0].event
    depth = first.depth if isinstance(first, e.ThreadStarted) and not sources else 0
    return is_child(child, records[0].thread_id, started.call_id, depth)


def find_children(records: Iterable[e.Record]) -> list[e.ChildStarted]:
    """The children that these records of one thread speak of, in their order."""
    events = [record.event for record in records]
    return [event for event in events if isinstance(event, e.ChildStarted)]


def names_child(parent: Iterable[e.Record], child: Sequence[e.Record]) -> bool:
    """Whether the log of a child's parent says that it has started this child."""
    start = start_of_child(child)
    if start is None:
        return False
    named = [(each.call_id, each.thread_id) for each in find_children(parent)]
    return (start.parent_call_id, child[0].thread_id) in named
