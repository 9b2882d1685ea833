"""Makes a store of what a setting `store=` gives: a store, a path, or nothing."""

from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .sqlite import SQLiteStore
from .store import Store

GivenStore = Store | str | Path | None
"""A store, or the path of an SQLite file; None: TREADLE_DB, or the one in the data directory."""

_METHODS = ("append", "read", "threads")


def open_store(given: GivenStore) -> Store:
    """The store itself, or an SQLiteStore at the path. Opens no file yet."""
    if given is None:
        return SQLiteStore()
    if isinstance(given, str | Path):
        return SQLiteStore(Path(given).expanduser())
    return given


def check_store(setting: str, given: Any) -> None:
    """Raise UsageError, which says what to give instead, for what is no store and no path."""
    if given is None or isinstance(given, Path):
        return
    if isinstance(given, str):
        _check_path(setting, given)
    elif isinstance(given, type):
        raise UsageError(f"{setting} is {name_kind(given)}; give an object: {given.__name__}(...)")
    elif missing := [name for name in _METHODS if not callable(getattr(given, name, None))]:
        raise UsageError(
            f"{setting} is {name_kind(given)}, which is no store: it has no {', '.join(missing)}."
            ' Give the path of a file such as "agents.db", an SQLiteStore or a MemoryStore()'
        )


def _check_path(setting: str, path: str) -> None:
    if not path.strip():
        raise UsageError(
            f'{setting} is an empty text; give a path such as "agents.db", or None for the default'
        )
    if path == ":memory:":
        raise UsageError(
            f"{setting}: an SQLite database in memory would be lost; use MemoryStore() for that"
        )
    if "://" in path:
        raise UsageError(
            f"{setting} is {name_kind(path)}, which is a URL; give the path of an SQLite file, such"
            ' as "agents.db"'
        )
