"""The clock: what time it is, here or in another zone. `tell` is pure but for the zone files of the tzdata package."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as fixed
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from ..core.errors import ToolError
from ..core.tool import tool

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

LARGE_CITIES = {
    "Abu Dhabi": "Asia/Dubai",
    "Atlanta": "America/New_York",
    "Bangalore": "Asia/Kolkata",
    "Barcelona": "Europe/Madrid",
    "Beijing": "Asia/Shanghai",
    "Bengaluru": "Asia/Kolkata",
    "Boston": "America/New_York",
    "Canberra": "Australia/Sydney",
    "Cape Town": "Africa/Johannesburg",
    "Chennai": "Asia/Kolkata",
    "Cologne": "Europe/Berlin",
    "Dallas": "America/Chicago",
    "Delhi": "Asia/Kolkata",
    "Edinburgh": "Europe/London",
    "Frankfurt": "Europe/Berlin",
    "Geneva": "Europe/Zurich",
    "Hamburg": "Europe/Berlin",
    "Hanoi": "Asia/Bangkok",
    "Houston": "America/Chicago",
    "Hyderabad": "Asia/Kolkata",
    "Islamabad": "Asia/Karachi",
    "Las Vegas": "America/Los_Angeles",
    "Lyon": "Europe/Paris",
    "Manchester": "Europe/London",
    "Miami": "America/New_York",
    "Milan": "Europe/Rome",
    "Montreal": "America/Toronto",
    "Mumbai": "Asia/Kolkata",
    "Munich": "Europe/Berlin",
    "New Delhi": "Asia/Kolkata",
    "Osaka": "Asia/Tokyo",
    "Ottawa": "America/Toronto",
    "Philadelphia": "America/New_York",
    "Rio de Janeiro": "America/Sao_Paulo",
    "Saint Petersburg": "Europe/Moscow",
    "San Diego": "America/Los_Angeles",
    "San Francisco": "America/Los_Angeles",
    "Seattle": "America/Los_Angeles",
    "Shenzhen": "Asia/Shanghai",
    "Tel Aviv": "Asia/Jerusalem",
    "Washington": "America/New_York",
    "Washington DC": "America/New_York",
    "Wellington": "Pacific/Auckland",
}
"""Those that people ask for and the zone database has no zone of their name for."""

COUNTRIES = {"United States": "usa", "Britain (UK)": "uk"}
"""What people call some of the database's countries."""


@tool(read_only=True, timeout_s=5.0)
def current_time(timezone: str = "UTC") -> str:
    """The current date, weekday and time, in UTC or in any time zone.

    Args:
        timezone: An IANA name such as Asia/Tokyo or Europe/Berlin; a large city or UTC+2 will do too.
    """
    return describe_time(datetime.now(UTC), timezone)


def describe_time(now: datetime, timezone: str) -> str:
    """The moment `now` (aware) as clocks show it there. Raises ToolError, with close names, for an unknown zone."""
    zone = find_zone(timezone)
    there = now.astimezone(zone)
    offset = there.strftime("%z")
    utc = f"UTC{offset[:3]}:{offset[3:5]}"
    name = "UTC" if zone is UTC else str(zone)
    letters = there.tzname() or ""
    # Many zones have no letters of their own: the database then gives the offset once more.
    known_as = [text for text in (letters, utc) if text != name and text[:1] not in "+-"]
    day = f"{DAYS[there.weekday()]}, {there.day} {MONTHS[there.month - 1]} {there.year}"
    more = f" ({', '.join(known_as)})" if known_as else ""
    return (
        f"{day}, {there:%H:%M:%S} in {name}{more}. ISO 8601: {there.isoformat(timespec='seconds')}"
    )


def find_zone(name: str) -> tzinfo:
    """The zone that people mean by `name`. Raises ToolError where there is none, or more than one."""
    asked = _folded(name)
    if asked in ("", "utc", "gmt", "z", "zulu"):
        return UTC
    if offset := re.fullmatch(r"(?:utc|gmt)? ?([+-])([0-9]{1,2})(?::?([0-5][0-9]))?", asked):
        return _at_offset(offset[1], int(offset[2]), int(offset[3] or 0), name)
    known = _zones()
    keys = known.get(asked) or known.get(asked.partition(",")[0], ())  # "Paris, France"
    if len(keys) == 1:
        return ZoneInfo(keys[0])
    if keys:
        raise ToolError(f"{name[:60]!r} has several time zones: {_some(keys)}. Ask for one of them")
    # Shortened: comparing takes time with the square of the length.
    alone = [text for text, zones in known.items() if len(zones) == 1]
    close = dict.fromkeys(
        known[text][0] for text in difflib.get_close_matches(asked[:60], alone, n=5, cutoff=0.65)
    )
    hint = f" Did you mean {_some(close)}?" if close else ""
    raise ToolError(
        f"there is no time zone {name[:60]!r}.{hint} Give an IANA zone such as Asia/Tokyo, or a large city in it"
    )


def _at_offset(sign: str, hours: int, minutes: int, name: str) -> tzinfo:
    offset = timedelta(hours=hours, minutes=minutes)
    if offset > timedelta(hours=14):
        raise ToolError(f"{name[:60]!r} is no offset in use: they go from UTC-12 to UTC+14")
    return fixed(-offset if sign == "-" else offset)


def _some(keys: Iterable[str]) -> str:
    listed = list(keys)
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")


def _folded(name: str) -> str:
    """Without case, accents and full stops; one space for each gap."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter)
    )
    return (
        re.sub(r"[\s_]+", " ", bare.replace(".", "").replace("\N{MINUS SIGN}", "-"))
        .strip()
        .casefold()
    )


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    """What people may write, folded -> the zones it can mean: whole names first, then places, then countries.

    A place with several names in the database (America/Buenos_Aires, America/Argentina/Buenos_Aires) means the one
    in zone.tab, its list of one zone a place. Etc/GMT+9 has no short form: it is nine hours BEHIND Greenwich.
    """
    data = files("tzdata")
    keys = data.joinpath("zones").read_text(encoding="utf-8").split()
    lines = [
        _fields(line)
        for line in data.joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8").splitlines()
    ]
    rows = [row for row in lines if len(row) >= 3]
    current = {row[2] for row in rows}
    places: dict[str, list[str]] = {}
    for key in keys:
        if not key.startswith("Etc/"):
            places.setdefault(_folded(key.rpartition("/")[2]), []).append(key)
    known = {
        place: tuple(sorted(current.intersection(named)) or named)
        for place, named in places.items()
    }
    known |= {_folded(city): (key,) for city, key in LARGE_CITIES.items()}
    countries = (
        _fields(line)
        for line in data.joinpath("zoneinfo", "iso3166.tab").read_text("utf-8").splitlines()
    )
    for code, country in (row for row in countries if len(row) == 2):
        # Not by code: ET is Ethiopia's and the Eastern Time of those who write it, PT Portugal's and Pacific Time.
        if zones := tuple(row[2] for row in rows if row[0] == code):
            known.setdefault(_folded(country), zones)
            known.setdefault(COUNTRIES.get(country, _folded(country)), zones)
    return known | {_folded(key): (key,) for key in keys}


def _fields(line: str) -> list[str]:
    return [] if line.startswith("#") else line.split("\t")
