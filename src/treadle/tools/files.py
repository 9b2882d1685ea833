"""Tools for the files of one folder: read, list, search, write. How they stay in it is inside.py's matter.

The folder is looked up anew at each call, so `.` is the working directory of that moment. Everything is bounded:
what a page, a listing, a search gives, and what it looks at. A cut is always said.
"""

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated

from pydantic import Field

from ..core.errors import ToolError
from ..core.tool import Tool, make_tool
from .inside import Entry, Root, open_inside, replace_inside, resolve_inside, walk_inside

MAX_FILE_BYTES = 10_000_000
PAGE_CHARS = 8_000
MAX_LISTED = 200
MAX_ENTRIES = 20_000
"""Files and folders that one listing or search looks at."""
MAX_MATCHES = 80
MAX_SEARCHED_BYTES = 100_000_000
MAX_LINE_CHARS = 160
"""Of a line that matches."""
SKIPPED_FOLDERS = frozenset({".git", "__pycache__", "node_modules", ".venv"})

Page = Annotated[int, Field(ge=1)]
Pattern = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class FileTools:
    """The four functions behind the tools, for one folder."""

    root: Root = "."

    def read_file(self, path: str, page: Page = 1) -> str:
        """Read a text file. A long one comes in pages.

        Args:
            path: The file, such as notes.txt or src/main.py.
            page: Which page, from 1.
        """
        text, notice = _text_of(_bytes_of(self.root, Entry(path, False, 0)), path)
        parts = split_pages(text)
        if page > len(parts):
            raise ToolError(
                f"{path!r} has no page {page}, only {len(parts)}; ask for page={len(parts)} or less"
            )
        if len(parts) > 1:
            more = f"ask for page={page + 1} to read on" if page < len(parts) else "this is the end"
            notice = f"\n[page {page} of {len(parts)} of {path}; {more}]{notice}"
        return (parts[page - 1] or "[the file is empty]") + notice

    def list_files(self, path: str = ".", pattern: Pattern = "", hidden: bool = False) -> str:
        """List the files and folders in a folder, or find files by name.

        Args:
            path: The folder.
            pattern: Empty: what is right in the folder. Such as *.py or src/*.py: all files below that fit.
            hidden: Also those whose name begins with a full stop.
        """
        walk = walk_inside(
            self.root, path, deep=bool(pattern), hidden=hidden, unentered=SKIPPED_FOLDERS
        )
        seen = list(islice(walk, MAX_ENTRIES + 1))
        found = [entry for entry in seen[:MAX_ENTRIES] if not pattern or _fits(entry, pattern)]
        lines = [_line(entry) for entry in found[:MAX_LISTED]]
        if len(seen) > MAX_ENTRIES:
            lines.append(
                f"[only the first {MAX_ENTRIES:,} files and folders were looked at; give a narrower path]"
            )
        if len(found) > MAX_LISTED:
            lines.append(f"[{MAX_LISTED} of {len(found):,} shown; give a narrower path or pattern]")
        return "\n".join(lines) or (
            "[no file fits; try a wider pattern]" if pattern else "[the folder is empty]"
        )

    def search_files(
        self, text: str, path: str = ".", pattern: Pattern = "", hidden: bool = False
    ) -> str:
        """Find the lines that contain a text, as path:line: text. Capital and small letters are the same.

        Args:
            text: What to look for, literally; no regular expression.
            path: The folder or file to search.
            pattern: Only files that fit, such as *.py.
            hidden: Also files and folders whose name begins with a full stop.
        """
        wanted = text.casefold()
        if not wanted.strip() or "\n" in wanted:
            raise ToolError("text must be a piece of one line and not empty")
        lines: list[str] = []
        searched, skipped, left = 0, 0, MAX_SEARCHED_BYTES
        for seen, entry in enumerate(self._searched(path, hidden)):
            if seen == MAX_ENTRIES or left <= 0:
                return _joined(lines, "[stopped: too much to search; give a narrower path]")
            if entry.is_folder or (pattern and not _fits(entry, pattern)):
                continue
            try:
                data = _bytes_of(self.root, entry)
                content, _ = _text_of(data, entry.path)
            except ToolError:
                skipped += 1
                continue
            searched, left = searched + 1, left - len(data)
            lines.extend(
                islice(_matches(content, wanted, entry.path), MAX_MATCHES + 1 - len(lines))
            )
            if len(lines) > MAX_MATCHES:
                return _joined(
                    lines[:MAX_MATCHES], "[more matches were left out; look for a longer text]"
                )
        if pattern and not searched and not skipped:
            return (
                f"[no file in {path!r} fits the pattern {pattern!r}; leave it empty to search all]"
            )
        notice = (
            f"[{skipped:,} not searched: not text, too large, or not readable]" if skipped else ""
        )
        return _joined(lines or [f"[no line contains {text!r}]"], notice)

    def write_file(self, path: str, content: str) -> str:
        """Write a text file: a new one, or all of an old one anew. Missing folders are made.

        Args:
            path: The file, such as notes.txt or reports/may.md.
            content: All of the text that the file shall have.
        """
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise ToolError(
                "content holds half of a surrogate pair, which no text file can; leave it out"
            ) from None
        if len(data) > MAX_FILE_BYTES:
            raise ToolError(
                f"content has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} can be written; split it"
            )
        old = replace_inside(self.root, path, data)
        return f"Wrote {len(data):,} bytes to {path}, " + (
            "a new file." if old is None else f"in place of {old:,}."
        )

    def _searched(self, path: str, hidden: bool) -> Iterator[Entry]:
        """The file at `path`, or all in the folder there, the nearest first."""
        try:
            os.close(open_inside(self.root, path))
        except ToolError:
            return walk_inside(self.root, path, deep=True, hidden=hidden, unentered=SKIPPED_FOLDERS)
        return iter((Entry("/".join(resolve_inside(self.root, path)), False, 0),))


def file_tools(root: Root = ".") -> tuple[Tool, Tool, Tool, Tool]:
    """read_file, list_files, search_files and write_file for the folder `root` and nothing outside it.

    Writing needs approval. It is not idempotent, though the same content twice gives the same file: after a crash
    somebody may have edited the file before the thread goes on, and a second write would undo that unseen.
    """
    made = FileTools(root)
    return (
        make_tool(made.read_file, read_only=True),
        make_tool(made.list_files, read_only=True),
        make_tool(made.search_files, read_only=True),
        make_tool(made.write_file, needs_approval=True, sequential=True),
    )


read_file, list_files, search_files, write_file = file_tools()


def split_pages(text: str) -> list[str]:
    """The text in pieces of at most PAGE_CHARS, cut behind a newline where there is one. Joined, they are the text."""
    parts: list[str] = []
    start = 0
    while len(text) - start > PAGE_CHARS:
        newline = text.rfind("\n", start, start + PAGE_CHARS)
        end = newline + 1 if newline >= 0 else start + PAGE_CHARS
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _bytes_of(root: Root, entry: Entry) -> bytes:
    data = b""
    if entry.size_bytes <= MAX_FILE_BYTES:
        with os.fdopen(open_inside(root, entry.path), "rb") as file:
            try:
                data = file.read(
                    MAX_FILE_BYTES + 1
                )  # whatever its size was: it may grow, or have none until read
            except OSError as error:
                raise ToolError(f"{entry.path!r} can't be read: {error.strerror}") from None
    if max(len(data), entry.size_bytes) > MAX_FILE_BYTES:
        raise ToolError(
            f"{entry.path!r} is larger than {MAX_FILE_BYTES:,} bytes; it can't be read or searched"
        )
    return data


def _text_of(data: bytes, path: str) -> tuple[str, str]:
    """The text, and a notice where it isn't quite what is in the file. Raises ToolError for what is no text."""
    encoding = (
        "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    )
    notice = ""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        notice = f"\n[\N{REPLACEMENT CHARACTER} stands for bytes that are not valid {encoding.removesuffix('-sig').upper()}]"
    if "\0" in text or (notice and text.count("\N{REPLACEMENT CHARACTER}") > len(text) / 10):
        raise ToolError(f"{path!r} is not a text file; only text can be read")
    return text, notice


def _matches(text: str, wanted: str, path: str) -> Iterator[str]:
    if wanted not in text.casefold():
        return
    for number, line in enumerate(text.split("\n"), start=1):
        at = line.casefold().find(wanted)
        if at >= 0:
            start = max(0, at - MAX_LINE_CHARS // 2) if len(line) > MAX_LINE_CHARS else 0
            yield f"{_printable(path)}:{number}: {line[start : start + MAX_LINE_CHARS].strip()}"


def _fits(entry: Entry, pattern: str) -> bool:
    """A file by its name, or, where the pattern has a /, by the end of its path. `*` and `**` go across folders."""
    if entry.is_folder:
        return False
    bare = pattern.removeprefix("./").replace("**/", "")
    if "/" not in bare:
        return fnmatchcase(entry.path.rpartition("/")[2], bare)
    return fnmatchcase(f"/{entry.path}", f"*/{bare}")


def _line(entry: Entry) -> str:
    return (
        f"{_printable(entry.path)}/"
        if entry.is_folder
        else f"{_printable(entry.path)} ({entry.size_bytes:,} bytes)"
    )


def _printable(path: str) -> str:
    """A name may hold newlines, or bytes that are no text; neither may pass for a line of ours."""
    return path if path.isprintable() else repr(path)


def _joined(lines: list[str], notice: str) -> str:
    return "\n".join([*lines, notice] if notice else lines)
