from datetime import date

import pytest

from treadle.core.errors import ToolError
from treadle.tools.date_words import Span, read_date, read_span

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-01", date(2026, 3, 1)),
        ("2026/3/1", date(2026, 3, 1)),
        ("2026-03-01T00:00:00Z", date(2026, 3, 1)),
        (" 1 March 2026 ", date(2026, 3, 1)),
        ("Sunday, the 1st of March, 2026", date(2026, 3, 1)),
        ("March 1, 2026", date(2026, 3, 1)),
        ("mar 1", date(2026, 3, 1)),
        ("1-Mar-2026", date(2026, 3, 1)),
        ("2026 March 1", date(2026, 3, 1)),
        ("3 Sept. 2026", date(2026, 9, 3)),
        ("1.3.2026", date(2026, 3, 1)),
        ("25/12/2026", date(2026, 12, 25)),
        ("12/25/2026", date(2026, 12, 25)),
        ("5/5/2026", date(2026, 5, 5)),
        ("today", TODAY),
        ("Tomorrow", date(2026, 11, 27)),
        ("on 2 may", date(2026, 5, 2)),
    ],
)
def test_dates_are_read_as_people_and_models_write_them(text, day):
    assert read_date(text, TODAY) == day


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3/4/2026", "'3/4/2026' may be 3 April or 4 March; write 2026-04-03 or 2026-03-04"),
        ("2026-02-30", "'2026-02-30' is no date: February 2026 has 28 days"),
        ("2026-13-01", "'2026-13-01' is no date: month must be in 1..12"),
        ("0000-01-01", "'0000-01-01' is no date: year 0 is out of range"),
        ("2026-03-01 10:30", "'2026-03-01 10:30' has a time in it; only whole days are counted"),
        ("March 2026", "'March 2026' is no date. Write it as 2026-03-01, 1 March 2026 or today"),
        ("", "'' is no date"),
        ("the day after", "is no date"),
        ("1 ma 2026", "is no date"),
    ],
)
def test_what_is_no_date_or_may_be_two_is_refused_with_what_to_write(text, told):
    with pytest.raises(ToolError) as refused:
        read_date(text, TODAY)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90 days", Span(0, 90)),
        ("90", Span(0, 90)),
        ("1,000 days", Span(0, 1000)),
        ("-2 weeks", Span(0, -14)),
        ("2 weeks ago", Span(0, -14)),
        ("a year, 2 months and 3 days", Span(14, 3)),
        ("plus 1 year minus 2 days", Span(12, -2)),
        ("10 Business Days", Span(0, 0, 10)),
        ("3 working days", Span(0, 0, 3)),
        ("1 quarter", Span(3)),
        ("a fortnight from now", Span(0, 14)),
    ],
)
def test_spans_are_read_as_people_and_models_write_them(text, span):
    assert read_span(text) == span


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "2.5 weeks", "days", "1 000 days"])
def test_what_is_no_span_is_refused_with_what_to_write(text):
    with pytest.raises(ToolError, match=r"is no span of time\. Write it as 90 days, -2 weeks"):
        read_span(text)
