"""Finds the thread that a person names, reads it, and writes what they say of it."""

import difflib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from ..core.visible import visible_line
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.archive import ALL_THREADS
from ..stores.marks import read_marks
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store, ThreadInfo

T = TypeVar("T")
LAST = ("last", "-")
MAX_NAMED = 5
"""How many threads a message names."""


def resolve_thread(store: Store, name: str) -> str:
    """The thread of this name, or the only one whose name begins with it; `last`, `-`: the last.

    A beginning that a parent and its children share means the parent. Raises UnknownThread, which
    suggests similar names.
    """
    names = list_thread_ids(store)
    if name in names:
        return name
    if name in LAST:
        if not names:
            raise UsageError("there is no thread yet; ask something first")
        return first_root_thread(store, names)
    found = [each for each in names if name and each.startswith(name)]
    children = [name for name in found if any(name.startswith(f"{each}.") for each in found)]
    if len(found) - len(children) == 1:
        children = [name for name in children if is_child(store, name)]
    found = [name for name in found if name not in children]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownThread(f"{len(found)} threads begin with {name!r}: {name_some(found)}")
    message = f"there is no thread {name!r} in this store"
    near: list[str] = []
    if len(name) < 100:
        near = difflib.get_close_matches(name, names, MAX_NAMED, 0.5)
    if near:
        message += f"; near it: {name_some(near)}"
    raise UnknownThread(message)


def first_root_thread(store: Store, names: Sequence[str]) -> str:
    """The first of these threads that is no child; the first of all if every one is a child.

    Raises StoreDamaged if a damaged thread comes before it: that one may be meant.
    """
    try:
        return next((name for name in names if not is_child(store, name)), names[0])
    except StoreDamaged as error:
        raise StoreDamaged(
            f"the last thread is damaged ({error}); to use another, give its name:"
            " treadle threads lists them"
        ) from error


def is_child(store: Store, name: str) -> bool:
    """Whether the thread says that it works for another: a fork doesn't. Raises StoreDamaged."""
    rows = run_sync(store.read(name))
    if not rows:
        raise StoreDamaged(f"thread {name!r} is listed, but none of its records can be found")
    decode_event(rows[0].event)  # else it isn't known
    marks = read_marks(rows)
    return bool(marks and marks.parent)


def list_thread_ids(store: Store) -> list[str]:
    """All threads, the last written first. A missing database has none, and is not created."""
    return [info.thread_id for info in list_thread_infos(store)]


def list_thread_infos(store: Store) -> list[ThreadInfo]:
    """As `list_thread_ids`, with what the store's list says of each."""
    if not getattr(store, "exists", lambda: True)():
        return []
    return run_sync(store.threads(ALL_THREADS))


def open_thread(given: GivenStore, name: str) -> Log:
    """The log of the thread that is named. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    store = open_store(given)
    return run_sync(open_log(resolve_thread(store, name), store, World()))


def read_thread(given: GivenStore, name: str) -> Sequence[e.Record]:
    """The records of the thread, at least one. Raises what `open_thread` raises."""
    return open_thread(given, name).records


def write(work: Coroutine[Any, Any, T]) -> T:
    """Write what a person says. Raises UsageError where that isn't possible, or not any more."""
    try:
        return run_sync(work)
    except IllegalEvent as error:
        raise UsageError(f"{error}; nothing was written") from None


def name_some(names: Sequence[str], most: int = MAX_NAMED) -> str:
    """The first of these names of threads, and how many more there are. Safe to show."""
    text = ", ".join(visible_line(name, 200) for name in names[:most])
    if len(names) > most:
        text += f" and {len(names) - most:,} more"
    return text
