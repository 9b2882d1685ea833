"""One text of SQL for both databases: SQLite's tables are PostgreSQL's, without the tenant.

A statement is written as PostgreSQL has it, with names for its values: `from treadle.account where
tenant = :tenant and name = :account`. What is one of a list is `= any(:names)`; SQLite has lists as
JSON. What the two do in ways of their own, such as to append, is written in each one's own SQL.
"""

import functools
import re
from typing import Any, Protocol

from .store import Row

_TENANT = re.compile(r" where tenant = :tenant(?! and)|tenant = :tenant and |:?tenant, |treadle\.")
_ANY = re.compile(r"= any\((:?\w+)\)")
_VALUE = re.compile(r"(?<!:):(\w+)")


class Tables(Protocol):
    """The tables of a file, or those of one tenant in PostgreSQL."""

    def execute(self, statement: str, **values: Any) -> Any:
        """Do what a statement says, in the transaction that is open; the cursor with its rows."""
        ...

    def read(self, thread_id: str) -> list[Row]:
        """All rows of a thread, each verified. Raises StoreDamaged."""
        ...


@functools.cache
def to_sqlite(statement: str) -> str:
    """The statement as SQLite takes it."""
    return _ANY.sub(r"in (select value from json_each(\1))", _TENANT.sub("", statement))


@functools.cache
def to_postgres(statement: str) -> bytes:
    """The statement as psycopg takes it."""
    return _VALUE.sub(r"%(\1)s", statement).encode()
