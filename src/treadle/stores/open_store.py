"""Makes a store of what a setting `store=` gives: a store, a path, a URL, or nothing."""

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..this_user import expand_home
from .postgres_url import is_postgres
from .sqlite import SQLiteStore
from .sqlite_file import check_path
from .store import Store

if TYPE_CHECKING:
    from .postgres import PostgresStore

    Database = SQLiteStore | PostgresStore
    """A store that a path or a URL names."""

GivenStore = Store | str | Path | None
"""A store, the path of an SQLite file or the URL of a PostgreSQL database; None: TREADLE_DB, or the
file in the data directory."""

_METHODS = ("append", "read", "threads")


def open_store(given: GivenStore) -> Store:
    """The store itself, or that of the path or URL. Opens no file and no connection yet."""
    if given is None or isinstance(given, str | Path):
        return open_database(given)
    return given


def open_database(given: str | Path | None) -> "Database":
    """The store of a path or URL; None: of TREADLE_DB, or the file in the data directory.

    A URL gives the same store each time, and so the same connections. Raises UsageError for what
    can't be one.
    """
    setting = "the database"
    if given is None:
        setting, given = "TREADLE_DB", os.environ.get("TREADLE_DB") or None
    if given is not None:
        _check_place(setting, given)
    if isinstance(given, str) and is_postgres(given):
        return _open_postgres(given)
    return SQLiteStore(given and expand_home(given))


@functools.cache
def _open_postgres(url: str) -> "PostgresStore":
    from .postgres import PostgresStore

    return PostgresStore(url)


def check_store(setting: str, given: Any) -> None:
    """Raise UsageError, which says what to give instead, for what is no store and no path."""
    if given is None:
        return
    if isinstance(given, str | Path):
        _check_place(setting, given)
    elif isinstance(given, type):
        raise UsageError(f"{setting} is {name_kind(given)}; give an object: {given.__name__}(...)")
    elif missing := [name for name in _METHODS if not callable(getattr(given, name, None))]:
        raise UsageError(
            f"{setting} is {name_kind(given)}, which is no store: it has no {', '.join(missing)}."
            ' Give the path of a file such as "agents.db", an SQLiteStore or a MemoryStore()'
        )


def _check_place(setting: str, place: str | Path) -> None:
    text = str(place)
    if not text.strip():
        raise UsageError(
            f'{setting} is an empty text; give a path such as "agents.db", or None for the default'
        )
    if is_postgres(text):
        _open_postgres(text)
    else:
        check_path(setting, place)
