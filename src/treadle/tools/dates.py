"""The tool for dates: days between two dates, a date plus a span, weekdays, business days.

Only the standard library, in the Gregorian calendar, years 1 to 9999. Public holidays differ from
place to place and aren't known. date_words.py reads what people and models write.
"""

import calendar
from contextlib import suppress
from datetime import date as Date
from datetime import datetime, timedelta

from ..core.errors import ToolError
from ..core.function_tool import tool
from .clock import DAYS, MONTHS
from .date_words import Span, read_date, read_span


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
