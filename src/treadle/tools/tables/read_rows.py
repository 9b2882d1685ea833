"""Reads the rows of a CSV or JSON file, with a kind for each column. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ...core.decode_lines import decode_lines
from ...core.errors import ToolError
from ...core.strict_json import value_of
from .column import INTEGER, REAL, TEXT, Column, read_column
from .csv_rows import read_csv
from .rows import Rows, make_rows, name_columns

_LEAST = -(2**63)


def read_rows(data: bytes, name: str) -> Rows:
    """The rows of a file of this name. Raises ToolError for what is no table.

    JSON is told by the name's ending or by the first character.
    """
    text = _decode(data, name)
    ending = name.casefold().rpartition(".")[2]
    is_json = ending in ("json", "jsonl", "ndjson") or text.lstrip()[:1] in ("{", "[")
    if is_json and ending not in ("csv", "tsv"):
        return _read_json(text, name)
    return read_csv(text, name)


def _decode(data: bytes, name: str) -> str:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = decode_lines(data).removeprefix("\ufeff")
    if "\0" in text:
        raise ToolError(f"{name!r} is no table: it isn't text. CSV, JSON and SQLite can be asked")
    if not text.strip():
        raise ToolError(f"{name!r} is empty; there is nothing to ask")
    return text


def _read_json(text: str, name: str) -> Rows:
    items, notice = _find_rows(list(_parse_json(text, name)))
    objects = [item if isinstance(item, dict) else {"value": item} for item in items]
    keys = list(dict.fromkeys(key for item in objects for key in item))
    if not keys:
        raise ToolError(f"{name!r} has no fields; each line must be an object with some")
    columns = name_columns(keys, name)
    read = [_read_values([_as_value(item.get(key)) for item in objects]) for key in keys]
    return make_rows(columns, read, notice)


def _find_rows(items: list[Any]) -> tuple[list[Any], str]:
    """The rows, and a notice: of one object alone, as services answer, those of its only list."""
    if len(items) != 1 or not isinstance(items[0], dict):
        return items, ""
    lists = [key for key, value in items[0].items() if _is_list_of_objects(value)]
    if len(lists) != 1:
        return items, ""
    rest = ", ".join(key for key in items[0] if key != lists[0])
    left_out = f"; left out: {rest[:200]}" if rest else ""
    notice = f"[the rows are those of {lists[0][:100]}{left_out}]"
    return items[0][lists[0]], " ".join(notice.split())


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _read_values(values: Sequence[Any]) -> Column:
    """A column of JSON values; texts that are numbers or dates as such, as of CSV."""
    types = {type(value) for value in values if value is not None}
    if types <= {int, float}:
        return Column(values, INTEGER if types == {int} else REAL)
    if str not in types:
        return Column(values, "")
    cells = ["" if value is None else str(value).strip() for value in values]
    column = read_column(cells)
    if list(column.values) != [cell or None for cell in cells]:
        return column
    return Column(values, TEXT if types == {str} else "", column.notice)


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
