"""Refuses decimal numbers that have lost digits on their way from a JSON text. Pure.

Readers of JSON make floats of numbers with a point, which keep 17 digits at most. As texts they
come whole.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import TypeVar

T = TypeVar("T")
_MAY_LOSE = re.compile(r"\d[\d.]{16}")


def refuse_rounded(text: str, value: T) -> T:
    """The value that was made of this JSON text. Raises ValueError if it has a rounded Decimal."""
    if not _MAY_LOSE.search(text):  # as nearly always
        return value
    from .schema import values_within

    rounded = {Decimal(repr(float(each))): each for each in _floats_in(text)}
    for each in values_within(value):
        if isinstance(each, Decimal) and each in rounded and Decimal(rounded[each]) != each:
            raise ValueError(
                f"{rounded[each]} has too many digits for a number of JSON; write it as a text,"
                f' "{rounded[each]}"'
            )
    return value


def _floats_in(text: str) -> Iterator[str]:
    """The numbers with a point or an exponent as they are written, also of JSON within texts."""
    from .schema import values_within

    written: list[str] = []
    value = json.loads(text, parse_float=written.append)
    yield from written
    for each in values_within(value):
        if isinstance(each, str) and _MAY_LOSE.search(each):
            with suppress(ValueError, RecursionError):
                yield from _floats_in(each)
