"""The check of a tool that is made from a JSON Schema: its arguments fit the schema, or the model is told why not.

1. What is mistyped is coerced as `@tool` coerces it ("3" for 3, JSON text for a list), where nothing is lost.
2. Nothing is fetched: a reference to another document makes the schema no schema.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import jsonschema_rs

from .context import Arguments, Check
from .errors import ToolError, UsageError
from .strict_json import value_of

MOST_TOLD = 10
MOST_TOLD_CHARS = 300
MOST_ROUNDS = 4
"""JSON in a text may hold what is mistyped again."""
_EXACT = 2**53
"""Whole numbers up to here are the same as a float."""

_ORDER = ("integer", "number", "boolean", "string", "array", "object")
"""Tried in turn, where a schema allows several types."""
_Change = tuple[Sequence[str | int], Any]
_kinds = jsonschema_rs.ValidationErrorKind


def make_check(name: str, parameters: dict[str, Any]) -> Check:
    """The check of the tool of that name. Raises UsageError where its parameters are no JSON Schema."""
    validator = _validator(name, parameters)
    known = ", ".join(parameters.get("properties", ()))

    def check(given: dict[str, Any]) -> Arguments:
        value, errors = _fitted(validator, given)
        if errors:
            takes = f"; it takes: {known}" if known else ""
            raise ToolError(f"bad arguments: {_told(errors)}{takes}")
        return {key: _whole(each) for key, each in value.items()}

    return check


def _validator(name: str, parameters: dict[str, Any]) -> jsonschema_rs.Validator:
    try:
        schema = json.loads(json.dumps(parameters, allow_nan=False))
        return jsonschema_rs.validator_for(schema, mask="the value", offline=True)
    except jsonschema_rs.ValidationError as error:
        reason = f"{_place(error.instance_path, 'the schema')}: {error.message}"
    except (jsonschema_rs.ReferencingError, ValueError, TypeError, RecursionError) as error:
        reason = str(error)
    raise UsageError(
        f"tool {name!r}: its parameters are no JSON Schema: {reason[:MOST_TOLD_CHARS]}"
    )


def _fitted(
    validator: jsonschema_rs.Validator, given: dict[str, Any]
) -> tuple[dict[str, Any], list[jsonschema_rs.ValidationError]]:
    """The value with what is mistyped coerced, and what is still wrong with it."""
    errors = list(validator.iter_errors(given))
    for _ in range(MOST_ROUNDS):
        changes = [change for error in errors for change in _changes(error, given) or ()]
        if not changes:
            break
        given = deepcopy(given)
        for path, new in changes:
            _at(given, path[:-1])[path[-1]] = new
        errors = list(validator.iter_errors(given))
    return given, errors


def _changes(error: jsonschema_rs.ValidationError, value: Any) -> list[_Change] | None:
    """What would right this error; None where nothing would."""
    match error.kind:
        case _kinds.Type(types=types):
            return _coerced(error.instance_path, _at(value, error.instance_path), types)
        case _kinds.AnyOf(context=choices) | _kinds.OneOfNotValid(context=choices):
            for choice in choices:  # the first that nothing else is wrong with
                found = [_changes(each, value) for each in choice]
                if all(found):
                    return [change for each in found for change in each or ()]
    return None


def _coerced(path: Sequence[str | int], given: Any, types: Iterable[str]) -> list[_Change] | None:
    for kind in _ORDER:
        if kind in types:
            try:
                return [(path, _taken(given, kind))]
            except ValueError:
                continue
    return None


def _taken(given: Any, kind: str) -> Any:
    """The value as that type of JSON. Raises ValueError."""
    if kind in ("array", "object"):
        value = value_of(given) if isinstance(given, str) else None
        if not isinstance(value, list if kind == "array" else dict):
            raise ValueError
        return value
    return _adapter(kind).validate_python(given)


@functools.cache
def _adapter(kind: str) -> Any:
    from pydantic import (  # only what is mistyped needs it; then it is coerced as by @tool
        ConfigDict,
        TypeAdapter,
    )

    types: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "string": str}
    return TypeAdapter(
        types[kind], config=ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)
    )


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _whole(value: Any) -> Any:
    """As JSON Schema has it, 3.0 is an integer; so the function gets one."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if whole else value


def _told(errors: Sequence[jsonschema_rs.ValidationError]) -> str:
    """What is wrong and where, in words for the model, and nothing of what it sent but keys."""
    said = [
        f"{_place(each.instance_path, 'arguments')}: {_reason(each)}"[:MOST_TOLD_CHARS]
        for each in errors
    ]
    more = [f"and {len(said) - MOST_TOLD} more"] if len(said) > MOST_TOLD else []
    return "; ".join(said[:MOST_TOLD] + more)


def _reason(error: jsonschema_rs.ValidationError) -> str:
    match error.kind:
        case _kinds.AnyOf(context=choices) | _kinds.OneOfNotValid(context=choices):
            return ", or ".join(_reason(choice[0]) for choice in choices if choice)
    return error.message


def _place(path: Sequence[str | int], whole: str) -> str:
    return ".".join(map(str, path)) or whole
