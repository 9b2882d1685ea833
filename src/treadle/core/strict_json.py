"""Reads JSON as RFC 8259 defines it, in one way only. Pure.

All that decides about a call (its check, approval rules, repetitions, what a person is shown) reads
its arguments here: two readers that differ would judge one value and run another. Refused are NaN
and infinities, a key that comes twice, half a surrogate pair, text after the value, endless nesting
and endless numbers.
"""

import json
import math
from typing import Any

import msgspec

MAX_DEPTH = 100
"""Of lists and objects inside each other."""
MAX_DIGITS = 300
"""Of a whole number: about as many as a float can have."""


def value_of(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, which repeats nothing of the text but a key."""
    value = _quick_value(text) if len(text) <= MAX_DIGITS else None
    if value is not None:
        return value
    try:
        value = _DECODER.decode(text)
        if not text.isascii() or "\\u" in text:  # nothing else can make half a pair
            msgspec.json.encode(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair alone is no text") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_depth(value)
    return value


def _quick_value(text: str) -> dict[str, Any] | None:
    """The value, if it is an object that all readers of JSON read alike; it is four times faster.

    As many colons as keys: then no key comes twice, and no object is inside another.
    """
    try:
        value: Any = _decode(text)
    except (ValueError, RecursionError):
        return None
    is_flat = type(value) is dict and text.count(":") == len(value)
    if is_flat and _ALIKE.issuperset(map(type, value.values())):
        return value  # type: ignore[no-any-return]
    return None


def _refuse_depth(value: Any) -> None:
    depth = 0
    level = _containers_in([value])
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        level = [inner for each in level for inner in _containers_in(each)]


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    keys = [key for key, _ in pairs]
    twice = next(key for key in value if keys.count(key) > 1)
    raise ValueError(f"the key {twice[:100]!r} comes twice in one object")


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _read_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _containers_in(value: Any) -> list[Any]:
    """The lists and objects directly inside this one."""
    values = value.values() if isinstance(value, dict) else value
    return [each for each in values if isinstance(each, dict | list)]


_decode = msgspec.json.Decoder().decode
_ALIKE = frozenset((str, int, bool, type(None)))
"""Types of values, in a short text, that all readers of JSON take alike."""
_TOO_DEEP = f"it is nested more than {MAX_DEPTH} deep"
_DECODER = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_float=_read_float,
    parse_int=_read_int,
    parse_constant=_refuse_constant,
)
