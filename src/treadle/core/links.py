"""Which thread works for which, as the logs say: a thread's name proves nothing. Pure.

A child's first record names the call that it works for, and its depth is one more than its
parent's. So links that fit can't form a ring, and whoever follows them comes to an end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from . import events as e
from .state import State

MAX_DEPTH = 8
"""Levels of children under a person's own thread. Agents that call each other would never stop."""


class Links(msgspec.Struct, frozen=True):
    """What the log of one thread says of others."""

    thread_id: str
    start: e.ThreadStarted | None = None
    """Its first event, if it works for a call of another thread."""
    depth: int = 0
    sources: tuple[str, ...] = ()
    """The threads that it was forked from, the oldest first."""
    children: tuple[e.ChildStarted, ...] = ()
    """The last one of each call, if the call hasn't failed."""


def read_links(records: Sequence[e.Record]) -> Links:
    """The links of a thread with these records, at least one."""
    thread_id = records[0].thread_id
    start: e.ThreadStarted | None = None
    depth = 0
    sources: list[str] = []
    children: dict[str, e.ChildStarted] = {}
    for record in records:
        match record.event:
            case e.ThreadStarted() as event:
                # Depth 0 is that of a thread of one's own, whatever else it says.
                start = event if event.parent_call_id and event.depth else None
                depth = event.depth
            case e.ThreadForked(parent_thread_id=source):
                # A fork works for nobody, even if it was forked from a child.
                start, depth = None, 0
                sources.append(source)
            case e.ChildStarted() as event:
                children[event.call_id] = event
            case e.ToolFailed(retry_after_s=None, call_id=call_id):
                children.pop(call_id, None)
    return Links(thread_id, start, depth, tuple(sources), tuple(children.values()))


def find_runners(records: Sequence[e.Record], state: State) -> tuple[str, ...]:
    """Whose code may go on with a thread, by name, the best first; none of an empty log.

    That is the agent whose model was called last; of a thread that was handed over, first the agent
    that has begun it, which knows all those of its team.
    """
    began = getattr(records[0].event, "agent", "") if records else ""
    names = (state.last_caller, state.agent, began)
    if state.agent != began:
        names = (began, state.last_caller, state.agent)
    return tuple(name for name in names if name)


def has_child(parent: Links, started: e.ChildStarted, child: Links) -> bool:
    """Whether that is the child of which the parent's log says `started`.

    What a fork shares may speak of a child of the thread that it was forked from.
    """
    start = child.start
    if start is None or start.parent_call_id != started.call_id:
        return False
    if start.parent_thread_id in parent.sources:
        return True
    fits = start.depth == parent.depth + 1 and 1 <= start.depth <= MAX_DEPTH
    return start.parent_thread_id == parent.thread_id and fits


def start_of_child(records: Sequence[e.Record]) -> e.ThreadStarted | None:
    """The first event of a thread that works for a call of another; None for any other thread."""
    return read_links(records).start if records else None


def is_child(child: Sequence[e.Record], thread_id: str, call_id: str, depth: int) -> bool:
    """Whether this log was begun for that call of that thread, which is at that depth."""
    if not child:
        return False
    parent = Links(thread_id, depth=depth)
    return has_child(parent, e.ChildStarted(call_id, child[0].thread_id), read_links(child))


def is_child_in(
    records: Sequence[e.Record], started: e.ChildStarted, child: Sequence[e.Record]
) -> bool:
    """Whether this log is the child of which `started`, one of these records, speaks."""
    return bool(child) and has_child(read_links(records), started, read_links(child))


def find_children(records: Iterable[e.Record]) -> list[e.ChildStarted]:
    """The children of which these records of one thread speak, in their order, each once.

    A log may say the same again and again: whoever followed each of these would follow the child's
    as often, and those of its children, and never come to an end.
    """
    found: dict[tuple[str, str], e.ChildStarted] = {}
    for record in records:
        if isinstance(record.event, e.ChildStarted):
            found[record.event.call_id, record.event.thread_id] = record.event
    return list(found.values())


def names_child(parent: Iterable[e.Record], child: Sequence[e.Record]) -> bool:
    """Whether the log of a child's parent says that it has started this child."""
    start = start_of_child(child)
    if start is None:
        return False
    named = [(each.call_id, each.thread_id) for each in find_children(parent)]
    return (start.parent_call_id, child[0].thread_id) in named


def find_link_faults(threads: Mapping[str, Links]) -> list[str]:
    """What is wrong with the links among these threads, a sentence each. Other threads don't count.

    Without a fault the children form trees, each below a thread of a person's own.
    """
    faults = list(_find_rings(threads))
    for links in threads.values():
        faults += _find_wrong_depth(links, threads)
        for started in links.children:
            child = threads.get(started.thread_id)
            if child is not None and not has_child(links, started, child):
                faults.append(
                    f"call {started.call_id} of thread {links.thread_id} names thread"
                    f" {child.thread_id} as its child, which doesn't work for that call"
                )
    return faults


def _find_rings(threads: Mapping[str, Links]) -> Iterator[str]:
    """The rings of threads each of which is the child or the fork of the next."""
    done: set[str] = set()
    for name in threads:
        way: dict[str, None] = {}
        at = name
        while at in threads and at not in done:
            if at in way:
                ring = list(way)[list(way).index(at) :]
                yield _describe_ring(ring)
                break
            way[at] = None
            at = _above(threads[at])
        done.update(way)


def _above(links: Links) -> str:
    """The parent of a child, the thread that a fork was made of; else ""."""
    if links.start:
        return links.start.parent_thread_id
    return links.sources[-1] if links.sources else ""


def _describe_ring(ring: list[str]) -> str:
    if len(ring) == 1:
        return f"thread {ring[0]} says that it is a child or a fork of itself"
    return (
        f"the threads {', '.join(ring)} form a ring: each says that it is a child or a fork of the"
        " next, and the last one of the first"
    )


def _find_wrong_depth(links: Links, threads: Mapping[str, Links]) -> Iterator[str]:
    at = f"thread {links.thread_id} is at depth {links.depth}"
    if links.start is None:
        if links.depth:
            yield f"{at} and works for no other; its depth must be 0"
        return
    parent = threads.get(links.start.parent_thread_id)
    if not 1 <= links.depth <= MAX_DEPTH:
        yield f"{at} and works for another; its depth must be 1 to {MAX_DEPTH}"
    elif parent is not None and links.depth != parent.depth + 1:
        yield f"{at}, and its parent {parent.thread_id} at {parent.depth}; it must be one more"
