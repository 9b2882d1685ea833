"""Finds the thread that a person names, and reads it."""

import difflib
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import StoreDamaged, UnknownThread, UsageError
from ..core.visible import visible_line
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.archive import ALL_THREADS
from ..stores.marks import read_marks
from ..stores.store import Store, ThreadInfo

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
        raise UnknownThread(f"{len(found)} threads begin with {name!r}: {_format_names(found)}")
    message = f"there is no thread {name!r} in this store"
    near: list[str] = []
    if len(name) < 100:
        near = difflib.get_close_matches(name, names, MAX_NAMED, 0.5)
    if near:
        message += f"; near it: {_format_names(near)}"
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


def open_thread(store: Store, name: str) -> Log:
    """The log of the thread that is named. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    return run_sync(open_log(resolve_thread(store, name), store, World()))


def read_thread(store: Store, name: str) -> Sequence[e.Record]:
    """The records of the thread, at least one. Raises what `open_thread` raises."""
    return open_thread(store, name).records


def _format_names(names: Sequence[str]) -> str:
    text = ", ".join(visible_line(name, 100) for name in names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        text += f" and {len(names) - MAX_NAMED} more"
    return text
