"""Reads a database file that this user or this mount may not write to.

Even to read a database, SQLite makes files beside it, unless its writer has made them. Made by
another user, they would lock the owner out. So where these files hold nothing, the database is read
as a file that doesn't change. As somebody may begin to write to it later, each use opens it anew.
"""

import os
import sqlite3
from pathlib import Path


class UnchangingFile(sqlite3.Connection):
    """A connection that takes no locks and sees no changes: for one use only."""


def is_read_only(path: Path) -> bool:
    """Whether SQLite can't write to the file, which is there."""
    if not os.access(path, os.W_OK):
        return True
    return not os.access(path.parent, os.W_OK) and not _has_write_ahead_log(path)


def reading_uri(path: Path) -> tuple[str, type[sqlite3.Connection]]:
    """The URI by which to read such a file, and the kind of connection that it makes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if _has_write_ahead_log(path):
        return uri, sqlite3.Connection
    return f"{uri}&immutable=1", UnchangingFile


def _has_write_ahead_log(path: Path) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False
