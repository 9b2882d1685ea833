"""The calculator's numbers, operators and functions, with limits to their size. Reads no text.

A number is an exact Fraction as long as possible, else a float. Every result goes through
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

MAX_BITS = 4096
MAX_FACTORIAL = 300
MAX_DIGITS = 100
"""The most digits of `round`: more would compute a huge power of ten."""

Number = Fraction | float


def limit_size(value: int | Number) -> Number:
    """The value as a number of bounded size.

    Raises OverflowError if it is too large, ToolError if it is too close to zero.
    """
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
    approximate = float(exact)
    if not approximate:
        raise ToolError("a result is too close to zero to hold; use larger numbers")
    if bits > MAX_BITS:
        return approximate
    return exact


def calculate(name: str, compute: Callable[..., int | Number], *values: Number) -> Number:
    """Call `compute` and limit its result. Raises a ToolError that names the operation."""
    try:
        return limit_size(compute(*values))
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


def format_number(number: Number) -> str:
    """The number as text: integers in full, fractions to 15 digits, floats to 12.

    So the rounding errors of floats don't show.
    """
    if isinstance(number, float):
        return f"{number:.12g}"
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.15g}"


def prints_exactly(number: Number) -> bool:
    """Whether `format_number` gives the exact value."""
    return type(number)(format_number(number)) == number


_COMPARISONS: dict[str, Callable[[Fraction, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def compare(a: Number, sign: str, b: Number) -> bool:
    """Whether `a sign b` is true. Exact for fractions.

    Floats count as equal within a relative difference of 1e-14, such as sqrt(2) ** 2 and 2.
    """
    difference = Fraction(a) - Fraction(b)
    if isinstance(a, float) or isinstance(b, float):
        largest = max(abs(Fraction(a)), abs(Fraction(b)))
        if abs(difference) <= largest / 10**14:
            difference = Fraction(0)
    return _COMPARISONS[sign](difference, 0)


def power(base: Number, exponent: Number) -> Number:
    """Exact for whole exponents. If the power of a fraction has too many digits, it is a float."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        longest = max(base.numerator.bit_length(), base.denominator.bit_length())
        # Checked before, since 9**9**9 would take for ever.
        if (longest - 1) * abs(exponent.numerator) <= MAX_BITS:
            return base**exponent.numerator
        if base.denominator == 1 and exponent > 0:
            raise OverflowError
    result = math.pow(base, exponent)
    if not result and base:
        raise ToolError("**: the result is too close to zero to hold; use larger numbers")
    return result


def square_root(x: Number) -> Number:
    if isinstance(x, Fraction) and x >= 0:
        top = math.isqrt(x.numerator)
        bottom = math.isqrt(x.denominator)
        if top * top == x.numerator and bottom * bottom == x.denominator:
            return Fraction(top, bottom)
    return math.sqrt(x)


def cube_root(x: Number) -> Number:
    result = math.cbrt(x)
    whole = Fraction(round(result))
    if whole**3 == x:
        return whole
    return result


def round_half_away(x: Number, digits: Number = 0.0) -> Number:
    """Rounds halves away from zero, as in spreadsheets: 2.5 is 3, and 2.675 to two digits 2.68."""
    places = require_int(digits, "the digits of round")
    if abs(places) > MAX_DIGITS:
        raise ToolError(f"round takes at most {MAX_DIGITS} digits, not {places}")
    scale = Fraction(10) ** places
    size = math.floor(abs(Fraction(x)) * scale + Fraction(1, 2)) / scale
    return -size if x < 0 else size


def require_int(x: Number, what: str) -> int:
    """`x` as an int. Raises ToolError if it isn't whole."""
    if x != math.floor(x):
        raise ToolError(f"{what} must be a whole number, not {format_number(x)}")
    return int(x)


def factorial(x: Number) -> int:
    n = require_int(x, "the argument of factorial")
    if not 0 <= n <= MAX_FACTORIAL:
        raise ToolError(f"factorial takes 0 to {MAX_FACTORIAL}, not {format_number(x)}")
    return math.factorial(n)


def logarithm(x: Number, base: Number | None = None) -> float:
    """The natural logarithm, or the one to a base."""
    if base is None:
        if isinstance(x, Fraction) and x.numerator.bit_length() > 1000:
            # Such a number may be larger than any float.
            return math.log(x.numerator) - math.log(x.denominator)
        return math.log(x)
    if base not in (2, 10) or (isinstance(x, Fraction) and x.denominator != 1):
        return logarithm(x) / logarithm(base)
    exact_logarithm = math.log2 if base == 2 else math.log10
    if isinstance(x, Fraction):
        return exact_logarithm(x.numerator)
    return exact_logarithm(x)


def exponential(x: Number) -> float:
    result = math.exp(x)
    if not result:
        raise ToolError("exp: the result is too close to zero to hold; use larger numbers")
    return result


def sine(x: Number) -> float:
    return _drop_error(math.sin(x), x)


def cosine(x: Number) -> float:
    return _drop_error(math.cos(x), x)


def tangent(x: Number) -> float:
    if not cosine(x):
        raise ValueError
    return _drop_error(math.tan(x), x)


def _drop_error(y: float, x: Number) -> float:
    """`y`, or zero if it is only the rounding error of `x`: sin(pi) is 0, not 1.2e-16."""
    if abs(y) < 4e-16 * abs(float(x)):
        return 0.0
    return y


def _round_down(x: Number) -> int:
    return math.floor(_without_error(x))


def _round_up(x: Number) -> int:
    return math.ceil(_without_error(x))


def _without_error(x: Number) -> Number:
    """A float without the digits that `format_number` leaves out."""
    if isinstance(x, Fraction):
        return x
    return float(format_number(x))


def _sum(*values: Number) -> Number:
    return reduce(lambda a, b: limit_size(a + b), values)


def _greatest_common_divisor(*values: Number) -> int:
    return math.gcd(*(require_int(value, "an argument of gcd") for value in values))


def _least_common_multiple(*values: Number) -> int:
    numbers = [require_int(value, "an argument of lcm") for value in values]
    return reduce(lambda a, b: int(limit_size(Fraction(math.lcm(a, b)))), numbers)


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
    "ceil": Function(_round_up),
    "cos": Function(cosine),
    "degrees": Function(math.degrees),
    "exp": Function(exponential),
    "factorial": Function(factorial),
    "floor": Function(_round_down),
    "gcd": Function(_greatest_common_divisor, 2, ANY),
    "hypot": Function(_hypotenuse, 2, ANY),
    "lcm": Function(_least_common_multiple, 2, ANY),
    "ln": Function(logarithm),
    "log": Function(logarithm, 1, 2),
    "log10": Function(lambda x: logarithm(x, Fraction(10))),
    "log2": Function(lambda x: logarithm(x, Fraction(2))),
    "max": Function(max, 2, ANY),
    "mean": Function(lambda *values: _sum(*values) / len(values), 1, ANY),
    "min": Function(min, 2, ANY),
    "pow": Function(power, 2, 2),
    "radians": Function(math.radians),
    "round": Function(round_half_away, 1, 2),
    "sin": Function(sine),
    "sqrt": Function(square_root),
    "sum": Function(_sum, 1, ANY),
    "tan": Function(tangent),
}
CONSTANTS = {"e": math.e, "pi": math.pi, "tau": math.tau}
