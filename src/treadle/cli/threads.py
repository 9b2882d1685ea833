"""Which thread is meant, and its records."""

import difflib
from collections.abc import Sequence

from .. import events as e
from ..errors import UnknownThread, UsageError
from ..log import Log, opened
from ..stores.archive import ALL
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from ..sync import run_sync
from ..world import World
from .terminal import line_of

LAST = ("last", "-")
NAMED = 5
"""How many threads a message names."""


def thread_of(store: Store, name: str) -> str:
    """The thread of this name, else the only one whose name begins so, else the last one for `last` and `-`.

    Raises UnknownThread, which names those that come near.
    """
    names = thread_names(store)
    if name in names:
        return name
    if name in LAST:
        if not names:
            raise UsageError("there is no thread yet; ask something first")
        return names[0]
    found = [each for each in names if each.startswith(name)] if name else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownThread(f"{len(found)} threads begin with {name!r}: {_listed(found)}")
    near = difflib.get_close_matches(name, names, NAMED, 0.5) if len(name) < 100 else []
    raise UnknownThread(f"there is no thread {name!r} in this store" + (f"; near it: {_listed(near)}" if near else ""))


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
