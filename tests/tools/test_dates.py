from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.date_words import Span
from treadle.tools.dates import add_span, count_business_days, date_calculator, describe_dates

TODAY = date(2026, 11, 26)
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
NEAR = st.dates(date(1900, 1, 1), date(2100, 1, 1))


def test_the_days_between_two_dates_come_with_weeks_months_and_business_days():
    assert describe_dates(TODAY, "2026-03-01", "25 December 2026") == (
        "From Sunday, 1 March 2026 (2026-03-01) to Friday, 25 December 2026 (2026-12-25): 299 days"
        " = 42 weeks and 5 days = 9 months and 24 days. Business days (Monday to Friday): 214,"
        " without the last day."
    )
    assert "12 days back = 1 week and 5 days." in describe_dates(TODAY, "2026-02-13", "2026-02-01")
    assert ": 1 day. Business" in describe_dates(TODAY, "May 5", "May 6")
    assert "= 1 year." in describe_dates(TODAY, "2024-02-29", "2025-02-28")


def test_a_date_alone_tells_its_weekday_and_how_far_it_is():
    assert describe_dates(TODAY, "Dec 25") == (
        "25 December 2026 (2026-12-25) is a Friday, 29 days after today."
    )
    assert describe_dates(TODAY, "yesterday").endswith("is a Wednesday, 1 day before today.")
    assert describe_dates(TODAY, "today").endswith("is a Thursday, which is today.")


def test_the_same_date_twice_is_a_question_for_its_weekday():
    assert describe_dates(TODAY, "14 July 2031", "2031-07-14") == (
        "14 July 2031 (2031-07-14) is a Monday, 1,691 days after today. Both dates are the same:"
        " 0 days between them."
    )


def test_a_date_plus_a_span_is_a_date_with_its_weekday():
    assert describe_dates(TODAY, "today", plus="90 days") == (
        "26 November 2026 plus 90 days is 24 February 2027 (2027-02-24), a Wednesday."
    )
    assert describe_dates(TODAY, "today", plus="-2 weeks").startswith(
        "26 November 2026 -2 weeks is 12 November 2026"
    )


def test_a_span_and_a_date_that_were_swapped_are_told_apart_by_their_words():
    assert describe_dates(TODAY, "15 January 2027", until="90 days").endswith(
        " is 15 April 2027 (2027-04-15), a Thursday."
    )
    assert ": 299 days = " in describe_dates(TODAY, "2026-03-01", plus="2026-12-25")
    with pytest.raises(ToolError, match="'soon' is no date"):
        describe_dates(TODAY, "today", until="soon")
    with pytest.raises(ToolError, match="'soon' is no span"):
        describe_dates(TODAY, "today", plus="soon")


def test_both_questions_at_once_and_a_date_beyond_all_years_are_refused():
    with pytest.raises(ToolError, match="until or plus, not both"):
        describe_dates(TODAY, "today", "tomorrow", "1 day")
    for plus in ("99999 years", "-3000 years", "99999999 business days"):
        with pytest.raises(ToolError, match="outside the years 1 to 9999"):
            describe_dates(TODAY, "today", plus=plus)


def test_a_month_added_to_a_months_end_stays_in_the_next_month():
    assert add_span(date(2026, 1, 31), Span(1)) == date(2026, 2, 28)
    assert add_span(date(2024, 2, 29), Span(12)) == date(2025, 2, 28)
    assert add_span(date(2026, 1, 15), Span(-2)) == date(2025, 11, 15)


def test_business_days_from_a_weekend_begin_on_its_next_working_day():
    saturday = date(2026, 11, 28)
    assert add_span(saturday, Span(business_days=1)) == date(2026, 11, 30)
    assert add_span(saturday, Span(business_days=-5)) == date(2026, 11, 23)
    assert add_span(saturday, Span()) == saturday


@given(NEAR, st.integers(-400, 400))
def test_business_days_that_are_added_are_counted_again(start, days):
    while start.weekday() > 4:
        start += timedelta(days=1)
    end = add_span(start, Span(business_days=days))
    assert count_business_days(min(start, end), max(start, end)) == abs(days)
    assert end.weekday() < 5


@given(DATES, DATES)
def test_a_difference_that_is_added_gives_the_second_date(first, second):
    days = (second - first).days
    assert add_span(first, Span(days=days)) == second
    assert f"{abs(days):,} day" in describe_dates(TODAY, str(first), str(second))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_text_gives_an_answer_or_a_reason(first, second, third):
    with suppress(ToolError):
        assert describe_dates(TODAY, first, second, third)


def test_the_tool_only_reads():
    assert date_calculator.read_only
    assert list(date_calculator.parameters["properties"]) == ["date", "until", "plus"]
    assert date_calculator.parameters["required"] == ["date"]
