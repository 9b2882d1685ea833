"""Reads CSV as people export it: its delimiter, what stands above the table, its head. Pure."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from ...core.errors import ToolError
from .column import is_plain_number, read_column
from .rows import Rows, make_rows, name_columns

_DELIMITERS = ",;\t|"
_SEP = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""Excel's line that names the delimiter."""
_SAMPLE_CHARS = 50_000
_SAMPLE_LINES = 50
_MAX_TITLES = 10
_YEAR = re.compile(r"(19|20)\d\d")


def read_csv(text: str, name: str) -> Rows:
    """The rows of a CSV file. Raises ToolError."""
    told: list[str] = []
    sep = _SEP.match(text)
    if sep:
        text = text[sep.end() :]
    delimiter = sep[1] if sep else _find_delimiter(text, name)
    lines = _split(text, delimiter, name, told)
    titles = _count_titles(lines)
    if titles:
        shown = " ".join(cell for line in lines[:titles] for cell in line if cell.strip())
        told.append(f"[left out above the table: {' '.join(shown.split())[:100]}]")
    lines = [line for line in lines[titles:] if any(map(str.strip, line))]
    if not lines:
        raise ToolError(f"{name!r} has no cells with text; there is nothing to ask")
    head = lines[0]
    if not _is_head(lines):
        head = [""] * len(head)
    else:
        del lines[0]
    columns = name_columns(head, name)
    width = len(columns)
    if longer := sum(len(line) > width for line in lines):
        told.append(
            f"[rows with more cells than the first line: {longer:,}; those cells are left out]"
        )
    for number, line in enumerate(lines):
        if len(line) != width:
            lines[number] = (line + [""] * (width - len(line)))[:width]
    cells = zip(*lines, strict=True) if lines else [()] * width
    read = [read_column([*map(str.strip, each)], delimiter != ",") for each in cells]
    return make_rows(columns, read, "\n".join(told))


def _find_delimiter(text: str, name: str) -> str:
    """The character that cuts most of the first lines into as many cells."""
    if name.casefold().endswith(".tsv"):
        return "\t"
    sample = text[:_SAMPLE_CHARS]

    def score(delimiter: str) -> tuple[float, bool, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths = [len(line) for line in islice(reader, _SAMPLE_LINES) if line]
        cut = Counter(width for width in widths if width > 1)
        width, times = cut.most_common(1)[0] if cut else (1, 0)
        # Numbers have commas too: where another character cuts all lines alike, it is that.
        return (times / max(1, len(widths)), bool(times) and delimiter != ",", width)

    return max(_DELIMITERS, key=score)


def _split(text: str, delimiter: str, name: str, told: list[str]) -> list[list[str]]:
    """The lines in cells, blank lines too. A quote that never ends is taken as any other letter."""
    limit = csv.field_size_limit(len(text) + 1)  # one for the whole process: put back below
    try:
        try:
            return _read(text, delimiter, strict=True)
        except csv.Error as error:
            if "end of data" not in str(error) and text.count('"') % 2 == 0:
                return _read(text, delimiter)
        told.append("[a quote in the file never ends, so no quote in it joins lines or cells]")
        lines = _read(text, delimiter, quoted=False)
        return [[cell.strip(' "') for cell in line] for line in lines]
    except csv.Error as error:
        raise ToolError(f"{name!r} can't be read as CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _read(
    text: str, delimiter: str, *, strict: bool = False, quoted: bool = True
) -> list[list[str]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=True,
        strict=strict,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    return list(reader)


def _count_titles(lines: Sequence[Sequence[str]]) -> int:
    """How many lines stand above the table's head: a title in one cell, a remark, blank lines."""
    titles = 0
    for at in range(min(_MAX_TITLES, len(lines))):
        filled = _filled(lines[at])
        if not filled:
            continue
        below = lines[at + 1 :]
        following = next(filter(None, map(_filled, below)), [])
        stands_out = filled[0].startswith("#") or (below and not _filled(below[0]))
        is_title = len(filled) == 1 and not is_plain_number(filled[0])
        if not is_title or len(following) < (2 if stands_out else 3):
            break
        if not all(map(_is_name, following)):
            break
        titles = at + 1
    return titles


def _filled(line: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in line if cell.strip()]


def _is_name(cell: str) -> bool:
    return bool(_YEAR.fullmatch(cell)) or not is_plain_number(cell)


def _is_head(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names the columns. Numbers are no names, but years above other are."""
    head = [cell.strip() for cell in lines[0]]
    if all(map(is_plain_number, head)) or not all(map(_is_name, head)):
        return False
    for at, cell in enumerate(head):
        below = [line[at].strip() for line in lines[1:] if at < len(line)]
        if _YEAR.fullmatch(cell) and all(map(_YEAR.fullmatch, below)):
            return False
    return True
