"""The calculator's numbers: what its operators and functions do, and how large things may get. Reads no text.

A number is an exact Fraction for as long as it can be, else a float. Every result goes through `held`, which is
what keeps time and memory bounded: an operand never has more than 4096 bits, and a power is measured beforehand.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from ...core.errors import ToolError

MAX_BITS = 4096
MAX_FACTORIAL = 300
MAX_DIGITS = 100
"""Of rounding: more would build a huge power of ten."""

Number = Fraction | float


def limit_size(value: int | Number) -> Number:
    """The value as a number of bounded size. Raises ToolError where it is too large, or too small, to hold."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
        return value
    exact = Fraction(value)
    bits = max(exact.numerator.bit_length(), exact.denominator.bit_length())
    if exact.denominator == 1:
        if bits > MAX_BITS:
            raise OverflowError
        return exact
    near = float(exact)
    if not near:
        raise ToolError("a result is too close to zero to hold; use larger numbers")
    return near if bits > MAX_BITS else exact


def calculate(name: str, compute: Callable[..., int | Number], *values: Number) -> Number:
    """Call `compute` and hold the result. Raises ToolError that names the operation."""
    try:
        return limit_size(compute(*values))
    except ZeroDivisionError:
        raise ToolError(f"{name}: division by zero") from None
    except OverflowError:
        raise ToolError(
            f"{name}: the result is too large; at most {MAX_BITS} bits (about 1230 digits). Use smaller numbers"
        ) from None
    except ValueError:
        raise ToolError(
            f"{name} of {', '.join(map(format_number, values))} has no real value; check the numbers"
        ) from None


def format_number(number: Number) -> str:
    """Integers in full; exact fractions to 15 digits, floats to 12, which leaves out what binary adds."""
    if isinstance(number, float):
        return f"{number:.12g}"
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.15g}"


def prints_exactly(number: Number) -> bool:
    """Whether `shown` shows all of it."""
    return type(number)(format_number(number)) == number


def compare(a: Number, sign: str, b: Number) -> bool:
    """Exact for fractions. A float counts as equal to what is within 1e-14 of it, as sqrt(2) ** 2 is to 2."""
    difference = Fraction(a) - Fraction(b)
    if isinstance(a, float) or isinstance(b, float):
        largest = max(abs(Fraction(a)), abs(Fraction(b)))
        difference = Fraction(0) if abs(difference) <= largest / 10**14 else difference
    order = (difference > 0) - (difference < 0)
    return (
        order
        in {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0), "==": (0,), "!=": (-1, 1)}[sign]
    )


def power(base: Number, exponent: Number) -> Number:
    """Exact for whole exponents. A fraction whose power is too long to hold becomes a float."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        longest = max(base.numerator.bit_length(), base.denominator.bit_length())
        if (longest - 1) * abs(exponent.numerator) <= MAX_BITS:  # before: 9**9**9 must never start
            return base**exponent.numerator
        if base.denominator == 1 and exponent > 0:
            raise OverflowError
    result = math.pow(base, exponent)
    if not result and base:
        raise ToolError("**: the result is too close to zero to hold; use larger numbers")
    return result


def square_root(x: Number) -> Number:
    if isinstance(x, Fraction) and x >= 0:
        top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if top * top == x.numerator and bottom * bottom == x.denominator:
            return Fraction(top, bottom)
    return math.sqrt(x)


def cube_root(x: Number) -> Number:
    result = math.cbrt(x)
    whole = Fraction(round(result))
    return whole if whole**3 == x else result


def round_half_away(x: Number, digits: Number = 0.0) -> Number:
    """Halves go away from zero, as at school and in spreadsheets: 2.5 is 3, 2.675 to two digits 2.68."""
    places = require_int(digits, "the digits of round")
    if abs(places) > MAX_DIGITS:
        raise ToolError(f"round takes at most {MAX_DIGITS} digits, not {places}")
    scale = Fraction(10) ** places
    size = math.floor(abs(Fraction(x)) * scale + Fraction(1, 2)) / scale
    return -size if x < 0 else size


def require_int(x: Number, what: str) -> int:
    """`x` as an int. Raises ToolError where it isn't one."""
    if x != math.floor(x):
        raise ToolError(f"{what} must be a whole number, not {format_number(x)}")
    return int(x)


def factorial(x: Number) -> int:
    n = require_int(x, "the argument of factorial")
    if not 0 <= n <= MAX_FACTORIAL:
        raise ToolError(f"factorial takes 0 to {MAX_FACTORIAL}, not {format_number(x)}")
    return math.factorial(n)


def logarithm(x: Number, base: Number | None = None) -> float:
    """Natural without a base, as in Python."""
    if base is None:
        # Parts apart: an exact number may be larger than any float.
        parts = isinstance(x, Fraction) and x.numerator.bit_length() > 1000
        return (
            math.log(x.numerator) - math.log(x.denominator)
            if isinstance(x, Fraction) and parts
            else math.log(x)
        )
    if base in (2, 10) and (isinstance(x, float) or x.denominator == 1):
        return (math.log2 if base == 2 else math.log10)(x if isinstance(x, float) else x.numerator)
    return logarithm(x) / logarithm(base)


def exponential(x: Number) -> float:
    result = math.exp(x)
    if not result:
        raise ToolError("exp: the result is too close to zero to hold; use larger numbers")
    return result


def sine(x: Number) -> float:
    return _settled(math.sin(x), x)


def cosine(x: Number) -> float:
    return _settled(math.cos(x), x)


def tangent(x: Number) -> float:
    if not cosine(x):
        raise ValueError
    return _settled(math.tan(x), x)


def _settled(y: float, x: Number) -> float:
    """Zero where `y` is only the error of `x` as a float: sin(pi) is 0, not 1.2e-16."""
    return 0.0 if abs(y) < 4e-16 * abs(float(x)) else y


def _down(x: Number) -> int:
    return math.floor(x if isinstance(x, Fraction) else float(format_number(x)))


def _up(x: Number) -> int:
    return math.ceil(x if isinstance(x, Fraction) else float(format_number(x)))


def _total(*values: Number) -> Number:
    return reduce(lambda a, b: limit_size(a + b), values)


def _divisor(*values: Number) -> int:
    return math.gcd(*(require_int(value, "an argument of gcd") for value in values))


def _multiple(*values: Number) -> int:
    numbers = [require_int(value, "an argument of lcm") for value in values]
    return reduce(lambda a, b: int(limit_size(Fraction(math.lcm(a, b)))), numbers)


def _distance(*values: Number) -> Number:
    return square_root(_total(*(limit_size(value * value) for value in values)))


@dataclass(frozen=True)
class Function:
    """What a name in front of parentheses computes, of how many arguments."""

    compute: Callable[..., int | Number]
    least: int = 1
    most: int = 1


ANY = 1000
"""As many arguments as fit in an expression."""

OPERATORS: dict[str, Callable[..., int | Number]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": power,
}
FUNCTIONS = {
    "abs": Function(lambda x: abs(x)),
    "acos": Function(math.acos),
    "asin": Function(math.asin),
    "atan": Function(math.atan),
    "cbrt": Function(cube_root),
    "ceil": Function(_up),
    "cos": Function(cosine),
    "degrees": Function(math.degrees),
    "exp": Function(exponential),
    "factorial": Function(factorial),
    "floor": Function(_down),
    "gcd": Function(_divisor, 2, ANY),
    "hypot": Function(_distance, 2, ANY),
    "lcm": Function(_multiple, 2, ANY),
    "ln": Function(logarithm),
    "log": Function(logarithm, 1, 2),
    "log10": Function(lambda x: logarithm(x, Fraction(10))),
    "log2": Function(lambda x: logarithm(x, Fraction(2))),
    "max": Function(max, 2, ANY),
    "mean": Function(lambda *values: _total(*values) / len(values), 1, ANY),
    "min": Function(min, 2, ANY),
    "pow": Function(power, 2, 2),
    "radians": Function(math.radians),
    "round": Function(round_half_away, 1, 2),
    "sin": Function(sine),
    "sqrt": Function(square_root),
    "sum": Function(_total, 1, ANY),
    "tan": Function(tangent),
}
CONSTANTS = {"e": math.e, "pi": math.pi, "tau": math.tau}
