"""Dates in tables, written so that SQLite can order and count them: 2023-12-31. Pure."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date as Date

from ...core.errors import ToolError
from ..date_words import read_date

_HOUR = (
    r"(?P<hour>[01]?\d|2[0-3])(?P<rest>:\d{2}(?::\d{2})?)(?:\.\d+)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_CLOCK = re.compile(_HOUR)
_TIME = rf"(?:[ T,]+{_HOUR})?"
_NUMBERS = re.compile(r"(?P<first>\d{1,4})([/.-])(?P<second>\d{1,2})\2(?P<third>\d{1,4})" + _TIME)
_WORDS = re.compile(
    r"(?P<day>\d{1,2}[ .-]+[A-Za-z]{3,9}[ .,-]+\d{4}|[A-Za-z]{3,9} \d{1,2},? \d{4})" + _TIME
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}\b")


def write_dates(cells: Sequence[str]) -> tuple[dict[str, str], str]:
    """Each cell as SQLite's date, and a notice; none unless all are dates written in one order.

    Where nothing tells the day from the month, the notice says so.
    """
    if _ISO.match(cells[0]):
        return {}, ""
    kind = next((each for each in (_NUMBERS, _WORDS, _CLOCK) if each.fullmatch(cells[0])), _WORDS)
    found: dict[str, re.Match[str]] = {}
    for cell in cells:
        match = kind.fullmatch(cell)
        if match is None:
            return {}, ""
        found[cell] = match
    order = ""
    if kind is _NUMBERS:
        order = _find_order([*found.values()])
        if not order and "/" in cells[0]:
            said = f"text, since nothing tells how dates such as {cells[0]} are meant"
            return {}, f"{said}: > and ORDER BY mislead"
    written: dict[str, str] = {}
    with suppress(ValueError, ToolError):
        for cell, match in found.items():
            written[cell] = " ".join(filter(None, [_write_day(match, order), _write_time(match)]))
    if len(written) < len(found) or written.keys() == {*written.values()}:
        return {}, ""
    what = "times" if kind is _CLOCK else "dates"
    return written, f"{what} are written as {written[cells[0]]}"


def _find_order(found: Sequence[re.Match[str]]) -> str:
    """How year, month and day stand: "ymd", "dmy" or "mdy"; "" if that can't be told.

    Only years have four digits, and only days are above 12. With full stops the day is first.
    """
    if all(len(match["first"]) == 4 and len(match["third"]) < 3 for match in found):
        return "ymd"
    if not all(len(match["first"]) < 3 and len(match["third"]) == 4 for match in found):
        return ""
    day_first = any(int(match["first"]) > 12 or match[2] == "." for match in found)
    month_first = any(int(match["second"]) > 12 for match in found)
    if day_first and month_first:
        return ""
    if day_first:
        return "dmy"
    return "mdy" if month_first else ""


def _write_day(match: re.Match[str], order: str) -> str:
    """Raises ValueError and ToolError."""
    if match.re is _CLOCK:
        return ""
    if match.re is _WORDS:
        return str(read_date(match["day"], Date.min))
    parts = dict(zip(order, (match["first"], match["second"], match["third"]), strict=False))
    if not parts:
        raise ValueError("they are in no order")
    return str(Date(int(parts["y"]), int(parts["m"]), int(parts["d"])))


def _write_time(match: re.Match[str]) -> str:
    if not match["hour"]:
        return ""
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + 12 * (match["half"] in "Pp")
    return f"{hour:02}{match['rest']}"
