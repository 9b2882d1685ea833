"""The numbers in a text, as people and models write them. Pure.

1. A comma, a point, a space (also a narrow or a hard one), an apostrophe or an underscore, always the same one, parts
   groups of three digits: 2,847 is 2847, 1 234,5 and 1.234,5 are 1234.5.
2. Else a point or a comma is the decimal sign: 427.05 and 427,05 are the same.
3. What can be read in two ways is: 2,847 also holds 2.847, 1.234 also 1234, and "100 200" also 100 and 200.
4. A minus sign counts where no letter, digit or bracket stands before it: "-3", but "7-3" holds 7 and 3.
5. An exponent counts (1.5e3); a percent sign, a currency, a unit does not: 15% and 15kg hold 15.
6. Digits after a letter (Q3, x86) are no number, nor is what has more than 40 of them.
"""

import re
from decimal import Decimal

MAX_CHARS = 100_000
"""What is read of a text."""
MAX_DIGITS = 40

_NUMBER = re.compile(
    r"(?<!\w)(?<!\d[.,])(?P<sign>(?<![)\]])[-+\u2212])?"
    r"(?:(?P<groups>\d{1,3}(?P<part>[,.'_ \u2019\u00a0\u2009\u202f])\d{3}(?:(?P=part)\d{3})*)"
    r"(?P<tail>(?!(?P=part))[.,]\d+)?|(?P<plain>\d+(?:[.,]\d+)?|\.\d+))(?!\d)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?!\d))?"
)


def find_numbers(text: str) -> tuple[Decimal, ...]:
    """Every number that can be read in the text, in its order, each reading once where there are several."""
    found: dict[tuple[int, Decimal], None] = {}
    for match in _NUMBER.finditer(text[:MAX_CHARS]):
        if sum(char.isdigit() for char in match[0]) > MAX_DIGITS:
            continue
        for reading in _readings(match):
            value = Decimal(f"{reading}e{match['exponent'] or 0}")
            found[match.start(), -value if match["sign"] in ("-", "\u2212") else value] = None
    return tuple(value for _, value in found)


def _readings(match: re.Match[str]) -> list[str]:
    """What the digits can mean, with a point as decimal sign."""
    if match["plain"]:
        return [match["plain"].replace(",", ".")]
    groups, tail = match["groups"].split(match["part"]), (match["tail"] or "").replace(",", ".")
    whole = "".join(groups) + tail
    if match["part"] == " ":
        return [*groups[:-1], groups[-1] + tail, whole]
    if match["part"] in ",." and len(groups) == 2 and not tail:
        decimal = ".".join(groups)
        return [decimal] if groups[0] == "0" else [whole, decimal]
    return [whole]
