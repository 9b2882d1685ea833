"""Compares a value with what came back for it from the log. Pure.

Equal isn't enough: True == 1 and (1, 2) == Point(1, 2), but code can tell them apart. The one
exception is a whole number that comes back as an equal float, where a float is declared.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

_ATOMS = (str, int, float, bool, NoneType)
_TEXTS = (str, int, bool, NoneType)


def find_difference(was: Any, now: Any) -> str:
    """The first place where they differ, in words; "" if they are the same."""
    waiting: list[tuple[Any, Any, Any]] = [(was, now, None)]
    while waiting:
        one, other, place = waiting.pop()
        kind = type(one)
        if kind is type(other) and kind in _ATOMS and one == other:
            continue
        found = _difference_here(one, other)
        if found:
            return f"{_in_words(place)}it {found}"
        pairs = _parts(one)
        if pairs:
            others = dict(_parts(other))
            waiting += [(part, others[key], (place, key)) for key, part in reversed(pairs)]
    return ""


def contains(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether the value is, or holds at any depth, one for which the test is true."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if test(each):
            return True
        waiting += [part for _, part in _parts(each) if type(part) not in _TEXTS]
    return False


def is_set(value: Any) -> bool:
    """Whether its items come in another order in each process."""
    return isinstance(value, set | frozenset)


def is_not_finite(value: Any) -> bool:
    """Whether it is NaN or an infinity."""
    return isinstance(value, float) and not math.isfinite(value)


def _in_words(place: Any) -> str:
    """Where something is, from the keys that lead to it, the last one first."""
    keys = []
    while place:
        place, key = place
        keys.append(f"[{key!r}]")
    if not keys:
        return ""
    return f"at {''.join(reversed(keys))} "


def _difference_here(was: Any, now: Any) -> str:
    """How these two differ themselves, whatever is in them."""
    other_value: Any = now  # of the same type, once that is known
    name, other = type(was).__name__, type(now).__name__
    if is_not_finite(was) and now is None:
        return "is NaN or an infinity, which JSON has not"
    if type(was) is int and type(now) is float and was == now:
        return ""
    if type(was) is not type(now):
        return f"is a {name}, and would come back as a {other}"
    if isinstance(was, list | tuple) and len(was) != len(other_value):
        return f"is a {name} of {len(was)} items, and would come back with {len(other_value)}"
    if isinstance(was, dict) and not _same_keys(was, other_value):
        return f"is a {name} whose keys would come back as others, such as texts for numbers"
    if isinstance(was, set | frozenset) and not _same_items(was, other_value):
        return f"is a {name} whose items would come back as others"
    if not _same_leaf(was, now):
        return f"is a {name}, and would come back as another one"
    return ""


def _same_keys(was: dict[Any, Any], now: dict[Any, Any]) -> bool:
    kinds = {key: type(key) for key in now}
    return was.keys() == now.keys() and all(type(key) is kinds[key] for key in was)


def _same_items(was: Iterable[Any], now: Iterable[Any]) -> bool:
    return was == now and sorted(map(_named, was)) == sorted(map(_named, now))


def _named(value: Any) -> str:
    return type(value).__name__


def _same_leaf(was: Any, now: Any) -> bool:
    """Whether two values of one type are equal, apart from the parts that are compared alone."""
    if isinstance(was, float) and math.isnan(was):
        return math.isnan(now)
    if isinstance(was, Decimal):
        return str(was) == str(now)  # 1.0 and 1.00 are equal, and are printed differently
    if isinstance(was, datetime | time):
        return bool(was == now and was.utcoffset() == now.utcoffset())
    if isinstance(was, dict | list | tuple):
        return True
    if _names_of_parts(was):
        return sorted(_names_of_parts(was)) == sorted(_names_of_parts(now))
    return bool(was == now)


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return [(name, getattr(value, name, None)) for name in _names_of_parts(value)]


def _names_of_parts(value: Any) -> Iterable[str]:
    """The attributes of an object that is a record of named values, in their order."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if is_dataclass(value):
        return dict.fromkeys(each.name for each in fields(value)) | getattr(value, "__dict__", {})
    if hasattr(value, "__pydantic_fields_set__"):
        extra = ("__pydantic_extra__", "__pydantic_private__")
        return [*value.__dict__, *extra]
    return ()
