"""Which thread is meant, and its records."""

import difflib
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import UnknownThread, UsageError
from ..observe.visible import line_of
from ..runtime.log import Log, opened
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.archive import ALL
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store

LAST = ("last", "-")
NAMED = 5
"""How many threads a message names."""


def thread_of(store: Store, name: str) -> str:
    """The thread of this name, else the only one whose name begins so, else the last one for `last` and `-`.

    A thread that works for another is meant only by what isn't the other's too. Raises UnknownThread, which names those
    that come near.
    """
    names = thread_names(store)
    if name in names:
        return name
    if name in LAST:
        if not names:
            raise UsageError("there is no thread yet; ask something first")
        return own_of(store, names)
    found = [each for each in names if each.startswith(name)] if name else []
    found = [each for each in found if not any(each.startswith(f"{other}.") for other in found)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownThread(f"{len(found)} threads begin with {name!r}: {_listed(found)}")
    near = difflib.get_close_matches(name, names, NAMED, 0.5) if len(name) < 100 else []
    raise UnknownThread(
        f"there is no thread {name!r} in this store"
        + (f"; near it: {_listed(near)}" if near else "")
    )


def own_of(store: Store, names: Sequence[str]) -> str:
    """The first of these threads that is a person's own; the first, where all work for others."""
    return next((name for name in names if not _works_for_another(store, name)), names[0])


def _works_for_another(store: Store, name: str) -> bool:
    first = decode_event(run_sync(store.read(name))[0].event)
    return isinstance(first, e.ThreadStarted) and bool(first.parent_thread_id)


def thread_names(store: Store) -> list[str]:
    """The last written first. A database that isn't there has none, and isn't made."""
    if isinstance(store, SQLiteStore) and not store.path.exists():
        return []
    return [info.thread_id for info in run_sync(store.threads(ALL))]


def log_of(store: Store, name: str) -> Log:
    """The log of the thread that is meant. Raises UnknownThread, StoreDamaged, IllegalEvent."""
    return run_sync(opened(thread_of(store, name), store, World()))


def records_of(store: Store, name: str) -> Sequence[e.Record]:
    """Its records, at least one. Raises as `log_of` does."""
    return log_of(store, name).records


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(line_of(name, 100) for name in names[:NAMED]) + more
