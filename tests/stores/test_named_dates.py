from datetime import UTC, datetime

import pytest

from treadle.stores.named_dates import MAX_DATES, NamedDate, find_dates, match_dates


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("What did Ann say on 7 May 2023?", [NamedDate(2023, 5, 7)]),
        ("on the 2nd of June", [NamedDate(None, 6, 2)]),
        ("Since Sept 3rd, 2024", [NamedDate(2024, 9, 3)]),
        ("at 2023-05-07 or in July", [NamedDate(2023, 5, 7), NamedDate(None, 7)]),
        ("August 2023 and August 2024", [NamedDate(2023, 8), NamedDate(2024, 8)]),
        ("what happened in 2022?", [NamedDate(2022)]),
        ("What may I eat?", []),
        ("May I march in?", []),
        ("the 42 km and room 2023", []),
        ("in Junee", []),
    ],
)
def test_dates_are_found_and_nothing_else(text, dates):
    assert find_dates(text) == dates


def test_what_was_said_on_the_date_is_found_in_any_year_if_none_is_named():
    times = {
        number: datetime(year, month, 7, tzinfo=UTC).timestamp()
        for number, (year, month) in enumerate([(2023, 5), (2024, 5), (2024, 6)])
    }

    def match(text):
        return match_dates(text, times, times.__getitem__)

    assert match("in May") == {"date 0": [0, 1]}
    assert match("in May 2024") == {"date 0": [1]}
    assert match("on 8 May") == {}
    assert match("in May, in May, in May") == {"date 0": [0, 1]}
    times[9] = float("inf")
    assert match("in 2024") == {"date 0": [1, 2]}


def test_of_the_dates_of_a_long_text_the_first_count():
    asked = []

    def read_time(number):
        asked.append(number)
        return 0.0

    match_dates(" ".join(f"1970-01-01 {year}-01-01" for year in range(2000, 2999)), [7], read_time)
    assert len(asked) == MAX_DATES
