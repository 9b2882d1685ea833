"""Finds which threads go with those that are to be deleted, and which of them forks still need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from ..core.links import find_children, start_of_child
from ..core.name_kind import name_kind
from ..core.state import State, fold
from ..stores.archive import ALL_THREADS
from ..stores.rows import from_rows
from ..stores.store import Erasable, Store, ThreadInfo, Watchable
from .children import is_taken


@dataclass(frozen=True)
class Found:
    """A thread, as far as it can be read."""

    thread_id: str
    end: int
    """Its last seq before it was read: if it has another by now, somebody has written to it."""
    records: Sequence[e.Record] = ()
    state: State | None = None
    """None for a thread that is damaged."""


@dataclass
class Tree:
    """The threads to be deleted, by name, each after its parent; iterating gives them."""

    roots: Sequence[str]
    threads: dict[str, Found] = field(default_factory=dict)
    forks: list[str] = field(default_factory=list)
    """Threads that were forked from one of these, and aren't deleted with them."""
    kept: list[str] = field(default_factory=list)
    """Children that stay, since one of these forks speaks of them."""

    def __iter__(self) -> Iterator[Found]:
        return iter(self.threads.values())


async def read_tree(store: Store, roots: Sequence[str]) -> Tree:
    """All that goes with these threads. Raises UnknownThread, and UsageError for a child."""
    tree = Tree(roots)
    for name in roots:
        found = await _read(store, name)
        if found is None:
            raise UnknownThread(f"there is no thread {name!r} in this store")
        await _refuse_child(store, found, roots)
        await _add(store, tree, found)
    for name in list(tree.threads):
        forks = await require_erasable(store).forks(name)
        tree.forks += [each for each in forks if each not in {*tree.threads, *tree.forks}]
    for fork in tree.forks:
        await _keep_what_is_shared(store, tree, fork)
    return tree


def require_erasable(store: Store) -> Erasable:
    """The store itself. Raises UsageError for one that can't delete threads."""
    if not isinstance(store, Erasable):
        raise UsageError(f"{name_kind(store)} can't delete threads: it has no forks and no delete")
    return store


async def _read(store: Store, name: str) -> Found | None:
    """None if there is no such thread."""
    end = store.last_seqs([name]).get(name, 0) if isinstance(store, Watchable) else 0
    try:
        rows = await store.read(name)
        if not isinstance(store, Watchable):
            end = len(rows)
        records = from_rows(name, rows)
        return Found(name, end, records, fold(records)) if records else None
    except (StoreDamaged, IllegalEvent):
        return Found(name, end)


async def _add(store: Store, tree: Tree, found: Found) -> None:
    """Add the thread and its children, also those that it shares with forks that are gone."""
    waiting = [found]
    while waiting:
        each = waiting.pop()
        tree.threads[each.thread_id] = each
        children = [info.thread_id for info in await _children(store, each.thread_id)]
        children += await _find_last_shared(store, each)
        for name in children:
            child = None if name in tree.threads else await _read(store, name)
            if child:
                waiting.append(child)


async def _children(store: Store, name: str) -> list[ThreadInfo]:
    """The threads that say they work for this one; also where a model read it to find notes."""
    return list(reversed(await store.threads(ALL_THREADS, parent=name)))


async def _find_last_shared(store: Store, fork: Found) -> list[str]:
    """The children of threads that are deleted already, of which only this fork still speaks."""
    last: list[str] = []
    sources = [
        r.event.parent_thread_id for r in fork.records if isinstance(r.event, e.ThreadForked)
    ]
    for source in sources:
        if await is_taken(store, source):
            continue
        forks = await require_erasable(store).forks(source)
        others = [name for name in forks if name != fork.thread_id]
        for child in _named_children(fork.records):
            start = start_of_child(await _records(store, child))
            is_its = start is not None and start.parent_thread_id == source
            if is_its and not await _find_speaker(store, others, child):
                last.append(child)
    return last


async def _keep_what_is_shared(store: Store, tree: Tree, fork: str) -> None:
    """Leave the children in the store of which the fork's log speaks, with all below them."""
    try:
        named = _named_children(from_rows(fork, await store.read(fork)))
    except StoreDamaged:  # it may speak of each of them
        named = [name for name in tree.threads if name not in tree.roots]
    staying = [name for name in named if name in tree.threads and name not in tree.roots]
    while staying:
        name = staying.pop()
        if tree.threads.pop(name, None):
            tree.kept.append(name)
            staying += [info.thread_id for info in await _children(store, name)]


async def _refuse_child(store: Store, found: Found, roots: Sequence[str]) -> None:
    """Raise UsageError for a child whose parent or whose parent's forks would miss it."""
    start = start_of_child(found.records)
    if start is None or start.parent_thread_id in roots:
        return
    parent = start.parent_thread_id
    if await is_taken(store, parent):
        raise UsageError(
            f"thread {found.thread_id} works for call {start.parent_call_id} of thread {parent}:"
            f" delete that thread, and this one goes with it"
        )
    fork = await _find_speaker(store, await require_erasable(store).forks(parent), found.thread_id)
    if fork and fork not in roots:
        raise UsageError(
            f"thread {found.thread_id} is shared by the fork {fork} of thread {parent}, which is"
            " deleted: delete the fork, and this one goes with it"
        )


async def _find_speaker(store: Store, forks: Sequence[str], child: str) -> str:
    """The first of these forks whose log speaks of this child; "" if none does."""
    for fork in forks:
        if child in _named_children(await _records(store, fork)):
            return fork
    return ""


async def _records(store: Store, name: str) -> Sequence[e.Record]:
    """None of what can't be read."""
    try:
        return from_rows(name, await store.read(name))
    except StoreDamaged:
        return ()


def _named_children(records: Sequence[e.Record]) -> list[str]:
    return list(dict.fromkeys(started.thread_id for started in find_children(records)))
