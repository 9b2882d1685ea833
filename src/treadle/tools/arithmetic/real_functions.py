"""Functions whose values have no end of digits, to 40 digits.

Arguments and results are bounded, so the time is too: what is no float's size is refused first.
"""

from collections.abc import Callable
from fractions import Fraction

from ...core.errors import ToolError
from . import decimals

KEPT_BITS = 136
"""Of an approximate number: 40 digits, so that a float's 17 are right after many operations."""
_MAX_EXPONENT = 745
"""The exponent of e beyond which no float reaches."""


class Approximate(Fraction):
    """A number that isn't exact, rounded to KEPT_BITS. Arithmetic with it gives plain Fractions:

    `calculate` marks the result again.
    """

    def __neg__(self) -> "Approximate":
        return Approximate(super().__neg__())


E = Approximate("2.7182818284590452353602874713526624977572470937")
PI = Approximate("3.1415926535897932384626433832795028841971693994")


def round_off(x: Fraction) -> Approximate:
    """The number to KEPT_BITS binary digits."""
    shift = KEPT_BITS - x.numerator.bit_length() + x.denominator.bit_length()
    scale = Fraction(2) ** shift
    return Approximate(round(x * scale) / scale)


def real_function(name: str) -> Callable[..., Fraction]:
    """The function with this name.

    Raises ValueError where it has no real value, OverflowError and ToolError as `limit_size` does.
    """

    def compute(*values: Fraction) -> Fraction:
        if name in ("exp", "expm1", "sinh", "cosh"):
            _check_exponent(values[0], name)
        found = round_off(decimals.FUNCTIONS[name](*map(Fraction, values)))
        periodic = name in ("sin", "cos", "tan") and isinstance(values[0], Approximate)
        if periodic and abs(found) <= abs(values[0]) / 2 ** (KEPT_BITS - 16):
            return Fraction(0)  # only the rounding error of the argument: sin(pi)
        return found

    return compute


def power_of_reals(base: Fraction, exponent: Fraction) -> Fraction:
    """Raises ValueError, OverflowError and ToolError as `real_function` does."""
    if not base:
        if exponent < 0:
            raise ZeroDivisionError
        return Fraction(0)
    if base < 0 and exponent.denominator != 1:
        raise ValueError
    product = decimals.log(abs(Fraction(base))) * Fraction(exponent)
    _check_exponent(product, "**")
    found = round_off(decimals.exp(product))
    if base < 0 and exponent.numerator % 2:
        return Approximate(-found)
    return found


def exact_root(x: Fraction, n: int) -> Fraction | None:
    """The n-th root where it is rational, else None."""
    if x < 0:
        return None
    top = _whole_root(x.numerator, n)
    bottom = _whole_root(x.denominator, n)
    if top is None or bottom is None:
        return None
    return Fraction(top, bottom)


def _whole_root(x: int, n: int) -> int | None:
    if x < 2 or n == 1:
        return x
    if n >= x.bit_length():
        return None
    root = 1 << -(-x.bit_length() // n)
    while True:  # Newton's way, from above
        closer: int = ((n - 1) * root + x // root ** (n - 1)) // n
        if closer >= root:
            break
        root = closer
    if root**n == x:
        return root
    return None


def _check_exponent(x: Fraction, name: str) -> None:
    if x > _MAX_EXPONENT or (x < -_MAX_EXPONENT and name in ("sinh", "cosh")):
        raise OverflowError
    if x < -_MAX_EXPONENT and name != "expm1":
        raise ToolError(f"{name}: the result is too close to zero to hold; use larger numbers")
