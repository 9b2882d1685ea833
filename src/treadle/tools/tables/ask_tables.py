"""Loads tables into SQLite and answers one SELECT. It is meant for a child process.

1. Nothing but reading is allowed: SQLite asks `_authorize` for every part of a statement.
2. A text of SQL can burn hours and gigabytes. SQLite's own limits and those of the process bound
   memory; the parent ends the process when its time is up.
3. The files are copies, so that no lock and no journal touches the user's.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import ToolError
from .read_rows import read_rows
from .rows import Rows

SQLITE_MAGIC = b"SQLite format 3\0"
MAX_ROWS = 100
MAX_CHARS = 5_000
"""Of the whole answer."""
MAX_CELL_CHARS = 300
_MAX_TABLES = 40
"""How many tables the schema shows."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 20_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_SCHEMAS = "schemas_of_the_files"
_SCHEMA_NAME = re.compile(r"(?<![.\w])sqlite_(?:master|schema)\b", re.IGNORECASE)
_READING = (
    *(sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ),
    *(sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE),
)


def ask_tables(files: Sequence[tuple[str, str]], sql: str) -> str:
    """The rows that `sql` selects; the schema if it is empty. Raises ToolError.

    `files` are pairs: the path that the model knows, and the copy's.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("PRAGMA temp_store=MEMORY")  # first: it empties the temporary schema
        connection.text_factory = _decode  # programs write what they like into a TEXT
        loaded = [_load(connection, shown, Path(copy)) for shown, copy in files]
        notices = [notice for rows in loaded if rows for notice in _tell(rows, sql)]
        _show_all_schemas(connection)
        schema = _describe_schema(connection)
        _forbid_changes(connection)
        if not sql.strip():
            return _join([*notices, schema])
        try:
            return _join([*notices, _select(connection, sql, [shown for shown, _ in files])])
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise ToolError(f"{_explain(error)}. {schema}") from None
        except MemoryError:
            raise ToolError("that takes too much memory; select less, or use LIMIT") from None


def _load(connection: sqlite3.Connection, shown: str, copy: Path) -> Rows | None:
    """Make the file's tables. Returns the rows of one that is no database."""
    name = _name_table(connection, shown)
    with copy.open("rb") as file:
        is_database = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if not is_database:
        found = read_rows(copy.read_bytes(), shown)
        _make_table(connection, name, found, shown)
        return found
    try:
        connection.execute(f"ATTACH ? AS {_quote(name)}", (str(copy),))
        connection.execute(f"SELECT count(*) FROM {_quote(name)}.sqlite_schema").fetchone()  # noqa: S608  # names are quoted, or stand here
    except sqlite3.Error as error:
        raise ToolError(f"{shown!r} can't be read as a SQLite database: {error}") from None
    return None


def _tell(found: Rows, sql: str) -> list[str]:
    """What to know of the file, and of the columns that a statement names."""
    told = [_show(line) for line in found.notice.splitlines()]
    for column, notice in found.notices.items():
        named = re.search(rf"(?<!\w){re.escape(column)}(?!\w)", sql, re.IGNORECASE)
        if named or not sql.strip():
            told.append(f"[{_show(column)}: {notice}]")
    return told


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _make_table(connection: sqlite3.Connection, name: str, found: Rows, shown: str) -> None:
    """A table, and views of it by the names that a model may write: the file's and the path's."""
    columns = ", ".join(
        f"{_quote(column)} {kind}" for column, kind in zip(found.columns, found.kinds, strict=True)
    )
    places = ", ".join("?" * len(found.columns))
    try:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {_quote(name)} ({columns})")
        connection.executemany(f"INSERT INTO {_quote(name)} VALUES ({places})", found.rows)  # noqa: S608  # names are quoted, or stand here
        connection.execute("COMMIT")
    except (sqlite3.Error, UnicodeEncodeError) as error:
        raise ToolError(f"{shown!r} can't be read as a table: {error}") from None
    for other in dict.fromkeys((shown, Path(shown).name, Path(shown).stem)):
        if not _is_taken(connection, other):
            connection.execute(f"CREATE TEMP VIEW {_quote(other)} AS SELECT * FROM {_quote(name)}")  # noqa: S608  # names are quoted, or stand here


def _name_table(connection: sqlite3.Connection, shown: str) -> str:
    """The file's name without its ending, as a word that needs no quotes, and not taken."""
    bare = re.sub(r"\W+", "_", Path(shown).stem).strip("_") or "t"
    if bare[0].isdigit():
        bare = f"t_{bare}"
    number = 1
    name = bare
    while _is_taken(connection, name) or name.casefold() in ("main", "temp"):
        number += 1
        name = f"{bare}_{number}"
    return name


def _is_taken(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a table, a view or a database has this name."""
    schemas = [row[1] for row in connection.execute("PRAGMA database_list")]
    objects = connection.execute(
        "SELECT name FROM sqlite_schema UNION ALL SELECT name FROM sqlite_temp_schema"
    )
    taken = [*schemas, *(row[0] for row in objects)]
    return name.casefold() in map(str.casefold, taken)


def _show_all_schemas(connection: sqlite3.Connection) -> None:
    """A view of what the files' schemas hold: a bare `sqlite_schema` is that of no file."""
    databases = [row[1] for row in connection.execute("PRAGMA database_list") if row[1] != "temp"]
    each = " UNION ALL ".join(f"SELECT * FROM {_quote(name)}.sqlite_schema" for name in databases)  # noqa: S608  # names are quoted, or stand here
    connection.execute(f"CREATE TEMP VIEW {_SCHEMAS} AS {each}")


def _forbid_changes(connection: sqlite3.Connection) -> None:
    for setting in ("query_only=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {setting}")
    for function in ("json_each", "json_tree"):  # made at their first use, which is a change
        connection.execute(f"SELECT * FROM {function}('[]')").fetchall()  # noqa: S608  # names are quoted, or stand here
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None:
        return sqlite3.SQLITE_OK  # full-text search asks it at each reading
    if action not in _READING or (second or "").casefold() == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _select(connection: sqlite3.Connection, sql: str, shown: Sequence[str]) -> str:
    sql = _SCHEMA_NAME.sub(_SCHEMAS, sql)
    try:
        cursor = connection.execute(sql)
    except sqlite3.OperationalError:
        rewritten = _quote_file_names(sql, shown)
        if rewritten == sql:
            raise
        cursor = connection.execute(rewritten)
    if cursor.description is None:
        raise sqlite3.OperationalError("that selects nothing; write a SELECT")
    head = " | ".join(_show(column[0]) for column in cursor.description)
    lines = [head]
    size = len(head)
    for row in cursor:
        line = " | ".join(map(_show, row))
        size += len(line) + 1
        if len(lines) > MAX_ROWS or size > MAX_CHARS:
            count = len(lines) - 1
            lines.append(f"[the first {count} rows; there are more: use LIMIT, WHERE or count(*)]")
            return "\n".join(lines)[: MAX_CHARS + 200]
        lines.append(line)
    if len(lines) == 1:
        lines.append("[no row fits]")
    return "\n".join(lines)


def _quote_file_names(sql: str, shown: Sequence[str]) -> str:
    """With quotes round the names of files after FROM and JOIN, where SQLite reads "a.csv" as a.

    Only where it has refused the statement.
    """
    for path in {name for each in shown for name in (each, Path(each).name)}:
        sql = re.sub(
            rf"\b(from|join)(\s+){re.escape(path)}(?![\w.])",
            lambda found, path=path: f"{found[1]}{found[2]}{_quote(path)}",  # type: ignore[misc]
            sql,
            flags=re.IGNORECASE,
        )
    return sql


def _explain(error: Exception) -> str:
    text = str(error)
    if "authoriz" in text or "prohibited" in text:
        return "only reading is allowed, by one SELECT"
    if "one statement" in text:
        return "only one statement is allowed, a SELECT"
    return text


def _describe_schema(connection: sqlite3.Connection) -> str:
    """One line: the tables with their columns and numbers of rows."""
    tables = [
        f"{name}({', '.join(columns)}) [rows: {count}]"
        for name, columns, count in _list_tables(connection)
    ]
    text = "; ".join(tables[:_MAX_TABLES])
    if len(tables) > _MAX_TABLES:
        text += f"; and {len(tables) - _MAX_TABLES} more"
    return f"Tables: {text or 'none'}"[:MAX_CHARS]


def _list_tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str], str]]:
    databases = [row[1] for row in connection.execute("PRAGMA database_list") if row[1] != "temp"]
    for database in databases:
        names = connection.execute(
            f"SELECT name FROM {_quote(database)}.sqlite_schema WHERE type IN ('table', 'view')"  # noqa: S608  # names are quoted, or stand here
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ).fetchall()
        for (name,) in names:
            place = f"{_quote(database)}.{_quote(name)}"
            try:
                columns = connection.execute(f"SELECT * FROM {place} LIMIT 1")  # noqa: S608  # names are quoted, or stand here
                described = [_show_name(connection, column[0]) for column in columns.description]
                count = f"{connection.execute(f'SELECT count(*) FROM {place}').fetchone()[0]:,}"  # noqa: S608  # names are quoted, or stand here
            except sqlite3.Error:  # a view of what isn't there, or a virtual table
                continue
            yield _show_name(connection, name), described, count


def _show_name(connection: sqlite3.Connection, name: str) -> str:
    """The name as a statement must have it: in quotes if it is no word, or one of SQL's own."""
    quoted = _quote(_show(name))
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        return quoted
    try:
        found = connection.execute(f"SELECT {name} FROM (SELECT 'a' AS {quoted})").fetchone()  # noqa: S608  # names are quoted, or words
    except sqlite3.Error:
        return quoted
    return name if found == ("a",) else quoted


def _show(value: Any) -> str:
    """A value in one line, without what could fake a line or a cell."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"[{len(value):,} bytes]"
    if isinstance(value, float):
        return f"{value:.15g}"
    text = str(value)
    cut = text[:MAX_CELL_CHARS]
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in cut)
    return shown if cut == text else f"{shown}..."


def _quote(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _join(parts: Sequence[str]) -> str:
    return "\n".join(part for part in parts if part)
