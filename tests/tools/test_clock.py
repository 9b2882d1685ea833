from datetime import UTC, datetime, timedelta

import pytest

from treadle.core.errors import ToolError
from treadle.tools.clock import LARGE_CITIES, current_time, describe_time, find_zone

WINTER = datetime(2026, 1, 15, 23, 30, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)


def test_it_tells_weekday_date_time_zone_offset_and_iso():
    told = describe_time(WINTER, "Asia/Tokyo")
    assert told == (
        "Friday, 16 January 2026, 08:30:05 in Asia/Tokyo (JST, UTC+09:00). ISO 8601:"
        " 2026-01-16T08:30:05+09:00"
    )


def test_utc_is_the_default_and_named_once():
    assert describe_time(WINTER, "").startswith(
        "Thursday, 15 January 2026, 23:30:05 in UTC (UTC+00:00)."
    )
    assert current_time.parameters["properties"]["timezone"]["default"] == "UTC"


def test_daylight_saving_time_is_followed():
    assert "13:00:00 in Europe/London (BST, UTC+01:00)" in describe_time(SUMMER, "London")
    assert "23:30:05 in Europe/London (GMT, UTC+00:00)" in describe_time(WINTER, "London")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Tokyo", "Asia/Tokyo"),
        ("tokyo", "Asia/Tokyo"),
        ("New York", "America/New_York"),
        (" new_york ", "America/New_York"),
        ("europe/BERLIN", "Europe/Berlin"),
        ("São Paulo", "America/Sao_Paulo"),
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
        ("Paris, France", "Europe/Paris"),
        ("San Francisco", "America/Los_Angeles"),
        ("Washington, D.C.", "America/New_York"),
        ("France", "Europe/Paris"),
        ("UK", "Europe/London"),
        ("Etc/GMT+9", "Etc/GMT+9"),
    ],
)
def test_a_friendly_name_finds_its_zone(name, zone):
    assert str(find_zone(name)) == zone


@pytest.mark.parametrize(
    ("name", "hours"),
    [("UTC+9", 9), ("GMT+9", 9), ("utc-3", -3), ("+05:30", 5.5), ("UTC+0545", 5.75), ("UTC+0", 0)],
)
def test_an_offset_counts_east_as_people_do(name, hours):
    assert find_zone(name).utcoffset(WINTER) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Tokio", "Did you mean Asia/Tokyo"),
        ("Amerika/New_York", "America/New_York"),
        ("Germany", "several time zones: Europe/Berlin, Europe/Busingen"),
        ("USA", "several time zones: America/New_York.* more"),
        ("UTC+15", "UTC-12 to UTC"),
        ("UTC+99", "no offset"),
        ("ET", "no time zone 'ET'"),
        ("../../etc/passwd", "no time zone"),
        ("/etc/passwd", "no time zone"),
        ("America", "no time zone"),
        ("\x00", "no time zone"),
        ("x" * 100_000, "no time zone"),
    ],
)
def test_an_unknown_zone_is_answered_with_what_to_ask_for(name, told):
    with pytest.raises(ToolError, match=told):
        describe_time(WINTER, name)


def test_every_city_of_ours_has_a_zone_that_exists():
    assert all(str(find_zone(city)) == zone for city, zone in LARGE_CITIES.items())


def test_the_tool_tells_the_time_that_it_is():
    before = datetime.now(UTC).replace(microsecond=0)
    told = datetime.fromisoformat(current_time.function("Tokyo").rpartition(" ")[2])
    assert before <= told <= datetime.now(UTC)
