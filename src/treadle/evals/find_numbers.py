"""Finds the numbers in a text, as people and models write them. Pure.

1. A comma, a point, a space (also a narrow or a hard one), an apostrophe or an underscore separates
   groups of three digits, the same sign in the whole number: 2,847 is 2847, and 1 234,5 and 1.234,5
   are 1234.5.
2. Otherwise a point or a comma is the decimal sign: 427.05 and 427,05 are the same.
3. An ambiguous number has both readings: 2,847 is also 2.847, 1.234 also 1234, and "100 200" also
   100 and 200.
4. A minus sign counts if no letter, digit or bracket stands before it: "-3", but "7-3" has 7 and 3.
5. An exponent counts (1.5e3); a percent sign, a currency or a unit does not: 15% and 15kg have 15.
6. Digits after a letter (Q3, x86) are no number, nor are more than 40 digits.
"""

import re
from decimal import Decimal

MAX_CHARS = 100_000
"""How much of a text is read."""
MAX_DIGITS = 40

_NUMBER = re.compile(
    r"(?<!\w)(?<!\d[.,])(?P<sign>(?<![)\]])[-+\u2212])?"
    r"(?:(?P<groups>\d{1,3}(?P<part>[,.'_ \u2019\u00a0\u2009\u202f])\d{3}(?:(?P=part)\d{3})*)"
    r"(?P<tail>(?!(?P=part))[.,]\d+)?|(?P<plain>\d+(?:[.,]\d+)?|\.\d+))(?!\d)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?!\d))?"
)


def find_numbers(text: str) -> tuple[Decimal, ...]:
    """Every number in the text, in order, with each of its readings once."""
    found: dict[tuple[int, Decimal], None] = {}
    for match in _NUMBER.finditer(text[:MAX_CHARS]):
        if sum(char.isdigit() for char in match[0]) > MAX_DIGITS:
            continue
        for reading in _readings(match):
            value = Decimal(f"{reading}e{match['exponent'] or 0}")
            if match["sign"] in ("-", "\u2212"):
                value = -value
            found[match.start(), value] = None
    return tuple(value for _, value in found)


def _readings(match: re.Match[str]) -> list[str]:
    """What the digits can mean, with a point as decimal sign."""
    if match["plain"]:
        return [match["plain"].replace(",", ".")]
    groups = match["groups"].split(match["part"])
    tail = (match["tail"] or "").replace(",", ".")
    whole = "".join(groups) + tail
    if match["part"] == " ":
        return [*groups[:-1], groups[-1] + tail, whole]
    if match["part"] in ",." and len(groups) == 2 and not tail:
        decimal = ".".join(groups)
        return [decimal] if groups[0] == "0" else [whole, decimal]
    return [whole]
