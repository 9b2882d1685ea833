"""Which thread is meant, and its records."""

import difflib
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import StoreDamaged, UnknownThread, UsageError
from ..observe.visible import visible_line
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.archive import ALL_THREADS
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store, ThreadInfo

LAST = ("last", "-")
MAX_NAMED = 5
"""How many threads a message names."""


def resolve_thread(store: Store, name: str) -> str:
    """The thread of this name, else the only one whose name begins so, else the last one for `last` and `-`.

    A thread that works for another is meant only by what isn't the other's too. Raises UnknownThread, which names those
    that come near.
    """
    names = list_thread_ids(store)
    if name in names:
        return name
    if name in LAST:
        if not names:
            raise UsageError("there is no thread yet; ask something first")
        return first_root_thread(store, names)
    found = [each for each in names if each.startswith(name)] if name else []
    found = [each for each in found if not any(each.startswith(f"{other}.") for other in found)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownThread(f"{len(found)} threads begin with {name!r}: {_listed(found)}")
    near = difflib.get_close_matches(name, names, MAX_NAMED, 0.5) if len(name) < 100 else []
    raise UnknownThread(
        f"there is no thread {name!r} in this store"
        + (f"; near it: {_listed(near)}" if near else "")
    )


def first_root_thread(store: Store, names: Sequence[str]) -> str:
    """The first of these threads that is a person's own; the first, where all work for others."""
    return next((name for name in names if not _works_for_another(store, name)), names[0])


def _works_for_another(store: Store, name: str) -> bool:
    rows = run_sync(store.read(name))
    if not rows:
        raise StoreDamaged(f"thread {name!r} is listed, but none of its records can be found")
    first = decode_event(rows[0].event)
    return isinstance(first, e.ThreadStarted) and bool(first.parent_thread_id)


def list_thread_ids(store: Store) -> list[str]:
    """The last written first. A database that isn't there has none, and isn't made."""
    return [info.thread_id for info in list_thread_infos(store)]


def list_thread_infos(store: Store) -> list[ThreadInfo]:
    """As `list_thread_ids`, with what the store's list says of each."""
    if isinstance(store, SQLiteStore) and not store.path.exists():
        return []
    return run_sync(store.threads(ALL_THREADS))


def open_thread(store: Store, name: str) -> Log:
    """The log of the thread that is meant. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    return run_sync(open_log(resolve_thread(store, name), store, World()))


def read_thread(store: Store, name: str) -> Sequence[e.Record]:
    """Its records, at least one. Raises as `log_of` does."""
    return open_thread(store, name).records


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(visible_line(name, 100) for name in names[:MAX_NAMED]) + more
