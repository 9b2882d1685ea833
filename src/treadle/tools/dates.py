"""The tool for dates: days between two dates, a date plus a span, weekdays, business days.

Only the standard library, in the Gregorian calendar, years 1 to 9999. Public holidays differ from
place to place and aren't known.
"""

import calendar
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime, timedelta

from ..core.errors import ToolError
from ..core.tool import tool
from .clock import DAYS, MONTHS

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


@tool(read_only=True, timeout_s=5.0)
def date_calculator(date: str, until: str = "", plus: str = "") -> str:
    """Work out dates: the days between two dates, a date plus a span, the weekday of a date.

    Gives weeks, months and business days (Monday to Friday) too; public holidays aren't known.

    Args:
        date: The first date, such as 2026-03-01 or 1 March 2026 or today.
        until: Only for the days between two dates: the second one.
        plus: Only to add to the date: 90 days or -2 weeks or 10 business days.
    """
    return describe_dates(datetime.now().astimezone().date(), date, until, plus)


def describe_dates(today: Date, start: str, until: str = "", plus: str = "") -> str:
    """The tool's answer on the day `today`. Raises ToolError for what is no date or span."""
    first = read_date(start, today)
    if until.strip() and plus.strip():
        raise ToolError("give until or plus, not both: work out one, then the other")
    if until.strip() or plus.strip():
        second = _read_second(until, plus, today)
        if isinstance(second, Span):
            return _describe_sum(first, second, until or plus)
        if second == first:  # how small models ask for the weekday
            return f"{_describe_day(first, today)} Both dates are the same: 0 days between them."
        return _describe_difference(first, second)
    return _describe_day(first, today)


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
        unit = _UNITS.get(_singular(part["unit"] or "")) if part else None
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


def _read_second(until: str, plus: str, today: Date) -> Date | Span:
    """The date of `until` or the span of `plus`. Small models swap them; the words tell."""
    if until.strip():
        try:
            return read_date(until, today)
        except ToolError as problem:
            with suppress(ToolError):
                return read_span(until)
            raise problem
    try:
        return read_span(plus)
    except ToolError as problem:
        with suppress(ToolError):
            return read_date(plus, today)
        raise problem


def add_span(start: Date, span: Span) -> Date:
    """The date after the span, which may be negative. A month's end stays within its month.

    Raises ToolError if it is outside the years 1 to 9999.
    """
    try:
        year, month = divmod(start.year * 12 + start.month - 1 + span.months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        moved = Date(year, month + 1, min(start.day, last)) + timedelta(days=span.days)
        return _add_business_days(moved, span.business_days)
    except (OverflowError, ValueError):
        raise ToolError("that date is outside the years 1 to 9999; add less") from None


def count_business_days(start: Date, end: Date) -> int:
    """The days from Monday to Friday from `start`, which counts, to `end`, which doesn't."""
    weeks, rest = divmod((end - start).days, 7)
    ahead = [(start.weekday() + day) % 7 for day in range(rest)]
    return weeks * 5 + sum(day < 5 for day in ahead)


def _add_business_days(start: Date, days: int) -> Date:
    """The start itself if `days` is 0, whatever day it is."""
    step = 1 if days > 0 else -1
    weeks, rest = divmod(abs(days), 5)
    if days and rest == 0:  # so that the last step lands on a business day
        weeks, rest = weeks - 1, 5
    day = start
    while rest:
        day += timedelta(days=step)
        rest -= day.weekday() < 5
    return day + timedelta(weeks=step * weeks)


def _describe_day(day: Date, today: Date) -> str:
    days = (day - today).days
    distance = "which is today"
    if days > 0:
        distance = f"{_count(days, 'day')} after today"
    if days < 0:
        distance = f"{_count(-days, 'day')} before today"
    return f"{_write(day)} ({day}) is a {DAYS[day.weekday()]}, {distance}."


def _describe_difference(first: Date, last: Date) -> str:
    days = (last - first).days
    start, end = min(first, last), max(first, last)
    text = f"From {_write_long(first)} to {_write_long(last)}: {_count(abs(days), 'day')}"
    if days < 0:
        text += " back"
    parts = []
    if abs(days) >= 7:
        parts.append(_join(_count(abs(days) // 7, "week"), _count(abs(days) % 7, "day")))
    months, rest = _split_months(start, end)
    if months:
        years = _join(_count(months // 12, "year"), _count(months % 12, "month"))
        parts.append(_join(years, _count(rest, "day")))
    for part in parts:
        text += f" = {part}"
    business = count_business_days(start, end)
    return f"{text}. Business days (Monday to Friday): {business:,}, without the last day."


def _describe_sum(first: Date, span: Span, words: str) -> str:
    result = add_span(first, span)
    sign = "" if words.strip()[:1] in ("-", "+") else "plus "
    span_words = f"{sign}{' '.join(words.split())[:80]}"
    weekday = DAYS[result.weekday()]
    return f"{_write(first)} {span_words} is {_write(result)} ({result}), a {weekday}."


def _split_months(start: Date, end: Date) -> tuple[int, int]:
    """Whole months between two dates, and the days that are left."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months and add_span(start, Span(months)) > end:
        months -= 1
    return months, (end - add_span(start, Span(months))).days


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


def _singular(unit: str) -> str:
    return unit.removesuffix("s")


def _write(day: Date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _write_long(day: Date) -> str:
    return f"{DAYS[day.weekday()]}, {_write(day)} ({day})"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def _join(first: str, second: str) -> str:
    """Both counts, without one that is 0."""
    kept = [part for part in (first, second) if not part.startswith("0 ")]
    return " and ".join(kept)
