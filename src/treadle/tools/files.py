"""Tools for the files of one folder: read, list, search, write.

inside.py keeps them in that folder. It is resolved at each call, so `.` is the working directory at
that moment. Pages, lists and searches are bounded, in what they give and in what they look at. A
result that was cut says so.
"""

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated

from pydantic import Field

from ..core.decode_lines import decode_lines
from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.tool import Tool
from .inside import Entry, Root, open_inside, replace_inside, resolve_inside, walk_inside

MAX_FILE_BYTES = 10_000_000
PAGE_CHARS = 5_500
"""So that the embedded model is shown all of a page, with its notice (models/local/dialect.py)."""
MAX_LISTED = 200
MAX_ENTRIES = 20_000
"""The most files and folders that one list or search looks at."""
MAX_MATCHES = 80
MAX_SEARCHED_BYTES = 100_000_000
MAX_LINE_CHARS = 160
"""How much of a matching line is shown."""
SKIPPED_FOLDERS = frozenset({".git", "__pycache__", "node_modules", ".venv"})

Page = Annotated[int, Field(ge=1)]
Pattern = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class FileTools:
    """The functions of the four tools, for one folder."""

    root: Root = "."

    def read_file(self, path: str, page: Page = 1) -> str:
        """Read a text file. A long one comes in pages.

        Args:
            path: The file, such as notes.txt or src/main.py.
            page: Which page, from 1.
        """
        text, notice = _decode(_read_bytes(self.root, Entry(path, False, 0)), path)
        parts = split_pages(text)
        if page > len(parts):
            raise ToolError(
                f"{path!r} has no page {page}, only {len(parts)}; ask for page={len(parts)} or less"
            )
        if len(parts) > 1:
            more = "this is the end"
            if page < len(parts):
                more = f"ask for page={page + 1} to read on"
            notice = f"\n[page {page} of {len(parts)} of {path}; {more}]{notice}"
        return (parts[page - 1] or "[the file is empty]") + notice

    def list_files(self, path: str = ".", pattern: Pattern = "", hidden: bool = False) -> str:
        """List the files and folders in a folder, or find files by name.

        Args:
            path: The folder.
            pattern: Empty: what is right in the folder. Such as *.py or src/*.py: all files below
                that fit.
            hidden: Also those whose name begins with a full stop.
        """
        walk = walk_inside(
            self.root, path, deep=bool(pattern), hidden=hidden, skipped=SKIPPED_FOLDERS
        )
        entries = list(islice(walk, MAX_ENTRIES + 1))
        found = entries[:MAX_ENTRIES]
        if pattern:
            found = [entry for entry in found if _matches_pattern(entry, pattern)]
        lines = [_describe_entry(entry) for entry in found[:MAX_LISTED]]
        if len(entries) > MAX_ENTRIES:
            lines.append(
                f"[only the first {MAX_ENTRIES:,} files and folders were looked at;"
                " give a narrower path]"
            )
        if len(found) > MAX_LISTED:
            lines.append(f"[{MAX_LISTED} of {len(found):,} shown; give a narrower path or pattern]")
        if not lines:
            lines.append(
                "[no file fits; try a wider pattern]" if pattern else "[the folder is empty]"
            )
        return "\n".join(lines)

    def search_files(
        self, text: str, path: str = ".", pattern: Pattern = "", hidden: bool = False
    ) -> str:
        """Find the lines that contain a text, as path:line: text.

        Capital and small letters are the same.

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
        files = 0
        skipped = 0
        bytes_left = MAX_SEARCHED_BYTES
        for number, entry in enumerate(self._entries_to_search(path, hidden)):
            if number == MAX_ENTRIES or bytes_left <= 0:
                lines.append("[stopped: too much to search; give a narrower path]")
                return "\n".join(lines)
            if entry.is_folder or (pattern and not _matches_pattern(entry, pattern)):
                continue
            files += 1
            try:
                data = _read_bytes(self.root, entry)
                content, _ = _decode(data, entry.path)
            except ToolError:
                skipped += 1
                continue
            bytes_left -= len(data)
            matches = _find_lines(content, wanted, entry.path)
            lines.extend(islice(matches, MAX_MATCHES + 1 - len(lines)))
            if len(lines) > MAX_MATCHES:
                lines[MAX_MATCHES:] = ["[more matches were left out; look for a longer text]"]
                return "\n".join(lines)
        if pattern and not files:
            return (
                f"[no file in {path!r} fits the pattern {pattern!r}; leave it empty to search all]"
            )
        if not lines:
            lines.append(f"[no line contains {text!r}]")
        if skipped:
            lines.append(f"[{skipped:,} not searched: not text, too large, or not readable]")
        return "\n".join(lines)

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
                f"content has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} can be written;"
                " split it"
            )
        old = replace_inside(self.root, path, data)
        what = "a new file" if old is None else f"in place of {old:,}"
        return f"Wrote {len(data):,} bytes to {path}, {what}."

    def _entries_to_search(self, path: str, hidden: bool) -> Iterator[Entry]:
        """The file at `path`, or everything in that folder, nearest first."""
        try:
            os.close(open_inside(self.root, path))
        except ToolError:
            return walk_inside(self.root, path, deep=True, hidden=hidden, skipped=SKIPPED_FOLDERS)
        return iter((Entry("/".join(resolve_inside(self.root, path)), False, 0),))


def file_tools(root: Root = ".") -> tuple[Tool, Tool, Tool, Tool]:
    """read_file, list_files, search_files and write_file for the folder `root` only.

    Writing needs approval. It isn't idempotent, although the same content gives the same file:
    after a crash somebody may edit the file before the thread continues, and a second write would
    silently undo that.
    """
    made = FileTools(root)
    return (
        make_tool(made.read_file, read_only=True, labels=("private",)),
        make_tool(made.list_files, read_only=True, labels=("private",)),
        make_tool(made.search_files, read_only=True, labels=("private",)),
        make_tool(made.write_file, needs_approval=True),
    )


read_file, list_files, search_files, write_file = file_tools()


def split_pages(text: str) -> list[str]:
    """The text in pieces of at most PAGE_CHARS, cut after a newline if there is one."""
    parts: list[str] = []
    start = 0
    while len(text) - start > PAGE_CHARS:
        newline = text.rfind("\n", start, start + PAGE_CHARS)
        end = start + PAGE_CHARS
        if newline >= 0:
            end = newline + 1
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _read_bytes(root: Root, entry: Entry) -> bytes:
    data = b""
    if entry.size_bytes <= MAX_FILE_BYTES:
        with os.fdopen(open_inside(root, entry.path), "rb") as file:
            try:
                # The size may be wrong: files grow, and some have none until they are read.
                data = file.read(MAX_FILE_BYTES + 1)
            except OSError as error:
                raise ToolError(f"{entry.path!r} can't be read: {error.strerror}") from None
    if max(len(data), entry.size_bytes) > MAX_FILE_BYTES:
        raise ToolError(
            f"{entry.path!r} is larger than {MAX_FILE_BYTES:,} bytes; it can't be read or searched"
        )
    return data


def _decode(data: bytes, path: str) -> tuple[str, str]:
    """The text, and a notice if it isn't all in one encoding.

    Raises ToolError if it is no text, or most of it in an encoding that can't be told.
    """
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    notice = ""
    lost = 0
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        lost = text.count("\N{REPLACEMENT CHARACTER}")
        notice = "\n[\N{REPLACEMENT CHARACTER} stands for bytes that are not valid UTF-16]"
        if encoding != "utf-16":
            text = decode_lines(data).removeprefix("\ufeff")
            notice = "\n[lines that are not valid UTF-8 were read as Windows' Latin]"
    if "\0" in text or lost > len(text) / 4:
        raise ToolError(f"{path!r} is not text in UTF-8 or UTF-16; only that can be read")
    return text, notice


def _find_lines(text: str, wanted: str, path: str) -> Iterator[str]:
    if wanted not in text.casefold():
        return
    for number, line in enumerate(text.split("\n"), start=1):
        at = line.casefold().find(wanted)
        if at >= 0:
            start = 0
            if len(line) > MAX_LINE_CHARS:
                start = max(0, at - MAX_LINE_CHARS // 2)
            yield f"{_printable(path)}:{number}: {line[start : start + MAX_LINE_CHARS].strip()}"


def _matches_pattern(entry: Entry, pattern: str) -> bool:
    """Whether it is a file whose name matches, or the end of its path if the pattern has a /.

    Both `*` and `**` match across folders.
    """
    if entry.is_folder:
        return False
    bare = pattern.removeprefix("./").replace("**/", "")
    if "/" not in bare:
        return fnmatchcase(entry.path.rpartition("/")[2], bare)
    return fnmatchcase(f"/{entry.path}", f"*/{bare}")


def _describe_entry(entry: Entry) -> str:
    path = _printable(entry.path)
    if entry.is_folder:
        return f"{path}/"
    return f"{path} ({entry.size_bytes:,} bytes)"


def _printable(path: str) -> str:
    """The path; quoted if it isn't printable, since it could fake a line of the result."""
    return path if path.isprintable() else repr(path)
