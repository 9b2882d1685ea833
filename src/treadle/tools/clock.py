"""The clock tool: the current time in any time zone, by the zone files of the package tzdata."""

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
from ..core.function_tool import tool

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_CITIES = {
    "Africa/Johannesburg": "Cape Town",
    "America/Chicago": "Dallas, Houston",
    "America/Los_Angeles": "Las Vegas, San Diego, San Francisco, Seattle",
    "America/New_York": "Atlanta, Boston, Miami, Philadelphia, Washington, Washington DC",
    "America/Sao_Paulo": "Rio de Janeiro",
    "America/Toronto": "Montreal, Ottawa",
    "Asia/Bangkok": "Hanoi",
    "Asia/Dubai": "Abu Dhabi",
    "Asia/Jerusalem": "Tel Aviv",
    "Asia/Karachi": "Islamabad",
    "Asia/Kolkata": "Bangalore, Bengaluru, Chennai, Delhi, Hyderabad, Mumbai, New Delhi",
    "Asia/Shanghai": "Beijing, Shenzhen",
    "Asia/Tokyo": "Osaka",
    "Australia/Sydney": "Canberra",
    "Europe/Berlin": "Cologne, Frankfurt, Hamburg, Munich",
    "Europe/London": "Edinburgh, Manchester",
    "Europe/Madrid": "Barcelona",
    "Europe/Moscow": "Saint Petersburg",
    "Europe/Paris": "Lyon",
    "Europe/Rome": "Milan",
    "Europe/Zurich": "Geneva",
    "Pacific/Auckland": "Wellington",
}
LARGE_CITIES = {city: zone for zone, cities in _CITIES.items() for city in cities.split(", ")}
"""Cities that people ask for and that no zone of the database is named after."""

COUNTRIES = {"United States": "usa", "Britain (UK)": "uk"}
"""Other names of some of the database's countries."""


@tool(read_only=True, timeout_s=5.0)
def current_time(timezone: str = "UTC") -> str:
    """The current date, weekday and time, in UTC or in any time zone.

    Args:
        timezone: An IANA name such as Asia/Tokyo or Europe/Berlin; a large city or UTC+2 will do
            too.
    """
    return describe_time(datetime.now(UTC), timezone)


def describe_time(now: datetime, timezone: str) -> str:
    """The time `now`, which must be aware, in a time zone, in words.

    Raises ToolError with similar names for an unknown zone.
    """
    zone = find_zone(timezone)
    there = now.astimezone(zone)
    offset = there.strftime("%z")
    utc = f"UTC{offset[:3]}:{offset[3:5]}"
    name = "UTC" if zone is UTC else str(zone)
    # A zone without an abbreviation has its offset, such as "+03", in the abbreviation's place.
    abbreviation = there.tzname() or ""
    other_names = [text for text in (abbreviation, utc) if text != name and text[:1] not in "+-"]
    if other_names:
        name += f" ({', '.join(other_names)})"
    day = f"{DAYS[there.weekday()]}, {there.day} {MONTHS[there.month - 1]} {there.year}"
    iso = there.isoformat(timespec="seconds")
    return f"{day}, {there:%H:%M:%S} in {name}. ISO 8601: {iso}"


def find_zone(name: str) -> tzinfo:
    """The zone that `name` means. Raises ToolError if there is none, or more than one."""
    wanted = _normalize(name)
    if wanted in ("", "utc", "gmt", "z", "zulu"):
        return UTC
    if offset := re.fullmatch(r"(?:utc|gmt)? ?([+-])([0-9]{1,2})(?::?([0-5][0-9]))?", wanted):
        return _make_offset(offset[1], int(offset[2]), int(offset[3] or 0), name)
    known = _read_zones()
    keys = known.get(wanted) or known.get(wanted.partition(",")[0], ())  # "Paris, France"
    if len(keys) == 1:
        return ZoneInfo(keys[0])
    if keys:
        raise ToolError(
            f"{name[:60]!r} has several time zones: {_list_some(keys)}. Ask for one of them"
        )
    unambiguous = [text for text, zones in known.items() if len(zones) == 1]
    # Cut, since the comparison takes quadratic time.
    similar = difflib.get_close_matches(wanted[:60], unambiguous, n=5, cutoff=0.65)
    message = f"there is no time zone {name[:60]!r}."
    if similar:
        zones_of_similar = dict.fromkeys(known[text][0] for text in similar)
        message += f" Did you mean {_list_some(zones_of_similar)}?"
    raise ToolError(f"{message} Give an IANA zone such as Asia/Tokyo, or a large city in it")


def _make_offset(sign: str, hours: int, minutes: int, name: str) -> tzinfo:
    offset = timedelta(hours=hours, minutes=minutes)
    if offset > timedelta(hours=14):
        raise ToolError(f"{name[:60]!r} is no offset in use: they go from UTC-12 to UTC+14")
    if sign == "-":
        offset = -offset
    return fixed(offset)


def _list_some(keys: Iterable[str]) -> str:
    listed = list(keys)
    text = ", ".join(listed[:12])
    if len(listed) > 12:
        text += f" and {len(listed) - 12} more"
    return text


def _normalize(name: str) -> str:
    """The name in lower case, without accents and full stops, with single spaces."""
    letters = unicodedata.normalize("NFD", name)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    bare = bare.replace(".", "").replace("\N{MINUS SIGN}", "-")
    return re.sub(r"[\s_]+", " ", bare).strip().casefold()


@cache
def _read_zones() -> dict[str, tuple[str, ...]]:
    """From normalized names to the zones they may mean:

    IANA names first, then places, then countries.

    A place with several names in the database (America/Buenos_Aires,
    America/Argentina/Buenos_Aires) means the one in zone.tab, which has one zone for each place.
    Zones such as Etc/GMT+9 have no short form, since that one is nine hours behind Greenwich.
    """
    keys = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    rows = [row for row in _read_table("zone.tab") if len(row) >= 3]
    current = {row[2] for row in rows}
    places: dict[str, list[str]] = {}
    for key in keys:
        if not key.startswith("Etc/"):
            places.setdefault(_normalize(key.rpartition("/")[2]), []).append(key)
    known: dict[str, tuple[str, ...]] = {}
    for place, named in places.items():
        known[place] = tuple(sorted(current.intersection(named)) or named)
    known |= {_normalize(city): (key,) for city, key in LARGE_CITIES.items()}
    countries = [row for row in _read_table("iso3166.tab") if len(row) == 2]
    for code, country in countries:
        # Not by its code: ET is Ethiopia, but people mean Eastern Time; PT is Portugal or Pacific
        # Time.
        if zones := tuple(row[2] for row in rows if row[0] == code):
            known.setdefault(_normalize(country), zones)
            known.setdefault(COUNTRIES.get(country, _normalize(country)), zones)
    return known | {_normalize(key): (key,) for key in keys}


def _read_table(name: str) -> list[list[str]]:
    """The rows of a table of the zone database."""
    text = files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
