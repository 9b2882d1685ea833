"""Reads JSON as RFC 8259 has it, in one way only. Pure.

Whatever decides about a call (its check, approval rules, repetitions, what a person is shown) reads its arguments here:
two readers that differ would judge one value and run another. Refused are NaN and the infinities, a key that comes
twice, half a surrogate pair, text behind the value, nesting and numbers without end.
"""

import json
import math
from typing import Any

import msgspec

MOST_DEEP = 100
"""Lists and objects in one another."""
MOST_DIGITS = 300
"""Of a whole number: as many as a float can have."""


def value_of(text: str) -> Any:
    """The value that the text is. Raises ValueError, with the reason and nothing of the text but a key."""
    try:
        value = _DECODER.decode(text)
        msgspec.json.encode(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair alone is no text") from None
    level, depth = _within([value]), 0
    while level:
        depth += 1
        if depth > MOST_DEEP:
            raise ValueError(_TOO_DEEP)
        level = [inner for each in level for inner in _within(each)]
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in made if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:100]!r} comes twice in one object")
    return made


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return int(text)


def _never(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _within(value: Any) -> list[Any]:
    """The lists and objects right inside this one."""
    values = value.values() if isinstance(value, dict) else value
    return [each for each in values if isinstance(each, dict | list)]


_TOO_DEEP = f"it is nested more than {MOST_DEEP} deep"
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_whole, parse_constant=_never
)
