"""The calculator's functions of whole numbers. Sizes are checked before anything is computed."""

import math
from fractions import Fraction
from functools import reduce

from ...core.errors import ToolError
from .numbers import MAX_BITS, Number, format_number, limit_size

MAX_FACTORIAL = 300
MAX_CHOSEN = 600
"""The most things that are put in order: 600! has more than MAX_BITS."""


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


def combinations(n: Number, k: Number) -> int:
    """In how many ways k of n things can be chosen."""
    things, chosen = _require_counts("comb", n, k)
    fewer = min(chosen, things - chosen)
    # At least (n / k) ** k: checked before, since comb(10**6, 5 * 10**5) would take for ever.
    if fewer > 0 and fewer * max(1, things.bit_length() - fewer.bit_length() - 1) > MAX_BITS:
        raise OverflowError
    return math.comb(things, chosen)


def permutations(n: Number, k: Number | None = None) -> int:
    """In how many orders k of n things can stand; all of them without k."""
    if k is None:
        return factorial(n)
    things, chosen = _require_counts("perm", n, k)
    if MAX_CHOSEN < chosen <= things:
        raise OverflowError
    return math.perm(things, chosen)


def _require_counts(name: str, *values: Number) -> list[int]:
    counts = [require_int(value, f"an argument of {name}") for value in values]
    if min(counts) < 0:
        raise ToolError(f"{name} takes no negative numbers, such as {min(counts)}")
    return counts


def greatest_common_divisor(*values: Number) -> int:
    return math.gcd(*(require_int(value, "an argument of gcd") for value in values))


def least_common_multiple(*values: Number) -> int:
    numbers = [require_int(value, "an argument of lcm") for value in values]
    return reduce(lambda a, b: int(limit_size(Fraction(math.lcm(a, b)))), numbers)
