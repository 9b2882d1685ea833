"""Finds the text files of a folder, and cuts each into passages that make sense alone."""

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .page_text import decode_body, strip_tags

_TEXT_NAME = re.compile(
    r".*\.(md|markdown|mdx|txt|text|rst|adoc|org|tex|html?|xhtml|xml|jsonl?|ya?ml|toml|ini|cfg|csv|tsv"
    r"|log|sql|py|pyi|ipynb|m?js|jsx|tsx?|css|java|kt|c|h|cc|cpp|hpp|cs|go|rs|rb|php|swift|scala|sh|ps1"
    r"|r|jl|lua|pl|proto|graphql|tf)"
    r"|readme|license|changelog|makefile|dockerfile|authors|notice|contributing",
    re.IGNORECASE,
)
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages"})
_PASSAGE_CHARS = 1500
_PROSE = (
    *(".md", ".markdown", ".mdx", ".txt", ".text", ".rst", ".adoc", ".org"),
    *(".html", ".htm", ".xhtml", ""),
)
_TABLES = (".csv", ".tsv")
_DATA = (".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".log", ".ipynb")
_MARKED = re.compile(r"(#{1,6}|={1,6}|\*{1,6})[ \t]+(\S.*)")
"""A heading of Markdown, AsciiDoc or Org; the last two only in files of that type."""
_UNDERLINE = re.compile(r"(=|-|~|\^|\"|\*|\+){3,}[ \t]*")
_DEFINITION = re.compile(
    r"(?:(?:export|default|public|private|pub|static|final|abstract|async)\s+)*"
    r"(?:def|class|function|func|fn|interface|struct|enum|impl|trait|type|module|namespace|CREATE)\s+\S.*"
)

_Heading = tuple[int, str]
"""Level, from 1, and title."""


@dataclass(frozen=True)
class Passage:
    """Lines of a file that belong together."""

    heading: str
    """With the headings above it, e.g. "Install > On Linux"."""
    first_line: int
    """Counts from 1."""
    last_line: int
    text: str


def walk_text_files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The text files in a folder and its subfolders: path with slashes, and status.

    Nearest files first.

    What is a text file is told by its name. Without links, hidden files, installed packages, and
    folders that can't be read.
    """
    folders = deque([""])
    while folders:
        folder = folders.popleft()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if folder and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            path = entry.name
            if folder:
                path = f"{folder}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED_FOLDERS:
                    folders.append(path)
            elif entry.is_file(follow_symlinks=False) and _TEXT_NAME.fullmatch(entry.name):
                try:
                    yield path, entry.stat(follow_symlinks=False)
                except OSError:  # removed meanwhile
                    continue


def read_text(path: Path, most: int) -> str:
    """The text of a regular file, HTML without its tags.

    Empty if the file is binary, longer than `most` bytes, or can't be read.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            body = file.read(most + 1)
    except OSError:
        return ""
    if len(body) > most:
        return ""
    text = decode_body(body, "")
    if "\0" in text[:8192]:
        return ""
    if path.suffix.lower() in (".html", ".htm", ".xhtml"):
        return strip_tags(text)
    return text


def split_passages(path: str, text: str) -> Iterator[Passage]:
    """The passages of a file, in order; together they have every line that isn't blank. Pure.

    Cuts at headings and definitions, then at the first blank line after 1,500 characters, and in
    any case at 3,000.
    """
    suffix = Path(path).suffix.lower()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    headings: list[_Heading] = []
    if suffix in _TABLES:
        headings.append((0, lines[0][:200]))
    starts = _find_headings(suffix, lines)
    heading = _join_titles(headings)
    first = 1
    size = 0
    has_body = False
    for number, line in enumerate(lines, 1):
        start = starts.get(number)
        full = size + len(line) > 2 * _PASSAGE_CHARS
        if not line.strip():
            full = full or size >= _PASSAGE_CHARS
        if (start and has_body) or (full and size):
            yield from _make_passages(heading, first, lines[first - 1 : number - 1])
            first = number
            size = 0
            has_body = False
        if start:
            headings = [each for each in headings if each[0] < start[0]] + [start]
            heading = _join_titles(headings)
        elif line.strip() and not _UNDERLINE.fullmatch(line):
            has_body = True
        size += len(line) + 1
    yield from _make_passages(heading, first, lines[first - 1 :])


def _make_passages(heading: str, first_line: int, lines: list[str]) -> Iterator[Passage]:
    """Usually one passage; several if a single line is very long."""
    blank = 0
    while blank < len(lines) and not lines[blank].strip():
        blank += 1
    first_line += blank
    text = "\n".join(lines[blank:]).rstrip()
    last_line = first_line + text.count("\n")
    for start in range(0, len(text), 2 * _PASSAGE_CHARS):
        piece = text[start : start + 2 * _PASSAGE_CHARS]
        if piece.strip():
            yield Passage(heading, first_line, last_line, piece)


def _join_titles(headings: list[_Heading]) -> str:
    return " > ".join(title for _, title in headings)


def _find_headings(suffix: str, lines: list[str]) -> dict[int, _Heading]:
    """The headings and definitions of a file, by line number."""
    found: dict[int, _Heading] = {}
    if suffix in _TABLES or suffix in _DATA:
        return found
    if suffix in _PROSE:
        return _find_prose_headings(suffix, lines)
    for number, line in enumerate(lines, 1):
        if _DEFINITION.fullmatch(line):
            found[number] = (1, line.strip().rstrip(":{ ")[:120])
    return found


def _find_prose_headings(suffix: str, lines: list[str]) -> dict[int, _Heading]:
    found: dict[int, _Heading] = {}
    fence = ""
    # In reStructuredText, a heading's level is the order in which the underlines were first used.
    underlines: list[str] = []
    for number, line in enumerate(lines, 1):
        if opened := re.match(r"\s{0,3}(```|~~~)", line):
            if fence == opened[1]:
                fence = ""
            elif not fence:
                fence = opened[1]
        elif fence:
            continue
        elif (marked := _MARKED.fullmatch(line)) and _is_mark(suffix, marked[1]):
            found[number] = (len(marked[1]), marked[2].strip(" \t#=")[:120])
        elif _is_underlined(lines, number):
            mark = lines[number][0]
            if mark not in underlines:
                underlines.append(mark)
            found[number] = (underlines.index(mark) + 1, line.strip()[:120])
    return found


def _is_mark(suffix: str, mark: str) -> bool:
    return {"#": suffix != ".rst", "=": suffix == ".adoc", "*": suffix == ".org"}[mark[0]]


def _is_underlined(lines: list[str], number: int) -> bool:
    """Whether the line with this number, counted from 1, is a title with an underline below it."""
    if number == len(lines):
        return False
    line = lines[number - 1]
    underline = lines[number]
    if not line.strip() or _UNDERLINE.fullmatch(line) or not _UNDERLINE.fullmatch(underline):
        return False
    if number > 1 and lines[number - 2].strip().startswith("|"):
        return False  # the rule below the last row of a table
    return len(underline.rstrip()) >= min(len(line.rstrip()), 3)
