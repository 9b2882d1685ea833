"""Python's own values that JSON has not, as JSON objects that name their type. Pure.

The tuple (1, 2) is {"$": "tuple", "of": [1, 2]}. A step's result is written so where no annotation
says as what it comes back: the step has run, so it is too late to refuse it.
"""

import base64
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

MARK = "$"
Writer = Callable[[Any], Any]

_WRITERS: dict[type, tuple[Writer, Writer]] = {
    tuple: (lambda value: [mark(each) for each in value], tuple),
    set: (lambda value: [mark(each) for each in value], set),
    frozenset: (lambda value: [mark(each) for each in value], frozenset),
    dict: (lambda value: [[mark(key), mark(value[key])] for key in value], dict),
    float: (repr, float),
    complex: (str, complex),
    bytes: (lambda value: base64.b64encode(value).decode(), base64.b64decode),
    Decimal: (str, Decimal),
    UUID: (str, UUID),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    date: (date.isoformat, date.fromisoformat),
    time: (time.isoformat, time.fromisoformat),
    timedelta: (lambda value: [value.days, value.seconds, value.microseconds], timedelta),
}
"""By type, how its values are written and read."""
_BY_NAME = {kind.__name__: kind for kind in _WRITERS}


def mark(value: Any) -> Any:
    """The value as JSON types only. Raises TypeError for a type that isn't in the table."""
    kind = type(value)
    if kind in (str, bool, int, type(None)) or (kind is float and math.isfinite(value)):
        return value
    if kind is list:
        return [mark(each) for each in value]
    if kind is dict and MARK not in value and {*map(type, value)} <= {str}:
        return {key: mark(each) for key, each in value.items()}
    if kind not in _WRITERS:
        raise TypeError(f"a {kind.__name__} has no JSON form")
    write, _ = _WRITERS[kind]
    return {MARK: kind.__name__, "of": write(value)}


def unmark(value: Any) -> Any:
    if isinstance(value, list):
        return [unmark(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {key: unmark(each) for key, each in value.items()}
    kind = _BY_NAME.get(plain.get(MARK, ""))
    if kind is None:
        return plain
    _, read = _WRITERS[kind]
    if kind is timedelta:
        return timedelta(*plain["of"])
    return read(plain["of"])
