"""Reads dates and spans of time as people and models write them, in English. Pure.

A date that may mean two is refused, never guessed.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date as Date
from datetime import timedelta

from ..core.errors import ToolError
from .clock import MONTHS

_NEAR_DAYS = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
_MONTH = "(?P<month>[a-z]{3,9})"
_FORMS = [
    re.compile(form)
    for form in (
        r"(?P<year>\d{4})([-/.])(?P<number>\d{1,2})\2(?P<day>\d{1,2})",
        rf"(?P<day>\d{{1,2}})[ .-]+{_MONTH}[ .-]*(?P<year>\d{{4}})?",
        rf"{_MONTH}[ .-]+(?P<day>\d{{1,2}})(?: (?P<year>\d{{4}}))?",
        rf"(?P<year>\d{{4}})[ .-]+{_MONTH}[ .-]+(?P<day>\d{{1,2}})",
        r"(?P<day>\d{1,2})\.(?P<number>\d{1,2})\.(?P<year>\d{4})",
    )
]
_SLASHES = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})")
"""Day and month, in Britain's order or in America's."""
_TIME = re.compile(r"\d{1,2}:\d\d")
_PART = re.compile(
    r"(?P<sign>[+-])? ?(?P<number>\d{1,9}|an?)? ?(?P<unit>[a-z]+(?: days?)?)?[ ,]*(?:and )?"
)
_UNITS = {
    "": (0, 1, 0),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "fortnight": (0, 14, 0),
    "month": (1, 0, 0),
    "quarter": (3, 0, 0),
    "year": (12, 0, 0),
    "business day": (0, 0, 1),
    "working day": (0, 0, 1),
    "work day": (0, 0, 1),
    "workday": (0, 0, 1),
    "weekday": (0, 0, 1),
}
"""Months, days and business days of each unit."""


@dataclass(frozen=True)
class Span:
    """A length of time. Its months are added first, then its days, then its business days."""

    months: int = 0
    days: int = 0
    business_days: int = 0


def read_date(text: str, today: Date) -> Date:
    """The date that a text means; without a year, in the year of `today`.

    Raises ToolError if it means none, or may mean two.
    """
    bare = _normalize(text)
    if bare in _NEAR_DAYS:
        return today + timedelta(days=_NEAR_DAYS[bare])
    for form in _FORMS:
        if found := form.fullmatch(bare):
            parts = found.groupdict()
            month = _read_month(parts.get("month") or parts.get("number") or "")
            if month:
                return _make_date(int(parts["year"] or today.year), month, int(parts["day"]), text)
    if found := _SLASHES.fullmatch(bare):
        return _read_slashes(int(found[1]), int(found[3]), int(found[4]), text)
    problem = "is no date"
    if _TIME.search(bare):
        problem = "has a time in it; only whole days are counted"
    raise ToolError(f"{text[:60]!r} {problem}. Write it as 2026-03-01, 1 March 2026 or today")


def read_span(text: str) -> Span:
    """The span that a text means, such as "3 weeks and 2 days". Raises ToolError for none."""
    bare = _normalize(re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
    sign = 1
    if bare.endswith((" ago", " before", " earlier")):
        sign, bare = -1, bare.rpartition(" ")[0]
    for word in (" from now", " later", " after"):
        bare = bare.removesuffix(word)
    bare = re.sub(r"\bplus ", "+", re.sub(r"\b(minus|less) ", "-", bare))
    total = (0, 0, 0)
    at = 0
    while at < len(bare) or not at:
        part = _PART.match(bare, at)
        unit = _UNITS.get((part["unit"] or "").removesuffix("s")) if part else None
        alone = part and part.span() == (0, len(bare))
        if part is None or not part["number"] or unit is None or not (part["unit"] or alone):
            raise ToolError(
                f"{text[:60]!r} is no span of time. Write it as 90 days, -2 weeks, 1 year and"
                " 3 months or 10 business days"
            )
        if part["sign"]:
            sign = {"+": 1, "-": -1}[part["sign"]]
        number = sign * (int(part["number"]) if part["number"].isdigit() else 1)
        total = (
            total[0] + number * unit[0],
            total[1] + number * unit[1],
            total[2] + number * unit[2],
        )
        at = part.end()
    return Span(*total)


def _read_slashes(first: int, second: int, year: int, text: str) -> Date:
    if first > 12 or first == second:
        return _make_date(year, second, first, text)
    if second > 12:
        return _make_date(year, first, second, text)
    raise ToolError(
        f"{text[:60]!r} may be {first} {MONTHS[second - 1]} or {second} {MONTHS[first - 1]};"
        f" write {year:04}-{second:02}-{first:02} or {year:04}-{first:02}-{second:02}"
    )


def _make_date(year: int, month: int, day: int, text: str) -> Date:
    try:
        return Date(year, month, day)
    except ValueError as error:
        reason = str(error)
    if 1 <= month <= 12 and year >= 1:
        last = calendar.monthrange(year, month)[1]
        reason = f"{MONTHS[month - 1]} {year} has {last} days"
    raise ToolError(f"{text[:60]!r} is no date: {reason}")


def _read_month(word: str) -> int:
    """The number of a month by its name, the beginning of its name, or its number; 0 if none."""
    if word.isdigit():
        return int(word)
    for number, name in enumerate(MONTHS, start=1):
        if word and (name.casefold().startswith(word) or (word == "sept" and number == 9)):
            return number
    return 0


def _normalize(text: str) -> str:
    """In lower case, without weekdays, "the", "of", commas and the endings of 1st, 2nd, 3rd."""
    bare = text.replace("\N{MINUS SIGN}", "-").casefold()
    bare = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", bare)
    bare = re.sub(r"\b(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?\b[.,]?", " ", bare)
    bare = re.sub(r"\b(the|of|on|in)\b|,", " ", bare)
    bare = re.sub(r"(?<=\d)t00:00(:00)?(\.0+)?(z|\+00:00)?$", "", bare.strip())
    return " ".join(bare.split())
