"""The rows of a table in a file, whatever its form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import ToolError
from .column import Column

MAX_COLUMNS = 500


@dataclass(frozen=True)
class Rows:
    """The content of a file: names of columns, rows of as many values, and what to know of it."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    notice: str = ""
    kinds: tuple[str, ...] = ()
    """SQLite's kind of each column; none for values of several."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """What to know of a column, by its name."""


def make_rows(names: tuple[str, ...], columns: Sequence[Column], notice: str = "") -> Rows:
    """The rows of these columns."""
    return Rows(
        names,
        list(zip(*(column.values for column in columns), strict=True)),
        notice,
        tuple(column.kind for column in columns),
        {name: each.notice for name, each in zip(names, columns, strict=True) if each.notice},
    )


def name_columns(head: Sequence[str], name: str) -> tuple[str, ...]:
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
