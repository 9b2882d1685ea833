"""The calculator's numbers, operators and functions, with limits to their size. Reads no text.

A number is a Fraction, exact as long as that is possible; else it is Approximate and right to 40
digits, so that it is right to the last digit of a float when it is shown. Every result goes through
`limit_size`, which bounds time and memory: no operand has more than 4096 bits, and the size of a
power is checked before it is computed.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from ...core.errors import ToolError
from .numbers import MAX_BITS, Number, format_number, limit_size
from .real_functions import (
    KEPT_BITS,
    PI,
    Approximate,
    E,
    exact_root,
    power_of_reals,
    real_function,
)
from .whole_numbers import (
    combinations,
    factorial,
    greatest_common_divisor,
    least_common_multiple,
    permutations,
    require_int,
)

MAX_DIGITS = 100
"""The most digits of `round`: more would compute a huge power of ten."""
MAX_FLOAT_WITH_HALF = 2**52
"""Larger floats are whole numbers."""
MAX_ROOT = 64
"""The highest root that is tried exactly."""


def calculate(name: str, compute: Callable[..., int | Number], *values: Number) -> Number:
    """Call `compute` and limit its result. Raises a ToolError that names the operation."""
    try:
        result = compute(*values)
        if name not in ROUNDING and any(isinstance(value, Approximate) for value in values):
            result = Approximate(result)
        return limit_size(result)
    except ZeroDivisionError:
        raise ToolError(f"{name}: division by zero") from None
    except OverflowError:
        raise ToolError(
            f"{name}: the result is too large; at most {MAX_BITS} bits (about 1230 digits)."
            " Use smaller numbers"
        ) from None
    except ValueError:
        arguments = ", ".join(map(format_number, values))
        raise ToolError(f"{name} of {arguments} has no real value; check the numbers") from None


def prints_exactly(number: Number) -> bool:
    """Whether `format_number` gives the exact value."""
    return not isinstance(number, Approximate) and Fraction(format_number(number)) == number


_COMPARISONS: dict[str, Callable[[Fraction, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def compare(a: Number, sign: str, b: Number) -> bool:
    """Whether `a sign b` is true. Exact for exact numbers.

    Others count as equal where their digits are, such as sqrt(2) ** 2 and 2.
    """
    return _COMPARISONS[sign](add(a, -b), 0)


def add(a: Number, b: Number) -> Number:
    """The sum; zero where only the rounding errors of approximate numbers are left."""
    total = a + b
    if isinstance(a, Approximate) or isinstance(b, Approximate):
        if abs(total) <= max(abs(a), abs(b)) / 2 ** (KEPT_BITS - 16):
            return Approximate(0)
        return Approximate(total)
    return total


def power(base: Number, exponent: Number, modulus: Number | None = None) -> int | Number:
    """Exact where the result is rational and not too long; with a modulus as Python's `pow`."""
    if modulus is not None:
        numbers = [require_int(each, "an argument of pow") for each in (base, exponent, modulus)]
        return pow(numbers[0], numbers[1], numbers[2])
    if isinstance(base, Approximate) or isinstance(exponent, Approximate):
        return power_of_reals(base, exponent)
    root: Number | None = base
    if exponent.denominator != 1:
        root = None
        if exponent.denominator <= MAX_ROOT:
            root = exact_root(base, exponent.denominator)
    if root is None:
        return power_of_reals(base, exponent)
    longest = max(root.numerator.bit_length(), root.denominator.bit_length())
    # Checked before, since 9**9**9 would take for ever.
    if (longest - 1) * abs(exponent.numerator) <= MAX_BITS:
        return root**exponent.numerator
    if root.denominator == 1 and exponent > 0:
        raise OverflowError
    return power_of_reals(base, exponent)


def square_root(x: Number) -> Number:
    return power(x, Fraction(1, 2))  # type: ignore[return-value]


def cube_root(x: Number) -> Number:
    if x < 0:
        return -cube_root(-x)
    return power(x, Fraction(1, 3))  # type: ignore[return-value]


def round_half_even(x: Number, digits: Number | None = None) -> Number:
    """Rounds as Python does: 2.5, which is a half, to the even 2.

    2.675 becomes 2.67: the float next to it, which Python would round, is a little less.
    """
    places = require_int(digits or Fraction(0), "the digits of round")
    if abs(places) > MAX_DIGITS:
        raise ToolError(f"round takes at most {MAX_DIGITS} digits, not {places}")
    exact = Fraction(_without_error(x))
    is_half = (exact * Fraction(10) ** places * 2).denominator == 1
    if is_half and exact.denominator != 1 and abs(exact) < MAX_FLOAT_WITH_HALF:
        exact = Fraction(float(exact))
    return Fraction(round(exact, places))


def logarithm(x: Number, base: Number | None = None) -> Number:
    """The natural logarithm, or the one to a base; exact for powers of the base."""
    if base is None:
        return real_function("log")(x)
    found = real_function("log")(x) / real_function("log")(base)
    whole = round(found)
    small = (
        abs(whole) * max(base.numerator.bit_length(), base.denominator.bit_length()) <= 2 * MAX_BITS
    )
    if small and not isinstance(x, Approximate) and base**whole == x:
        return Fraction(whole)
    return Approximate(found)


def tangent(x: Number) -> Number:
    if not real_function("cos")(x):
        raise ValueError
    return real_function("tan")(x)


def _without_error(x: Number) -> Number:
    """An approximate number that differs from a whole one only by its rounding errors is that."""
    nearest = Fraction(round(x))
    if isinstance(x, Approximate) and not add(x, -nearest):
        return nearest
    return x


def _sum(*values: Number) -> Number:
    return reduce(lambda a, b: limit_size(add(a, b)), values)


def _hypotenuse(*values: Number) -> Number:
    return square_root(_sum(*(limit_size(value * value) for value in values)))


@dataclass(frozen=True)
class Function:
    """A function of the calculator, and how many arguments it takes."""

    compute: Callable[..., int | Number]
    least: int = 1
    most: int = 1

    def describe_count(self) -> str:
        """How many arguments it takes, in words."""
        if self.least == self.most == 1:
            return "1 argument"
        if self.least == self.most:
            return f"{self.least} arguments"
        most = "more" if self.most > 2 else str(self.most)
        return f"{self.least} or {most} arguments"


ANY = 1000
"""More arguments than fit in an expression."""

OPERATORS: dict[str, Callable[..., int | Number]] = {
    "+": add,
    "-": lambda a, b: add(a, -b),
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": power,
}
ROUNDING = frozenset(("round", "floor", "ceil", "trunc"))
"""Their results are exact also for approximate numbers."""
FUNCTIONS = {
    "abs": Function(lambda x: abs(x)),
    "atan2": Function(real_function("atan2"), 2, 2),
    "cbrt": Function(cube_root),
    "ceil": Function(lambda x: math.ceil(_without_error(x))),
    "comb": Function(combinations, 2, 2),
    "degrees": Function(lambda x: Approximate(x * 180 / PI)),
    "factorial": Function(factorial),
    "floor": Function(lambda x: math.floor(_without_error(x))),
    "gcd": Function(greatest_common_divisor, 2, ANY),
    "hypot": Function(_hypotenuse, 2, ANY),
    "lcm": Function(least_common_multiple, 2, ANY),
    "ln": Function(logarithm),
    "log": Function(logarithm, 1, 2),
    "log10": Function(lambda x: logarithm(x, Fraction(10))),
    "log2": Function(lambda x: logarithm(x, Fraction(2))),
    "max": Function(max, 2, ANY),
    "mean": Function(lambda *values: _sum(*values) / len(values), 1, ANY),
    "min": Function(min, 2, ANY),
    "perm": Function(permutations, 1, 2),
    "pow": Function(power, 2, 3),
    "radians": Function(lambda x: Approximate(x * PI / 180)),
    "round": Function(round_half_even, 1, 2),
    "sqrt": Function(square_root),
    "sum": Function(_sum, 1, ANY),
    "tan": Function(tangent),
    "trunc": Function(lambda x: math.trunc(_without_error(x))),
}
for _name in (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh"),
    *("exp", "expm1", "log1p", "sin", "sinh", "tanh"),
):
    FUNCTIONS[_name] = Function(real_function(_name))
CONSTANTS: dict[str, Number] = {"e": E, "pi": PI, "tau": Approximate(2 * PI)}
