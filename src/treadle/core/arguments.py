"""Reads the arguments of a call as models really send them, and as people edit them. Pure.

1. No arguments come as "", null, "" in quotes or []; an object may come as a JSON text in quotes.
2. Inside, a list or an object may come as a JSON text, an object as null, "" or [], and what may be
   left out as null. Such a value is mended only where the schema refuses it as it is, and only if
   all of the arguments fit then: a text that is due stays a text.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from .errors import ToolError, UsageError
from .strict_json import value_of

MAX_ROUNDS = 4
"""Of mending or coercion: JSON in a text may hold mistyped values again."""
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


def refuse_other_shape(call_id: str, asked: str, edited: str) -> None:
    """Raise UsageError for a person's edit, as JSON, that can't stand for the arguments asked for.

    Of a flow's step, or an agent's call in a flow: their types are known to the flow's code only,
    which need not be there when a person decides. So an edit may change values, and neither their
    names nor their kinds in JSON.
    """
    before = value_of(asked)
    try:
        after = value_of(edited)
    except ValueError as error:
        raise UsageError(f"those arguments of call {call_id} are no JSON: {error}") from None
    if not isinstance(after, dict) or after.keys() != before.keys():
        raise UsageError(
            f"an edit of call {call_id} is a JSON object with {', '.join(before) or 'nothing'},"
            f" as it was asked for, not {edited}"
        )
    for name, value in after.items():
        if _kind_of(value) != _kind_of(before[name]) and None not in (value, before[name]):
            raise UsageError(
                f"{name} of call {call_id} was {_kind_of(before[name])}, and the edit makes it"
                f" {_kind_of(value)}"
            )


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "null"
