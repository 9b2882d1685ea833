"""Finds links between threads that Treadle never writes: rings, wrong depths, false children."""

from collections.abc import Iterator, Mapping

from .links import MAX_DEPTH, Links, has_child


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
