"""Finds what was said on the dates that a question names: "in May", "on 7 May 2023", "2023-05-07".

Month names are English. Pure.
"""

import re
import time
from collections.abc import Callable, Collection

import msgspec

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>\d{4})\b"
_FORMS = [
    re.compile(form)
    for form in (
        r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})\b",
        rf"\b{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?",
        rf"\b{_MONTH} {_DAY}(?:,? {_YEAR})?",
        rf"\b{_MONTH},? {_YEAR}",
        rf"\b(?:[Ii]n|[Dd]uring|[Ss]ince|[Ll]ast|of|early|late) {_MONTH}",
        rf"\b(?:[Ii]n|[Dd]uring|[Ss]ince) {_YEAR}",
    )
]

MAX_DATES = 32
"""How many dates of a text count, from its beginning."""


class NamedDate(msgspec.Struct, frozen=True):
    """A day, a month or a year; None where the question doesn't say."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def holds(self, at: float) -> bool:
        """Whether a time, in seconds since the epoch, is on that date, in UTC."""
        try:
            there = time.gmtime(at)
        except (ValueError, OverflowError, OSError):  # no clock gave this number
            return False
        pairs = (
            (self.year, there.tm_year),
            (self.month, there.tm_mon),
            (self.day, there.tm_mday),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)


def match_dates(
    text: str, ids: Collection[int], read_time: Callable[[int], float]
) -> dict[str, list[int]]:
    """For each date that the text names, the ids of what was said then, by a name for the date.

    `read_time` says when each was said, in seconds since the epoch. A date counts once, however
    often it is named. Dates when nothing was said are left out. No word of a query equals such a
    name.
    """
    found: dict[str, list[int]] = {}
    dates = list(dict.fromkeys(find_dates(text)))[:MAX_DATES]  # a file of a server's lines has many
    for number, date in enumerate(dates):
        then = [each for each in ids if date.holds(read_time(each))]
        if then:
            found[f"date {number}"] = then
    return found


def find_dates(text: str) -> list[NamedDate]:
    """The dates that a text names; each place in the text counts once."""
    found: list[NamedDate] = []
    for form in _FORMS:
        for match in form.finditer(text):
            found.append(_read(match.groupdict()))
        text = form.sub(" ", text)
    return found


def _read(parts: dict[str, str | None]) -> NamedDate:
    month = parts.get("number")
    if parts.get("month"):
        month = str(_MONTHS.index((parts["month"] or "")[:3].lower()) + 1)
    year, day = parts.get("year"), parts.get("day")
    return NamedDate(
        int(year) if year else None, int(month) if month else None, int(day) if day else None
    )
