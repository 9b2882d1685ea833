"""Searching a local folder of text: notes, manuals, source, tables. Works with no network and no other program.

1. Files are cut into passages (passages.py), so that a result says which lines to read.
2. The index is SQLite's FTS5, in memory, and lives as long as the tool; each call looks for files that changed, by time
   and size. A thousand files take seconds once and milliseconds afterwards, and no copy of them is left on the disk.
3. Links are not followed and hidden files not read, so that nothing outside the folder and no `.env` gets in.
4. What was asked is text, not a query in FTS5's language: each term is quoted.
"""

import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..core.errors import ToolError
from ..core.tool import Tool, make_tool
from ..stores.connection import SharedConnection
from ..stores.full_text import build_queries, remove_spacing, space_out_cjk
from .passages import read_text, split_passages, walk_text_files

MAX_RESULTS = 20


@dataclass(frozen=True)
class Bounds:
    """How much of a folder is indexed."""

    files: int = 10_000
    file_bytes: int = 2_000_000
    bytes: int = 100_000_000


@dataclass(frozen=True)
class Indexed:
    """A file as it was when it was read."""

    version: tuple[int, int]
    """Time of change in nanoseconds, and size."""
    first_row: int
    end_row: int
    """One past the last."""


@dataclass(frozen=True)
class Row:
    """A passage that was found."""

    path: str
    heading: str
    first: int
    last: int
    extract: str


def docs_tool(folder: str | Path | None = None, bounds: Bounds | None = None) -> Tool:
    """A search_docs tool for a folder; without one, for TREADLE_DOCS, else the working directory, as at the call."""
    held: dict[Path, Index] = {}

    def search_docs(query: str, max_results: int = 5) -> str:
        """Search the local documents and files. Gives passages as path:first-last line, heading and extract.

        Args:
            query: The words to look for; other forms of an English word are found too.
            max_results: How many passages, at most 20.
        """
        root = Path(folder or os.environ.get("TREADLE_DOCS") or Path.cwd()).expanduser().resolve()
        if not root.is_dir():
            raise ToolError(
                f"the folder to search does not exist: {root}; set TREADLE_DOCS to one that does"
            )
        if root not in held:
            held.clear()
            held.setdefault(root, Index(root, bounds or Bounds()))
        return held[root].search(query, min(max(max_results, 1), MAX_RESULTS))

    return make_tool(search_docs, read_only=True)


@dataclass
class Index:
    """The passages of one folder, searchable. For several threads; one works at a time."""

    root: Path
    bounds: Bounds = field(default_factory=Bounds)
    connect: Callable[[], sqlite3.Connection] = lambda: sqlite3.connect(
        ":memory:", check_same_thread=False
    )

    def __post_init__(self) -> None:
        self._connection = SharedConnection(partial(_opened, self.connect))
        self._files: dict[str, Indexed] = {}
        self._next_row = 1
        self._left_out = 0

    def search(self, query: str, count: int) -> str:
        """The best passages, numbered, as text for a model. Raises ToolError."""
        if not re.search(r"\w", query):
            raise ToolError("the query has no words; give a few words to look for")
        with self._connection as db:
            self._refresh(db)
            rows = _best(db, query, count)
            left_out = f"\n(at least {self._left_out} files were too large or too many, and were not searched)"
            notice = left_out if self._left_out else ""
            if not rows:
                return f"Nothing about {query!r} in {len(self._files)} files; try fewer or other words.{notice}"
        return "\n".join(_told(number, row) for number, row in enumerate(rows, 1)) + notice

    def _refresh(self, db: sqlite3.Connection) -> None:
        seen: set[str] = set()
        size = self._left_out = 0
        for path, info in walk_text_files(self.root):
            if (
                info.st_size > min(self.bounds.file_bytes, self.bounds.bytes - size)
                or len(seen) >= self.bounds.files
            ):
                self._left_out += 1
                if len(seen) >= self.bounds.files:
                    break
                continue
            size += info.st_size
            seen.add(path)
            version = (info.st_mtime_ns, info.st_size)
            if path not in self._files or self._files[path].version != version:
                self._drop(db, path)
                self._add(db, path, version)
        for path in self._files.keys() - seen:
            self._drop(db, path)

    def _add(self, db: sqlite3.Connection, path: str, version: tuple[int, int]) -> None:
        rows = [
            (
                number,
                space_out_cjk(path),
                space_out_cjk(passage.heading),
                space_out_cjk(passage.text),
                passage.first,
                passage.last,
            )
            for number, passage in enumerate(
                split_passages(path, read_text(self.root / path, self.bounds.file_bytes)),
                self._next_row,
            )
        ]
        db.executemany(
            "INSERT INTO passages (rowid, path, heading, body, first, last) VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._files[path] = Indexed(version, self._next_row, self._next_row + len(rows))
        self._next_row += len(rows)

    def _drop(self, db: sqlite3.Connection, path: str) -> None:
        if path in self._files:
            old = self._files.pop(path)
            db.execute(
                "DELETE FROM passages WHERE rowid >= ? AND rowid < ?", (old.first_row, old.end_row)
            )


def _opened(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """A connection with an empty index. Raises ToolError."""
    database = connect()
    try:
        database.execute(
            "CREATE VIRTUAL TABLE passages USING fts5(path, heading, body, first UNINDEXED, last UNINDEXED,"
            " tokenize='porter unicode61 remove_diacritics 2')"
        )
    except sqlite3.OperationalError as error:
        database.close()
        raise ToolError(
            f"search_docs needs SQLite with FTS5, and this Python's SQLite {sqlite3.sqlite_version} has none"
            f" ({error}); read the files themselves instead"
        ) from None
    return database


def _best(db: sqlite3.Connection, query: str, count: int) -> list[Row]:
    """First what has all terms, then what has some, then what has words that begin so."""
    found: dict[int, Row] = {}
    for match in build_queries(query):
        if len(found) >= count:
            break
        for number, *row in db.execute(
            "SELECT rowid, path, heading, first, last, snippet(passages, 2, '', '', '…', 48)"
            " FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 3, 4, 1), rowid LIMIT ?",
            (match, count),
        ):
            found.setdefault(number, Row(*row))
    return list(found.values())[:count]


def _told(number: int, row: Row) -> str:
    heading = f"  {remove_spacing(row.heading)}" if row.heading else ""
    return f"{number}. {remove_spacing(row.path)}:{row.first}-{row.last}{heading}\n   {remove_spacing(row.extract)}"


search_docs = docs_tool()
