"""Finds numbers that no rule can go by: NaN, infinities, decimals that have lost digits. Pure.

Readers of JSON make floats of numbers with a point, which keep 17 digits at most. As texts they
come whole.
"""

import cmath
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")
_MAY_LOSE = re.compile(r"\d[\d.]{16}")


def refuse_rounded(text: str, value: T) -> T:
    """The value that was made of this JSON text. Raises ValueError if it has a rounded Decimal."""
    if not _MAY_LOSE.search(text):  # as nearly always
        return value
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
    written: list[str] = []
    value = json.loads(text, parse_float=written.append)
    yield from written
    for each in values_within(value):
        if isinstance(each, str) and _MAY_LOSE.search(each):
            with suppress(ValueError, RecursionError):
                yield from _floats_in(each)


def is_finite(value: Any) -> bool:
    """Whether the value holds no NaN and no infinity.

    Some types make one from a text such as "nan". Approval rules compare numbers, and every
    comparison with NaN is false.
    """
    for each in values_within(value):
        if isinstance(each, float | complex) and not cmath.isfinite(each):
            return False
    return True


def values_within(value: Any) -> Iterator[Any]:
    """The value itself and all that it holds, without the tool's own defaults."""
    waiting = [value]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        yield each
        if id(each) not in seen:
            seen.add(id(each))
            waiting += _values_in(each)


def _values_in(value: Any) -> Iterable[Any]:
    """The values directly inside this one, without the tool's own defaults."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    given = getattr(value, "model_fields_set", None)
    if isinstance(given, set):  # of a pydantic model
        return [getattr(value, name) for name in given]
    if is_dataclass(value):
        pairs = [(getattr(value, each.name, None), each.default) for each in fields(value)]
        return [each for each, default in pairs if each is not default]
    return ()
