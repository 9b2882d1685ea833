"""Reads a column of texts as the numbers or dates that they are. Pure.

1. A column is of one kind: if a cell doesn't fit, all stay text, since a sum over half of them
   would look right. What says "nothing here" in a column of numbers or dates, such as N/A, is none.
2. What a reader can't see in the values is told in a notice: signs left out, dates rewritten, and
   what may be meant otherwise.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .date_cells import write_dates

INTEGER, REAL, TEXT = "INTEGER", "REAL", "TEXT"
"""SQLite's kinds of columns: it compares a number with '42' by them."""

_MISSING = frozenset(
    ("n/a", "na", "#n/a", "n.a.", "null", "none", "nan", "-", "--", "\u2013", "\u2014", "?", ".")
)
_WHOLE = re.compile(r"(-|\+(?!\d{7}))?(0|[1-9][0-9]{0,17})")
"""Not 007 or +4930123456, which are codes. Not more digits: SQLite has 64 bits."""
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})?(\.[0-9]+|\.?[0-9]+[eE][+-]?[0-9]{1,2})")
_CURRENCIES = (
    r"US\$|R\$|[$€£¥₹₽₩₪]|kr|zł|Kč|USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF"
    r"|BRL|MXN|ZAR|KRW|SGD|HKD|TRY|RUB|UAH|ILS"
)
_AMOUNT = re.compile(
    rf"(?P<minus>-|\u2212|\+(?!\d{{7}})|\()?\s?(?P<before>{_CURRENCIES})?\s?(?P<inner>[-\u2212(])?"
    r"(?P<digits>[0-9.,][0-9.,'\u2019 \u00a0\u202f]*?)"
    rf"\s?(?P<after>{_CURRENCIES}|%|\u00b0?[^\W\d_]{{1,5}}(/[^\W\d_]{{1,5}})?)?(?P<close>\))?"
)
"""A number with its minus or parentheses, and a currency before it or a unit behind it."""
_NO_AMOUNT = re.compile(rf"({_CURRENCIES})\s?-")
"""How Excel shows no money."""
_SPACES = "'\u2019 \u00a0\u202f"
_GROUPED = r"((0|[1-9]\d{0,17}|[1-9]\d{0,2}([%s])\d{3}(\3\d{3}){0,4})(%s\d+)?|%s\d+)"
_POINT = re.compile(_GROUPED % (f",{_SPACES}", r"\.", r"\."))
_COMMA = re.compile(_GROUPED % (f".{_SPACES}", ",", ","))
"""Numbers with a decimal point, and with a decimal comma; digits may be in groups."""
_SAMPLE = 500


@dataclass(frozen=True)
class Column:
    """The values of a column, as SQLite has them; None where there is nothing."""

    values: Sequence[Any]
    kind: str
    """INTEGER, REAL or TEXT."""
    notice: str = ""


def read_column(cells: Sequence[str], decimal_comma: bool = False) -> Column:
    """The column of these cells, which have no blanks around them; "" is nothing.

    `decimal_comma`: where 1,234 may be both, it is a bit more than one.
    """
    distinct = list(dict.fromkeys(filter(None, cells)))
    found = _read_distinct(distinct[:_SAMPLE], decimal_comma)
    if len(distinct) > _SAMPLE and (found.values or found.notice):  # else all are text as well
        found = _read_distinct(distinct, decimal_comma)
    if not found.values:
        notice = found.notice or _warn(distinct[:_SAMPLE])
        return Column([cell or None for cell in cells], TEXT, notice)
    notice = found.notice
    absent = [cell for cell in distinct if cell not in found.values]
    if absent:
        notice = "; ".join(filter(None, [notice, f"NULL for {', '.join(absent[:3])}"]))
    return Column([found.values.get(cell) for cell in cells], found.kind, notice)


def is_plain_number(cell: str) -> bool:
    """Whether a cell is a number without a sign or a unit: what names no column."""
    return any(form.fullmatch(cell) for form in (_WHOLE, _DECIMAL, _POINT, _COMMA))


@dataclass(frozen=True)
class _Values:
    """The values of cells, none of which stays text; no values where one does."""

    values: Mapping[str, Any]
    kind: str = TEXT
    notice: str = ""


def _read_distinct(cells: Sequence[str], decimal_comma: bool) -> _Values:
    present = [
        cell for cell in cells if cell.casefold() not in _MISSING and not _NO_AMOUNT.fullmatch(cell)
    ]
    if not present:
        return _Values({})
    numbers, notice = _read_numbers(present, decimal_comma)
    if not numbers:
        dates, notice = write_dates(present)
        return _Values(dates, TEXT, notice)
    kind = INTEGER if all(isinstance(number, int) for number in numbers.values()) else REAL
    return _Values(numbers, kind, notice)


def _read_numbers(cells: Sequence[str], decimal_comma: bool) -> tuple[dict[str, int | float], str]:
    """The number of each cell, and a notice; none unless all are numbers of one form."""
    if all(_WHOLE.fullmatch(cell) or _DECIMAL.fullmatch(cell) for cell in cells):
        notice = ""
        pointed = [cell for cell in cells if "." in cell]
        if decimal_comma and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", cell) for cell in pointed):
            notice = _doubt(pointed[:1])
        return {cell: _plain_number(cell) for cell in cells}, notice
    parts: dict[str, re.Match[str]] = {}
    for cell in cells:
        found = _AMOUNT.fullmatch(cell)
        if found is None or ("(" in cell) != (")" in cell):
            return {}, ""
        parts[cell] = found
    signs = {found["before"] or found["after"] or "" for found in parts.values()}
    sign = max(signs)
    if len(signs - {""}) > 1 or (len(signs) > 1 and not re.fullmatch(_CURRENCIES, sign)):
        return {}, ""
    digits = {cell: found["digits"] for cell, found in parts.items()}
    with_point = all(map(_POINT.fullmatch, digits.values()))
    with_comma = all(map(_COMMA.fullmatch, digits.values()))
    if not (with_point or with_comma) or _may_be_codes(digits.values(), sign, decimal_comma):
        return {}, ""
    as_comma = with_comma and (decimal_comma or not with_point)
    notice = f"read as numbers, without {sign}" if sign else ""
    if with_point and with_comma and decimal_comma:
        doubtful = [cell for cell, text in digits.items() if re.search("[.,]", text)]
        notice = "; ".join(filter(None, [notice, _doubt(doubtful[:1])]))
    return {cell: _amount(found, as_comma) for cell, found in parts.items()}, notice


def _may_be_codes(digits: Iterable[str], sign: str, decimal_comma: bool) -> bool:
    """Whether they are grouped like telephone numbers or addresses, with no sign of an amount."""
    texts = [text for text in digits if re.search(rf"[.{_SPACES}]", text)]
    if texts and all(re.fullmatch(r"\d+(\.\d+){3}", text) for text in texts):
        return True
    if sign or decimal_comma or not texts or any("," in text for text in digits):
        return False
    return not any(re.search(r"\.(\d{1,2}|\d{4,})$", text) for text in texts)


def _plain_number(cell: str) -> int | float:
    return int(cell) if _WHOLE.fullmatch(cell) else float(cell)


def _amount(found: re.Match[str], as_comma: bool) -> int | float:
    digits = re.sub(f"[{_SPACES}]", "", found["digits"])
    group, point = (".", ",") if as_comma else (",", ".")
    plain = digits.replace(group, "").replace(point, ".")
    number = float(plain) if "." in plain else int(plain)
    is_negative = found["minus"] not in (None, "+") or found["inner"]
    return -number if is_negative else number


def _doubt(cells: Sequence[str]) -> str:
    return "".join(f"{cell} is read with decimals, not with thousands" for cell in cells)


def _warn(sample: Sequence[str]) -> str:
    """A notice on a column of text most of which are numbers: its sums and order go wrong."""
    others = [cell for cell in sample if not _read_numbers([cell], False)[0]]
    if 2 * len(others) >= len(sample) or (others and all(map(str.isdigit, others))):
        return ""
    why = f"{others[0][:40]!r} is none" if others else "they are of several forms"
    return f"text, not numbers, since {why}: sum(), > and ORDER BY mislead"
