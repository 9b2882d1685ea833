"""Reads the arguments of a call as models really send them. Pure.

1. No arguments come as "", null, "" in quotes or []; an object may come as a JSON text in quotes.
2. Inside, a list or an object may come as a JSON text, an object as null, "" or [], and what may be
   left out as null. Such a value is mended only where the schema refuses it as it is, and only if
   all of the arguments fit then: a text that is due stays a text.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from .errors import ToolError
from .strict_json import value_of

MAX_ROUNDS = 4
"""Of mending: JSON in a text may hold mistyped values again."""
_NOTHING: tuple[Any, ...] = (None, "", [])

Place = Sequence[str | int]
Problem = tuple[Place, bool]
"""Where a value doesn't fit, and whether an object is due there."""


def parse_json_object(text: str) -> dict[str, Any]:
    """The JSON object that a call's arguments are. Raises ToolError in words for the model."""
    try:
        value = value_of(text or "{}")
    except ValueError as error:
        raise ToolError(
            f"the arguments are not valid JSON ({error}); send one JSON object"
        ) from None
    if isinstance(value, str):
        inner = _container_in(value)
        value = value if inner is None else inner
    if value in _NOTHING:
        return {}
    if not isinstance(value, dict):
        raise ToolError(f"the arguments are a JSON {type(value).__name__}; send one JSON object")
    return value


def mended(
    given: dict[str, Any], find_problems: Callable[[dict[str, Any]], Sequence[Problem]]
) -> Iterator[dict[str, Any]]:
    """The arguments with what doesn't fit mended, step by step; the caller tries each."""
    for _ in range(MAX_ROUNDS):
        before = given
        given = deepcopy(given)
        for place, object_is_due in find_problems(before):
            _mend(given, place, object_is_due)
        if given == before:
            return
        yield given


def _mend(value: Any, place: Place, object_is_due: bool) -> None:
    """Mend the value at this place, or at the last part of it that is there."""
    owner: Any = None
    key: str | int = ""
    for part in place:
        if not _has(value, part):
            continue  # a validator's own word, for one choice of several
        owner, key, value = value, part, value[part]
    if owner is None:
        return
    if isinstance(value, str) and value.strip():
        inner = _container_in(value)
        if inner is not None:
            owner[key] = inner
    elif object_is_due and value in _NOTHING:
        owner[key] = {}
    elif value is None and isinstance(owner, dict):
        del owner[key]


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _container_in(text: str) -> Any:
    """The list or object that a text holds as JSON; None if it holds none."""
    try:
        value = value_of(text)
    except ValueError:
        return None
    return value if isinstance(value, list | dict) else None
