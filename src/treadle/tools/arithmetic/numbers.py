"""The calculator's numbers: exact fractions of bounded size, and how they are shown."""

from fractions import Fraction

from ...core.errors import ToolError
from .real_functions import Approximate, round_off

MAX_BITS = 4096
Number = Fraction


def limit_size(value: int | Number) -> Number:
    """The value as a number of bounded size.

    Raises OverflowError if it is too large, ToolError if it is too close to zero.
    """
    exact = value if isinstance(value, Fraction) else Fraction(value)
    bits = max(exact.numerator.bit_length(), exact.denominator.bit_length())
    inexact = isinstance(exact, Approximate)
    if exact.denominator == 1 and not inexact:
        if bits > MAX_BITS:
            raise OverflowError
        return exact
    if exact and not float(exact):
        raise ToolError("a result is too close to zero to hold; use larger numbers")
    if inexact or bits > MAX_BITS:
        return round_off(exact)
    return exact


def format_number(number: Number) -> str:
    """The number as text: integers in full, others to 15 digits."""
    if number.denominator == 1 and not isinstance(number, Approximate):
        return str(number.numerator)
    return f"{float(number):.15g}"
