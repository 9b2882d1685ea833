"""Logarithms, powers of e, sines and the like, to DIGITS digits, by Python's own decimal.

decimal has exp, ln and sqrt, each right to the last digit. The rest is made of them, and of two
series. Differences are taken of fractions, which are exact, so that no digits are lost by them.
"""

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction

DIGITS = 50
_SPARE = 20
"""More digits for what is computed on the way."""
_TINY = Fraction(1, 10**30)
"""Below this, three terms of a series have more than DIGITS digits."""
_HUGE = 200
"""From here on tanh is 1 to more than DIGITS digits."""
_HALVINGS = 4
"""How often an arc is halved, so that its series is short."""


def exp(x: Fraction) -> Fraction:
    with _precise():
        return Fraction(_decimal(x).exp())


def expm1(x: Fraction) -> Fraction:
    if abs(x) < _TINY:
        return x + x**2 / 2 + x**3 / 6
    with _precise(30):
        return Fraction(_decimal(x).exp()) - 1


def log(x: Fraction) -> Fraction:
    """Raises ValueError for what isn't positive."""
    return log1p(x - 1)


def log1p(x: Fraction) -> Fraction:
    if x <= -1:
        raise ValueError
    if abs(x) < _TINY:
        return x - x**2 / 2 + x**3 / 3
    with _precise(30):
        return Fraction(_decimal(1 + x).ln())


def sinh(x: Fraction) -> Fraction:
    grown = expm1(x)
    return (grown + grown / (grown + 1)) / 2


def cosh(x: Fraction) -> Fraction:
    grown = exp(x)
    return (grown + 1 / grown) / 2


def tanh(x: Fraction) -> Fraction:
    if abs(x) > _HUGE:
        return Fraction(1 if x > 0 else -1)
    grown = expm1(2 * x)
    return grown / (grown + 2)


def asinh(x: Fraction) -> Fraction:
    size = abs(x)
    found = log1p(size + size**2 / (1 + _sqrt(1 + size**2)))
    return found if x >= 0 else -found


def acosh(x: Fraction) -> Fraction:
    if x < 1:
        raise ValueError
    above = x - 1
    return log1p(above + _sqrt(above * (above + 2)))


def atanh(x: Fraction) -> Fraction:
    if abs(x) >= 1:
        raise ValueError
    return log1p(2 * x / (1 - x)) / 2


def sin(x: Fraction) -> Fraction:
    rest, quarters = _reduce(x)
    sine, cosine = _sine(rest), _cosine(rest)
    return (sine, cosine, -sine, -cosine)[quarters]


def cos(x: Fraction) -> Fraction:
    rest, quarters = _reduce(x)
    sine, cosine = _sine(rest), _cosine(rest)
    return (cosine, -sine, -cosine, sine)[quarters]


def tan(x: Fraction) -> Fraction:
    return sin(x) / cos(x)


def asin(x: Fraction) -> Fraction:
    return atan2(x, _sqrt((1 - x) * (1 + x)))


def acos(x: Fraction) -> Fraction:
    return atan2(_sqrt((1 - x) * (1 + x)), x)


def atan(x: Fraction) -> Fraction:
    return atan2(x, Fraction(1))


def atan2(y: Fraction, x: Fraction) -> Fraction:
    """The angle of the point (x, y); 0 for the origin."""
    quarter = pi(DIGITS + _SPARE) / 2
    if not y:
        return 2 * quarter if x < 0 else Fraction(0)
    if abs(x) < abs(y):
        found = quarter - _arc(x / abs(y))
    elif x > 0:
        found = _arc(abs(y) / x)
    else:
        found = 2 * quarter - _arc(abs(y) / -x)
    return found if y > 0 else -found


@functools.lru_cache(maxsize=8)
def pi(digits: int) -> Fraction:
    """Pi by Machin's formula: 16 atan(1/5) - 4 atan(1/239)."""
    one: int = 10 ** (digits + 10)

    def arc_of_inverse(n: int) -> int:
        total: int = one // n
        power = total
        odd = 1
        while power:
            power //= -n * n
            odd += 2
            total += power // odd
        return total

    return Fraction(16 * arc_of_inverse(5) - 4 * arc_of_inverse(239), one)


def _reduce(x: Fraction) -> tuple[Fraction, int]:
    """What is left of the angle after whole quarters, and how many they are, of four."""
    size = max(0, len(str(math.floor(abs(x)))))
    quarter = pi(size + 2 * DIGITS) / 2
    quarters = round(x / quarter)
    return x - quarters * quarter, quarters % 4


def _sine(x: Fraction) -> Fraction:
    return _series(x, 1)


def _cosine(x: Fraction) -> Fraction:
    return _series(x, 0)


def _series(x: Fraction, first: int) -> Fraction:
    """The sum of x^n/n! with alternating signs, of every second n from `first` on."""
    with _precise() as context:
        value = _decimal(x)
        term = value if first else Decimal(1)
        total = term
        n = first
        while term and term.adjusted() > total.adjusted() - context.prec:
            n += 2
            term = -term * value * value / (n * (n - 1))
            total += term
        return Fraction(total)


def _arc(x: Fraction) -> Fraction:
    """The arc tangent of a number from -1 to 1."""
    with _precise() as context:
        value = _decimal(x)
        for _ in range(_HALVINGS):
            value = value / (1 + (1 + value * value).sqrt())
        power = total = value
        odd = 1
        while power and power.adjusted() > total.adjusted() - context.prec:
            power = -power * value * value
            odd += 2
            total += power / odd
        return Fraction(total * 2**_HALVINGS)


def _sqrt(x: Fraction) -> Fraction:
    if x < 0:
        raise ValueError
    with _precise():
        return Fraction(_decimal(x).sqrt())


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


@contextmanager
def _precise(more: int = 0) -> Iterator[Context]:
    context = Context(DIGITS + _SPARE + more, Emax=MAX_EMAX, Emin=MIN_EMIN)
    with localcontext(context) as entered:
        yield entered


FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    function.__name__: function
    for function in (
        *(exp, expm1, log, log1p, sinh, cosh, tanh, asinh, acosh, atanh),
        *(sin, cos, tan, asin, acos, atan, atan2),
    )
}
