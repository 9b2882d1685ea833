import math
import operator
import re
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.arithmetic.notation import EXPRESSION_PATTERN
from treadle.tools.calculator import calculator, evaluate


def said(expression):
    return calculator.function(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("2 ** -1", 0.5),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7.5 % 2", 1.5),
        ("10 / 4", 2.5),
        ("10 / 5", 2),
        (".5 + 5.", 5.5),
        ("1.5e3", 1500),
        ("2 ** 100", 2**100),
        ("3 × 4 ÷ 2 − 1", 5),  # noqa: RUF001
        ("math.sqrt(16)", 4),
        ("SQRT(16) * Pi", 4 * math.pi),
        ("factorial(20)", math.factorial(20)),
        ("gcd(12, 18) + lcm(4, 6)", 18),
        ("hypot(3, 4)", 5),
        ("mean(1, 2, 6) + sum(1, 2)", 6),
        ("log(8, 2)", 3),
        ("log10(10 ** 1000)", 1000),
        ("ln(e)", 1),
        ("cbrt(27)", 3),
        ("sqrt(1/4)", 0.5),
        ("pow(2, 10)", 1024),
        ("abs(-3) + floor(2.7) + ceil(2.1) + floor(-2.5)", 5),
        ("sin(pi) + cos(pi / 2) + tan(pi)", 0),
        ("sin(1e-10)", math.sin(1e-10)),
        ("degrees(pi)", 180),
        ("atan(1) * 4", math.pi),
        ("floor(sqrt(2) ** 2)", 2),
    ],
)
def test_arithmetic_has_its_usual_value(expression, value):
    assert evaluate(expression) == pytest.approx(value, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("15%", 0.15),
        ("15% of 2847", 427.05),
        ("15% of 2,847", 427.05),
        ("15 % of 2,847", 427.05),
        ("50% of 20% of 10", 1),
        ("100 / 50% of 10", 20),
        ("200 + 10%", 220),
        ("200 - 15%", 170),
        ("100 + 5% + 10%", 115.5),
        ("5% + 10%", 0.15),
        ("200 * 10%", 20),
        ("200 * (1 - 15%)", 170),
        ("200 + 10% of 50", 205),
        ("200 + 10% - 5", 215),
        ("(10 + 5)% of 200", 30),
        ("200 + -10%", 180),
        ("17 % 5", 2),
        ("17%5", 2),
        ("17 % (5)", 2),
        ("10 % -3", -2),
        ("10% - 3", -2.9),
    ],
)
def test_percent_means_what_people_mean_by_it(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1,234,567.89", 1234567.89),
        ("(1,234 + 5) * 2", 2478),
        ("sqrt(1,232,100)", 1110),
        ("max((1,234), 5)", 1234),
        ("max(1, 2)", 2),
        ("min(1,2)", 1),
        ("max(100,200,300)", 300),
        ("max(12,3456)", 3456),
        ("round(3.14159, 2)", 3.14),
    ],
)
def test_commas_group_digits_or_separate_arguments(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression", ["10%-3", "15% 200", "max(2,847, 3)", "max(1,000)", "round(1,234.5)"]
)
def test_what_can_be_read_two_ways_is_refused_with_both_spellings(expression):
    with pytest.raises(ToolError, match="two ways"):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2 == 0.3", True),
        ("15% of 2847 == 427.05", True),
        ("427.05 > 400", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("2 != 2.0", False),
        ("1 <= 1 >= 1", True),
        ("sqrt(2) ** 2 == 2", True),
        ("sqrt(2) > 1.414213562373", True),
        ("10 ** 400 + 1 > 10 ** 400", True),
    ],
)
def test_comparisons_are_exact(expression, value):
    assert evaluate(expression) is value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("round(2.5)", 2),
        ("round(-3.5)", -4),
        ("round(2.675, 2)", 2.67),
        ("round(0.15, 1)", 0.1),
        ("round(0.125, 2)", 0.12),
        ("round(-2.675, 2)", -2.67),
        ("round(25, -1)", 20),
        ("round(10**40 + 0.5)", 10**40),
    ],
)
def test_halves_round_to_even_as_in_python(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("15%  of 2,847", "15% of 2,847 = 427.05"),
        ("0.1 + 0.2", "0.1 + 0.2 = 0.3"),
        ("2 ** 70", "2 ** 70 = 1180591620717411303424"),
        ("1 / 3", "1 / 3 ≈ 0.333333333333333"),
        ("sqrt(2)", "sqrt(2) ≈ 1.4142135623731"),
        ("8 ** (1/3)", "8 ** (1/3) = 2"),
        ("427.05 > 400", "427.05 > 400: true"),
        ("15% of 2847 < 400", "15% of 2847 < 400: false (427.05 < 400)"),
        ("1.0005 ** 3650", "1.0005 ** 3650 ≈ 6.19996658193679"),
    ],
)
def test_the_result_repeats_the_question_and_has_no_binary_dust(expression, text):
    assert said(expression) == text


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("2 ^ 10", r"use \*\* for power"),
        ("2 + 2 =", "use == to compare"),
        ("3 x 4", r"use \* for times"),
        ("5!", r"write factorial\(5\)"),
        ("$5", "without the currency"),
        ("2pi", "operator is missing between '2' and 'pi'"),
        ("2(3)", "operator is missing"),
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1", r"a \) is missing"),
        ("1)", r"\) without a \("),
        ("1,23", "comma"),
        ("12,345,67", "comma"),
        ("sqrt 4", r"in parentheses, as in sqrt\(2\)"),
        ("sqrt()", "sqrt takes 1 argument, not 0"),
        ("max(1)", "max takes 2 or more arguments, not 1"),
        ("3 of 4", "after a percentage"),
        ("(1 < 2) + 1", "comparison"),
        ("1 / 0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("sqrt(-1)", "no real value"),
        ("(-8) ** 0.5", "no real value"),
        ("log(0)", "no real value"),
        ("tan(pi / 2)", "no real value"),
        ("factorial(2.5)", "whole number"),
        ("gcd(1.5, 2)", "whole number"),
        ("exp(-1000)", "too close to zero"),
        ("0.5 ** 5000", "too close to zero"),
        ("0." + "0" * 900 + "1", "too close to zero"),
    ],
)
def test_a_refusal_says_what_is_wrong(expression, told):
    with pytest.raises(ToolError, match=told):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "().__class__.__mro__[-1].__subclasses__()",
        "__import__('os').system('id')",
        "lambda: 1",
        "[x for x in (1,)]",
        "'a' * 9",
        "f'{1}'",
        "1 if 2 else 3",
        "True",
        "3j",
        "1 and 2",
        "x := 1",
        "import os",
        "sqrt(x=2)",
        "٣ + 1",
        "\x00",
        "\ud800",
    ],
)
def test_programs_are_refused_with_what_is_allowed(expression):
    with pytest.raises(ToolError, match=r"Allowed: numbers, .* sqrt"):
        evaluate(expression)


BOMBS = [
    "9**9**9",
    "(10**4000)**50000",
    "*".join(["9**99999"] * 40),
    "*".join(["9**1000"] * 40),
    "2**4095 * 2",
    "factorial(10**9)",
    "factorial(factorial(300))",
    "factorial(301)",
    "factorial(-1)",
    "round(1, -10**9)",
    "round(1, 10**9)",
    "1e999",
    "1e-999",
    "1e" + "9" * 900,
    "exp(1000)",
    "lcm(" + ", ".join(f"2**4000-{n}" for n in range(1, 60)) + ")",
    "hypot(2**4000, 1)",
    "pow(9, 9**9)",
    "-" * 900 + "1",
    "(" * 499 + "1" + ")" * 499,
    "2**" * 300 + "1",
    "1% of " * 160 + "1",
    "sqrt(" * 199 + "1",
    "1" * 1001,
    "'%1000000000d' % 1",
    "1 << 10**9",
]


@pytest.mark.parametrize("expression", BOMBS, ids=range(len(BOMBS)))
def test_bombs_are_refused_at_once(expression):
    began = time.process_time()
    with pytest.raises(ToolError):
        evaluate(expression)
    assert (
        time.process_time() - began < 2
    )  # it would take minutes; what the process collects meanwhile counts too


@pytest.mark.parametrize(
    "expression",
    [
        "exp(exp(100))",
        "2 ** (10 ** 300 + 0.5)",
        "1.5 ** (10 ** 1000)",
        "1.0000001 ** (10 ** 300)",
        "cosh(-10 ** 300)",
        "pi ** (10 ** 1000)",
        "exp(-1000)",
        "pow(2, 3, 0)",
        "pow(2, -1, 4)",
        "acosh(0.5)",
        "asin(2)",
        "log(0)",
        "log(5, 0)",
        "tan(pi / 2)",
    ],
)
def test_what_has_no_value_of_a_float_s_size_is_refused(expression):
    with pytest.raises(ToolError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0xff + 0b101 + 0o17", 275),
        ("0xFF_FF", 65535),
        ("1_000_000 / 8", 125000),
        ("pow(3, 200, 13)", pow(3, 200, 13)),
        ("pow(3, -1, 11)", 4),
        ("8 ** (1/3)", 2),
        ("4 ** 0.5", 2),
        ("(8/27) ** (2/3)", 4 / 9),
        ("log(1000, 10)", 3),
        ("log(0.125, 2)", -3),
        ("sqrt(2) ** 2 - 2", 0),
        ("2 - sqrt(2) ** 2", 0),
        ("sum(sqrt(2), 1, -1 - sqrt(2))", 0),
        ("(1 + 1e-10) ** 1e10", 2.7182818283231312),
        ("1000 * (1 + 5%/365) ** 10950", float(1000 * (1 + Fraction(5, 36500)) ** 10950)),
        ("sqrt(3) * sqrt(12)", 6),
        ("sin(10 ** 22)", math.sin(10**22)),
        ("atan2(1, -1)", math.atan2(1, -1)),
        ("sinh(1)", math.sinh(1)),
        ("asinh(1)", math.asinh(1)),
    ],
)
def test_values_are_exact_or_right_to_the_last_digits(expression, value):
    assert evaluate(expression) == pytest.approx(value, rel=3e-16, abs=0)


def test_approximate_numbers_compare_as_equal_where_their_digits_are():
    assert evaluate("2 == sqrt(2) ** 2") is True
    assert evaluate("sqrt(2) > 1.4142135623730950") is True


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("5 miles in km", 8.04672),
        ("convert 60 mph to km/h", 96.56064),
        ("212 F to C", 100),
        ("-40 °C to °F", -40),
        ("300 K in C", 26.85),
        ("3 GB in MB", 3000),
        ("3 GiB to MiB", 3072),
        ("8 kb in bytes", 1000),
        ("1 KB in bytes", 1000),
        ("5 ft 3 in to cm", 160.02),
        ("2 in in cm", 5.08),
        ("2 hours and 30 minutes in seconds", 9000),
        ("2 km - 300 m in m", 1700),
        ("9.8 m/s^2 in cm/s²", 980),
        ("100 miles per hour in meters per second", 44.704),
        ("1 cubic meter in liters", 1000),
        ("12 fl oz in ml", 354.88235475),
        ("(3 + 4) * 2 miles in km", 22.530816),
        ("1,500 g -> kg", 1.5),
        ("180 degrees in radians", math.pi),
        ("1 acre in m2", 4046.8564224),
    ],
)
def test_units_are_converted(expression, value):
    assert evaluate(expression) == pytest.approx(value, rel=3e-16)


def test_a_conversion_says_its_unit():
    assert said("5 miles in km") == "5 miles in km = 8.04672 km"
    assert said("100 F to C") == "100 F to C ≈ 37.7777777777778 C"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("5 miles in kg", "don't measure the same"),
        ("5 dollars in euros", "no unit"),
        ("9**9**9 m in km", "too large"),
        ("1 m^9 in m", "5 miles in km"),
        ("10 m in s*" + "m*" * 40 + "m", "no unit"),
        ("1 m in m" + "*m" * 200, "200 characters"),
        ("1 m**999999999 in m", "m"),
        ("1 m in __import__", "no unit"),
        ("in to in", "5 miles in km"),
        ("1 dBm in W", "measure"),
    ],
)
def test_units_that_do_not_fit_are_refused_at_once(expression, told):
    evaluate("1 m in cm")  # the definitions are read at the first use
    began = time.process_time()
    with pytest.raises(ToolError, match=re.escape(told)):
        evaluate(expression)
    assert time.process_time() - began < 1


PIECES = st.sampled_from(
    [
        *"0123456789.,%()+-*/<>= ",
        "**",
        "//",
        "of ",
        "e",
        "pi",
        "max(",
        "round(",
        "1,234",
        "9**",
        "factorial(",
        "é",
        "log(",
        " m",
        " in ",
        " km",
        "^2",
        "/",
    ]
)


@settings(max_examples=150)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join)))
def test_only_a_finite_value_or_a_tool_error_comes_out(expression):
    try:
        value = evaluate(expression)
    except ToolError:
        return
    assert isinstance(value, int) or math.isfinite(value)


SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
}
LEAVES = st.one_of(
    st.integers(0, 10**6).map(lambda n: (str(n), Fraction(n))),
    st.decimals(0, 1000, places=3).map(lambda d: (str(d), Fraction(d))),
)


def joined(parts):
    left, sign, right = parts
    try:
        return f"({left[0]} {sign} {right[0]})", Fraction(
            (SIGNS | {"%": operator.mod})[sign](left[1], right[1])
        )
    except ZeroDivisionError:
        return left


SUMS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from([*SIGNS, "%"]), inner).map(joined),
    max_leaves=8,
)


@settings(max_examples=80)
@given(SUMS)
def test_sums_agree_with_exact_fractions(case):
    expression, value = case
    assert evaluate(expression) == (int(value) if value.denominator == 1 else float(value))


@pytest.mark.parametrize(
    "expression", ["15% of 2,847", "sqrt(2) * (1 - 15%)", "1 <= 2 != 3", "round(2.5e3 / 7, 2)"]
)
def test_the_schema_lets_a_bound_model_write_sums(expression):
    assert re.fullmatch(calculator.parameters["properties"]["expression"]["pattern"], expression)


@pytest.mark.parametrize(
    "expression", ["import os", "print(1)", "x = 2847", "total", "'15'", "[1]", "1" * 201]
)
def test_the_schema_keeps_a_bound_model_from_writing_programs(expression):
    assert not re.fullmatch(EXPRESSION_PATTERN, expression)


def test_text_outside_the_pattern_still_gets_a_clear_answer():
    assert calculator.arguments_of('{"expression": "3 × 4"}') == {"expression": "3 × 4"}  # noqa: RUF001
    assert calculator.read_only


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("trunc(-2.7)", -2),
        ("trunc(sqrt(2) ** 2)", 2),
        ("comb(5, 2)", 10),
        ("comb(3, 5)", 0),
        ("comb(10**300, 2) > 0", True),
        ("perm(5, 2)", 20),
        ("perm(5)", 120),
    ],
)
def test_choices_and_orders_are_counted(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("comb(1000000, 500000)", "too large"),
        ("comb(10**1000, 10**999)", "too large"),
        ("perm(10**9, 10**6)", "too large"),
        ("comb(-1, 2)", "no negative numbers, such as -1"),
        ("perm(2.5, 1)", "whole number"),
        ("10 C + 5 C in F", "temperatures can't be added"),
        ("0 C + 0 C in K", "temperatures can't be added"),
        ("10 K + 5 K in C", "temperatures can't be added"),
        ("-300 C in K", "-300 C is below absolute zero"),
        ("-1 K in C", "below absolute zero"),
        ("-500 F in C", "below absolute zero"),
    ],
)
def test_what_has_no_meaning_or_no_end_is_refused_in_words(expression, told):
    with pytest.raises(ToolError, match=told):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("60 rpm in Hz", 1),
        ("1 kHz in rpm", 60000),
        ("1 rev/min in rpm", 1),
        ("50 Hz in s^-1", 50),
        ("10 K + 5 K in K", 15),
        ("-40 C in F", -40),
        ("10 degC/km in degC/m", 0.01),
        ("1 barrel in l", 158.987294928),
        ("2 bbl in gallons", 84),
        ("1 Cal in cal", 1000),
        ("1 cal in J", 4.184),
        ("1 kB in bytes", 1000),
        ("1 KB in bytes", 1000),
        ("1 kb in bytes", 125),
        ("1 MBps in Mbps", 8),
        ("1 AU in km", 149597870.7),
        ("0x10 m in km", 0.016),
        ("0b11 ft in in", 36),
        ("1 mil in in", 0.001),
    ],
)
def test_a_unit_is_what_people_mean_by_it(expression, value):
    assert evaluate(expression) == pytest.approx(value, rel=1e-12)
