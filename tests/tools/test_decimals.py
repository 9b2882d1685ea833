"""The digits of functions, against mpmath: each function, over the sizes that the calculator takes."""

from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.tools.arithmetic import decimals
from treadle.tools.arithmetic.real_functions import exact_root

SIZES = st.fractions(-700, 700, max_denominator=10**6) | st.builds(
    lambda whole, exponent: Fraction(whole) * Fraction(10) ** exponent,
    st.integers(-999, 999),
    st.integers(-60, 2),
)
NEAR_ONE = st.builds(lambda x: 1 + x / 10**40, st.fractions(0, 1, max_denominator=1000))
LARGE = st.integers(-(10**300), 10**300).map(Fraction)
RANGES = {
    "log": SIZES.map(abs).filter(bool) | LARGE.map(lambda x: abs(x) + 1) | NEAR_ONE,
    "log1p": SIZES.map(abs),
    "acosh": SIZES.map(lambda x: 1 + abs(x)) | NEAR_ONE,
    "atanh": st.fractions(-1, 1, max_denominator=10**9).filter(lambda x: abs(x) < 1),
    "asin": st.fractions(-1, 1) | NEAR_ONE.map(lambda x: 2 - x),
    "acos": st.fractions(-1, 1) | NEAR_ONE.map(lambda x: 2 - x),
    "sin": SIZES | LARGE,
    "cos": SIZES | LARGE,
    "tan": SIZES | LARGE,
    "atan": SIZES | LARGE,
    "asinh": SIZES | LARGE,
    "tanh": SIZES | LARGE,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(decimals.FUNCTIONS) - {"atan2"}))
@given(st.data())
@settings(max_examples=60)
def test_each_function_has_40_right_digits(name: str, data: st.DataObject) -> None:
    x = data.draw(RANGES.get(name, SIZES))
    check(name, x)


@given(SIZES, SIZES)
@settings(max_examples=100)
def test_an_angle_has_40_right_digits(y: Fraction, x: Fraction) -> None:
    check("atan2", y, x)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("log", "1e-300"),
        ("sin", "3.14159265358979323846264338327950288419716939937510"),
        ("cos", "1e308"),
        ("tan", "11"),
        ("asin", "1"),
        ("acos", "-1"),
        ("atan", "1e-40"),
        ("tanh", "-1e9"),
        ("expm1", "-745"),
        ("exp", "745"),
        ("sinh", "1e-45"),
    ],
)
def test_the_edges_have_40_right_digits(name: str, x: str) -> None:
    check(name, Fraction(x))


def check(name: str, *values: Fraction) -> None:
    ours = decimals.FUNCTIONS[name](*values)
    with mpmath.workdps(1000):
        given = [mpmath.mpf(value.numerator) / value.denominator for value in values]
        right = getattr(mpmath, name)(*given)
        error = abs(mpmath.mpf(ours.numerator) / ours.denominator - right)
        assert error <= abs(right) * mpmath.mpf(10) ** -43, (ours, right)


@pytest.mark.parametrize("name", ["log", "log1p", "acosh", "atanh", "asin", "acos"])
def test_what_has_no_real_value_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decimals.FUNCTIONS[name](Fraction(-2))


@given(st.integers(0, 10**40), st.integers(1, 12), st.integers(0, 1))
@settings(max_examples=60)
def test_a_root_is_exact_or_none(root: int, n: int, more: int) -> None:
    found = exact_root(Fraction(root**n + more), n)
    assert found is None or found**n == root**n + more
    if not more:
        assert found == root


def test_a_root_of_any_degree_takes_no_time() -> None:
    assert exact_root(Fraction(2**4096), 10**9) is None
    assert exact_root(Fraction(1), 10**9) == 1
