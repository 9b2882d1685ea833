"""From a folder to passages: which files count as text, and where each may be cut so that a piece makes sense alone."""

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .fetch import decode_body
from .page_text import strip_tags

_TEXT_NAME = re.compile(
    r".*\.(md|markdown|mdx|txt|text|rst|adoc|org|tex|html?|xhtml|xml|jsonl?|ya?ml|toml|ini|cfg|csv|tsv|log|sql|py|pyi|ipynb"
    r"|m?js|jsx|tsx?|css|java|kt|c|h|cc|cpp|hpp|cs|go|rs|rb|php|swift|scala|sh|ps1|r|jl|lua|pl|proto|graphql|tf)"
    r"|readme|license|changelog|makefile|dockerfile|authors|notice|contributing",
    re.IGNORECASE,
)
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
_PASSAGE_CHARS = 1500
_PROSE = (
    ".md",
    ".markdown",
    ".mdx",
    ".txt",
    ".text",
    ".rst",
    ".adoc",
    ".org",
    ".html",
    ".htm",
    ".xhtml",
    "",
)
_TABLES = (".csv", ".tsv")
_DATA = (".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".log", ".ipynb")
_MARKED = re.compile(r"(#{1,6}|={1,6}|\*{1,6})[ \t]+(\S.*)")
"""A heading of Markdown, AsciiDoc or Org; the last two only in files of their own."""
_UNDERLINE = re.compile(r"(=|-|~|\^|\"|\*|\+){3,}[ \t]*")
_DEFINITION = re.compile(
    r"(?:(?:export|default|public|private|pub|static|final|abstract|async)\s+)*"
    r"(?:def|class|function|func|fn|interface|struct|enum|impl|trait|type|module|namespace|CREATE)\s+\S.*"
)


@dataclass(frozen=True)
class Passage:
    """Some lines of a file that belong together."""

    heading: str
    """With those above it: "Install > On Linux"."""
    first: int
    """Line numbers, from 1."""
    last: int
    text: str


def walk_text_files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Text files below a folder, by their names: path with slashes, and size and times; the shallow ones first.

    No links, nothing hidden, no installed packages. Folders that may not be read are passed over.
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
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED:
                    folders.append(path)
            elif entry.is_file(follow_symlinks=False) and _TEXT_NAME.fullmatch(entry.name):
                try:
                    yield path, entry.stat(follow_symlinks=False)
                except OSError:  # gone since
                    continue


def read_text(path: Path, most: int) -> str:
    """The text of a regular file, HTML without its tags; "" if it is binary, longer, or can't be read."""
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_BINARY", 0)
    )
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            body = file.read(most + 1)
    except OSError:
        return ""
    text = decode_body(body, "") if len(body) <= most else ""
    if "\0" in text[:8192]:
        return ""
    return strip_tags(text) if path.suffix.lower() in (".html", ".htm", ".xhtml") else text


def split_passages(path: str, text: str) -> Iterator[Passage]:
    """The passages of a file, in order; together they hold every line that isn't blank. Pure.

    Cut at headings and definitions, then at the first blank line after 1,500 characters, and at 3,000 anyway.
    """
    suffix = Path(path).suffix.lower()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    headings: list[tuple[int, str]] = [(0, lines[0][:200])] if suffix in _TABLES else []
    starts = _headings(suffix, lines)
    first, size, has_body = 1, 0, False
    heading = _chain(headings)
    for number, line in enumerate(lines, 1):
        start = starts.get(number)
        full = (size >= _PASSAGE_CHARS and not line.strip()) or size + len(
            line
        ) > 2 * _PASSAGE_CHARS
        if (start and has_body) or (full and size):
            yield from _cut(heading, first, lines[first - 1 : number - 1])
            first, size, has_body = number, 0, False
        if start:
            headings = [item for item in headings if item[0] < start[0]] + [start]
            heading = _chain(headings)
        size += len(line) + 1
        has_body = has_body or bool(not start and line.strip() and not _UNDERLINE.fullmatch(line))
    yield from _cut(heading, first, lines[first - 1 :])


def _cut(heading: str, first: int, lines: list[str]) -> Iterator[Passage]:
    """Usually one passage; more where a single line is very long."""
    blank = next((count for count, line in enumerate(lines) if line.strip()), 0)
    first, text = first + blank, "\n".join(lines[blank:]).rstrip()
    last = first + text.count("\n")
    for start in range(0, len(text), 2 * _PASSAGE_CHARS):
        piece = text[start : start + 2 * _PASSAGE_CHARS]
        if piece.strip():
            yield Passage(heading, first, last, piece)


def _chain(headings: list[tuple[int, str]]) -> str:
    return " > ".join(title for _, title in headings)


def _headings(suffix: str, lines: list[str]) -> dict[int, tuple[int, str]]:
    """Line number to level and title, for each line that opens a section."""
    found: dict[int, tuple[int, str]] = {}
    if suffix in _TABLES or suffix in _DATA:
        return found
    fence = ""
    underlines: list[
        str
    ] = []  # reStructuredText: the level is the order in which the characters were first used
    for number, line in enumerate(lines, 1):
        if suffix not in _PROSE:
            if _DEFINITION.fullmatch(line):
                found[number] = (1, line.strip().rstrip(":{ ")[:120])
            continue
        if opened := re.match(r"\s{0,3}(```|~~~)", line):
            fence = "" if fence == opened[1] else fence or opened[1]
        elif not fence and (marked := _MARKED.fullmatch(line)) and _is_mark(suffix, marked[1]):
            found[number] = (len(marked[1]), marked[2].strip(" \t#=")[:120])
        elif (
            not fence
            and line.strip()
            and number < len(lines)
            and _UNDERLINE.fullmatch(lines[number])
            and not _UNDERLINE.fullmatch(line)
            and len(lines[number].rstrip()) >= min(len(line.rstrip()), 3)
            and not lines[number - 2 if number > 1 else number].strip().startswith("|")
        ):
            mark = lines[number][0]
            underlines = underlines if mark in underlines else [*underlines, mark]
            found[number] = (underlines.index(mark) + 1, line.strip()[:120])
    return found


def _is_mark(suffix: str, mark: str) -> bool:
    return {"#": suffix != ".rst", "=": suffix == ".adoc", "*": suffix == ".org"}[mark[0]]
