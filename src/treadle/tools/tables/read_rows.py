"""Reads the rows of a CSV or JSON file, with a type for each column. Pure."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import ToolError
from ...core.strict_json import value_of

MAX_COLUMNS = 500
_DELIMITERS = ",;\t|"
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
"""Not 007: that is a code and not a number. Not more digits: SQLite's integers have 64 bits."""
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})?\.?[0-9]+([eE][+-]?[0-9]{1,2})?")
_DECIMAL_COMMA = re.compile(r"[+-]?(0|[1-9][0-9]{0,17}),[0-9]+")
_LEAST = -(2**63)


@dataclass(frozen=True)
class Rows:
    """The content of a file: names of columns, rows of as many values, and what to know of it."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    notice: str = ""


def read_rows(data: bytes, name: str) -> Rows:
    """The rows of a file of this name. Raises ToolError for what is no table.

    JSON is told by the name's ending or by the first character.
    """
    text = _decode(data, name)
    ending = name.casefold().rpartition(".")[2]
    is_json = ending in ("json", "jsonl", "ndjson") or text.lstrip()[:1] in ("{", "[")
    if is_json and ending not in ("csv", "tsv"):
        return _read_json(text, name)
    return _read_csv(text, name)


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise ToolError(f"{name!r} is no table: it isn't text. CSV, JSON and SQLite can be asked")
    if not text.strip():
        raise ToolError(f"{name!r} is empty; there is nothing to ask")
    return text


def _read_csv(text: str, name: str) -> Rows:
    delimiter = _find_delimiter(text, name)
    limit = csv.field_size_limit(len(text) + 1)  # one for the whole process: put back below
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        lines = [line for line in reader if line]
    except csv.Error as error:
        raise ToolError(f"{name!r} can't be read as CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)
    head = lines[0]
    if not any(_as_number(cell, delimiter) is not None for cell in head):
        lines = lines[1:]
    else:  # numbers are no names: the file has no head
        head = [""] * len(head)
    columns = _name_columns(head, name)
    width = len(columns)
    notice = ""
    if longer := sum(len(line) > width for line in lines):
        notice = f"[rows with more cells than the first line: {longer:,}; those cells are left out]"
    cells = [(line + [""] * (width - len(line)))[:width] for line in lines]
    typed = [_type_column([line[at].strip() for line in cells], delimiter) for at in range(width)]
    return Rows(columns, list(zip(*typed, strict=True)), notice)


def _find_delimiter(text: str, name: str) -> str:
    """The character that parts the first line in most cells, outside quotes."""
    if name.casefold().endswith(".tsv"):
        return "\t"
    first = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(_DELIMITERS, key=first.count)


def _type_column(cells: Sequence[str], delimiter: str) -> list[Any]:
    """The values of a column: numbers, if all that is there is one; None where nothing is."""
    numbers = [_as_number(cell, delimiter) if cell else None for cell in cells]
    if all(number is not None for number, cell in zip(numbers, cells, strict=True) if cell):
        return numbers
    return [cell or None for cell in cells]


def _as_number(cell: str, delimiter: str) -> int | float | None:
    cell = cell.strip()
    if _WHOLE.fullmatch(cell):
        return int(cell)
    if _DECIMAL.fullmatch(cell) and ("." in cell or "e" in cell.lower()):
        return float(cell)
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(cell):
        return float(cell.replace(",", "."))
    return None


def _read_json(text: str, name: str) -> Rows:
    items = _parse_json(text, name)
    objects = [item if isinstance(item, dict) else {"value": item} for item in items]
    keys = list(dict.fromkeys(key for item in objects for key in item))
    if not keys:
        raise ToolError(f"{name!r} has no fields; each line must be an object with some")
    columns = _name_columns(keys, name)
    return Rows(columns, [tuple(_as_value(item.get(key)) for key in keys) for item in objects])


def _parse_json(text: str, name: str) -> Iterable[Any]:
    """The objects of JSON lines, of one JSON array, or the only one."""
    number = 0
    try:
        lines = [line for line in text.splitlines() if line.strip()]
        if text.lstrip().startswith("[") or (len(lines) > 1 and lines[0].strip() == "{"):
            whole = value_of(text)
            return whole if isinstance(whole, list) else [whole]
        items = []
        for line in text.split("\n"):
            number += 1
            if line.strip():
                items.append(value_of(line))
        return items
    except ValueError as error:
        where = f"line {number} of {name!r}" if number else repr(name)
        raise ToolError(f"{where} isn't JSON: {error}") from None


def _as_value(value: Any) -> Any:
    """A JSON value as SQLite has it: objects, lists and integers that are too large as text."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not _LEAST <= value <= -_LEAST - 1:
        return str(value)
    return value


def _name_columns(head: Sequence[str], name: str) -> tuple[str, ...]:
    """A name for each column that no other has, also not in other letters."""
    if len(head) > MAX_COLUMNS:
        raise ToolError(f"{name!r} has {len(head):,} columns; at most {MAX_COLUMNS} can be asked")
    names: list[str] = []
    taken: set[str] = set()
    for number, text in enumerate(head, start=1):
        bare = " ".join(text.replace('"', "").split())[:80] or f"column_{number}"
        unique = bare
        while unique.casefold() in taken:
            unique = f"{bare}_{number}" if unique == bare else f"{unique}_"
        taken.add(unique.casefold())
        names.append(unique)
    return tuple(names)
