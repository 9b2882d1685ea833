"""Which numbers a text holds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.evals.find_numbers import find_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 427.05, which is more.", ["427.05"]),
        ("2,847", ["2847", "2.847"]),
        ("427,05 EUR", ["427.05"]),
        ("1 234,5 and 1.234,5", ["1", "234.5", "1234.5", "1234.5"]),
        ("1\u202f234\u202f567,8", ["1234567.8"]),
        ("$1,234,567.89", ["1234567.89"]),
        ("1'000'000", ["1000000"]),
        ("-3, \u22124 and 7-3", ["-3", "-4", "7", "3"]),
        ("in 2024 100 people", ["2024", "100"]),
        ("100 200", ["100", "200", "100200"]),
        ("15% of 15kg", ["15", "15"]),
        ("Q3, x86, v2", []),
        ("1.5e3 and .5 and 0.125", ["1500", "0.5", "0.125"]),
        ("2026-11-25", ["2026", "11", "25"]),
        ("9" * 41, []),
        ("no number", []),
    ],
)
def test_numbers_are_found_as_people_write_them(text, expected):
    assert find_numbers(text) == tuple(map(Decimal, expected))


@given(st.integers(-(10**12), 10**12), st.text(alphabet="abc ()$\n", max_size=5))
def test_a_number_with_thousands_is_found_in_any_text(number, around):
    text = f"{around} {number:,}. {around}"
    assert Decimal(number) in find_numbers(text)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    assert all(each.is_finite() for each in find_numbers(text))
