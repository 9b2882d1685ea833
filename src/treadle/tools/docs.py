"""Searches a local folder of text: notes, manuals, source code, tables.

Needs no network or other program.

1. Files are cut into passages (passages.py), so that a result says which lines to read.
2. The index is an SQLite FTS5 table in memory and lives as long as the tool. Each call looks for
   changed files, by time and size. A thousand files take seconds once and milliseconds afterwards,
   and no copy is left on the disk.
3. Links aren't followed and hidden files aren't read, so nothing outside the folder and no `.env`
   is found.
4. The query is plain text, not FTS5's query language: each term is quoted.
"""

import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..core.check_settings import check_whole_number
from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.tool import Tool
from ..stores.connection import SharedConnection
from ..stores.full_text import build_queries, remove_spacing, space_out_cjk
from ..this_user import expand_home
from .passages import read_text, split_passages, walk_text_files

MAX_RESULTS = 20

_INSERT = """\
insert into passages (rowid, path, heading, body, first, last) values (?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True)
class IndexLimits:
    """How much of a folder is indexed."""

    files: int = 10_000
    file_bytes: int = 2_000_000
    bytes: int = 100_000_000

    def __post_init__(self) -> None:
        for name in ("files", "file_bytes", "bytes"):
            check_whole_number(f"IndexLimits({name}", getattr(self, name))


@dataclass(frozen=True)
class IndexedFile:
    """A file's rows in the index, and its version when it was read."""

    version: tuple[int, int]
    """Modification time in nanoseconds, and size in bytes."""
    first_row: int
    end_row: int
    """One after the last row."""


@dataclass(frozen=True)
class FoundPassage:
    """A search result."""

    path: str
    heading: str
    first_line: int
    last_line: int
    extract: str


def docs_tool(folder: str | Path | None = None, limits: IndexLimits | None = None) -> Tool:
    """A search_docs tool for a folder, by default TREADLE_DOCS or the working directory.

    The default is looked up at each call.
    """
    indexes: dict[Path, Index] = {}

    def search_docs(query: str, max_results: int = 5) -> str:
        """Search the local documents and files.

        Gives passages as path:first-last line, heading and extract.

        Args:
            query: The words to look for; other forms of an English word are found too.
            max_results: How many passages, at most 20.
        """
        root = expand_home(folder or os.environ.get("TREADLE_DOCS") or Path.cwd()).resolve()
        if not root.is_dir():
            raise ToolError(
                f"the folder to search does not exist: {root}; set TREADLE_DOCS to one that does"
            )
        if root not in indexes:
            indexes.clear()
            indexes.setdefault(root, Index(root, limits or IndexLimits()))
        return indexes[root].search(query, min(max(max_results, 1), MAX_RESULTS))

    return make_tool(search_docs, read_only=True, labels=("private",))


@dataclass
class Index:
    """The searchable passages of one folder. Safe for many threads; one works at a time."""

    root: Path
    limits: IndexLimits = field(default_factory=IndexLimits)
    connect: Callable[[], sqlite3.Connection] = lambda: sqlite3.connect(
        ":memory:", check_same_thread=False
    )

    def __post_init__(self) -> None:
        self._connection = SharedConnection(partial(_open_index, self.connect))
        self._files: dict[str, IndexedFile] = {}
        self._next_row = 1
        self._left_out = 0

    def search(self, query: str, count: int) -> str:
        """The best passages, numbered, as text for a model. Raises ToolError."""
        if not re.search(r"\w", query):
            raise ToolError("the query has no words; give a few words to look for")
        with self._connection as db:
            self._refresh(db)
            passages = _find_best(db, query, count)
            files = len(self._files)
            left_out = self._left_out
        lines = [_format_passage(number, found) for number, found in enumerate(passages, 1)]
        if not lines:
            lines.append(f"Nothing about {query!r} in {files} files; try fewer or other words.")
        text = "\n".join(lines)
        if not left_out:
            return text
        notice = f"(at least {left_out} files were too large or too many, and were not searched)"
        return f"{text}\n{notice}"

    def _refresh(self, db: sqlite3.Connection) -> None:
        seen: set[str] = set()
        size = 0
        self._left_out = 0
        for path, info in walk_text_files(self.root):
            if len(seen) >= self.limits.files:
                self._left_out += 1
                break
            if info.st_size > min(self.limits.file_bytes, self.limits.bytes - size):
                self._left_out += 1
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
        first_row = self._next_row
        text = read_text(self.root / path, self.limits.file_bytes)
        for passage in split_passages(path, text):
            texts = [space_out_cjk(each) for each in (path, passage.heading, passage.text)]
            db.execute(_INSERT, (self._next_row, *texts, passage.first_line, passage.last_line))
            self._next_row += 1
        self._files[path] = IndexedFile(version, first_row, self._next_row)

    def _drop(self, db: sqlite3.Connection, path: str) -> None:
        if path in self._files:
            old = self._files.pop(path)
            db.execute(
                "DELETE FROM passages WHERE rowid >= ? AND rowid < ?", (old.first_row, old.end_row)
            )


def _open_index(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """A connection with an empty index. Raises ToolError."""
    database = connect()
    try:
        database.execute(
            "CREATE VIRTUAL TABLE passages USING"
            " fts5(path, heading, body, first UNINDEXED, last UNINDEXED,"
            " tokenize='porter unicode61 remove_diacritics 2')"
        )
    except sqlite3.OperationalError as error:
        database.close()
        raise ToolError(
            "search_docs needs SQLite with FTS5, and this Python's SQLite"
            f" {sqlite3.sqlite_version} has none ({error}); read the files themselves instead"
        ) from None
    return database


def _find_best(db: sqlite3.Connection, query: str, count: int) -> list[FoundPassage]:
    """First passages with all terms, then with any term, then with words that begin like one."""
    found: dict[int, FoundPassage] = {}
    for match in build_queries(query):
        if len(found) >= count:
            break
        for number, *row in db.execute(
            "SELECT rowid, path, heading, first, last, snippet(passages, 2, '', '', '…', 48)"
            " FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 3, 4, 1), rowid LIMIT ?",
            (match, count),
        ):
            found.setdefault(number, FoundPassage(*row))
    return list(found.values())[:count]


def _format_passage(number: int, found: FoundPassage) -> str:
    line = f"{number}. {remove_spacing(found.path)}:{found.first_line}-{found.last_line}"
    if found.heading:
        line += f"  {remove_spacing(found.heading)}"
    return f"{line}\n   {remove_spacing(found.extract)}"


search_docs = docs_tool()
