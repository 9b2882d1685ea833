"""The check of a tool that is made from a JSON Schema. Pure.

1. Mistyped values are coerced as `@tool` does ("3" to 3, JSON text to a list), if nothing is lost.
2. Nothing is fetched: a schema that refers to another document is refused.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import jsonschema_rs

from .arguments import MAX_ROUNDS, Problem, mended
from .context import Arguments, Check
from .errors import ToolError, UsageError
from .strict_json import value_of

MAX_PROBLEMS = 10
"""How many the model is told of at once."""
MAX_PROBLEM_CHARS = 300
_EXACT = 2**53
"""Whole numbers up to here are the same as a float."""

_TYPE_ORDER = ("integer", "number", "boolean", "string", "array", "object")
"""Tried in turn, where a schema allows several types."""
_Change = tuple[Sequence[str | int], Any]
"""The path of a value, and what to put there."""
_kinds = jsonschema_rs.ValidationErrorKind


def make_check(name: str, parameters: dict[str, Any]) -> Check:
    """The check for that tool. Raises UsageError if its parameters are no JSON Schema."""
    validator = _make_validator(name, parameters)
    known = ", ".join(parameters.get("properties", ()))

    def check(given: dict[str, Any]) -> Arguments:
        value, errors = _coerce(validator, given)
        if errors:
            for candidate in mended(given, lambda value: _find_problems(validator, value)):
                fitting, left = _coerce(validator, candidate)
                if not left:
                    value, errors = fitting, left
                    break
        if errors:
            takes = f"; it takes: {known}" if known else ""
            raise ToolError(f"bad arguments: {_describe(errors)}{takes}")
        return {key: _with_whole_numbers(each) for key, each in value.items()}

    return check


def _find_problems(validator: jsonschema_rs.Validator, value: dict[str, Any]) -> list[Problem]:
    return [(each.instance_path, _is_object_due(each)) for each in validator.iter_errors(value)]


def _is_object_due(error: jsonschema_rs.ValidationError) -> bool:
    match error.kind:
        case _kinds.Type(types=types):
            return "object" in types
        case _kinds.AnyOf(context=choices) | _kinds.OneOfNotValid(context=choices):
            here = [each for choice in choices for each in choice]
            return any(
                each.instance_path == error.instance_path and _is_object_due(each) for each in here
            )
    return False


def _make_validator(name: str, parameters: dict[str, Any]) -> jsonschema_rs.Validator:
    try:
        schema = json.loads(json.dumps(parameters, allow_nan=False))
        return jsonschema_rs.validator_for(schema, mask="the value", offline=True)
    except jsonschema_rs.ValidationError as error:
        reason = f"{_place(error.instance_path, 'the schema')}: {error.message}"
    except (jsonschema_rs.ReferencingError, ValueError, TypeError, RecursionError) as error:
        reason = str(error)
    raise UsageError(
        f"tool {name!r}: its parameters are no JSON Schema: {reason[:MAX_PROBLEM_CHARS]}"
    )


def _coerce(
    validator: jsonschema_rs.Validator, value: dict[str, Any]
) -> tuple[dict[str, Any], list[jsonschema_rs.ValidationError]]:
    """The value with mistyped parts coerced, and what is still wrong with it."""
    errors = list(validator.iter_errors(value))
    for _ in range(MAX_ROUNDS):
        changes: list[_Change] = []
        for error in errors:
            changes += _find_changes(error, value)
        if not changes:
            break
        value = deepcopy(value)
        for path, new in changes:
            _value_at(value, path[:-1])[path[-1]] = new
        errors = list(validator.iter_errors(value))
    return value, errors


def _find_changes(error: jsonschema_rs.ValidationError, value: Any) -> list[_Change]:
    """The changes that would correct this error; none if nothing would."""
    match error.kind:
        case _kinds.Type(types=types):
            path = error.instance_path
            return _find_coercion(path, _value_at(value, path), types)
        case _kinds.AnyOf(context=choices) | _kinds.OneOfNotValid(context=choices):
            for choice in choices:
                changes = [_find_changes(each, value) for each in choice]
                if all(changes):  # the first choice with no other error
                    return [change for each in changes for change in each]
    return []


def _find_coercion(path: Sequence[str | int], value: Any, types: Iterable[str]) -> list[_Change]:
    for kind in _TYPE_ORDER:
        if kind in types:
            try:
                return [(path, _coerce_to(kind, value))]
            except ValueError:
                continue
    return []


def _coerce_to(kind: str, value: Any) -> Any:
    """The value as that JSON type. Raises ValueError."""
    if kind not in ("array", "object"):
        return _adapter(kind).validate_python(value)
    wanted = list if kind == "array" else dict
    inner = value_of(value) if isinstance(value, str) else None
    if not isinstance(inner, wanted):
        raise ValueError
    return inner


@functools.cache
def _adapter(kind: str) -> Any:
    # Only mistyped values need pydantic, which then coerces them as it does for @tool.
    from pydantic import ConfigDict, TypeAdapter

    types: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "string": str}
    config = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)
    return TypeAdapter(types[kind], config=config)


def _value_at(value: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _with_whole_numbers(value: Any) -> Any:
    """3.0 as 3 everywhere: for JSON Schema it is an integer, so the function gets one."""
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _describe(errors: Sequence[jsonschema_rs.ValidationError]) -> str:
    """What is wrong, and where, in words for the model, without anything that it sent but keys."""
    problems = []
    for each in errors[:MAX_PROBLEMS]:
        problem = f"{_place(each.instance_path, 'arguments')}: {_reason(each)}"
        problems.append(problem[:MAX_PROBLEM_CHARS])
    if len(errors) > MAX_PROBLEMS:
        problems.append(f"and {len(errors) - MAX_PROBLEMS} more")
    return "; ".join(problems)


def _reason(error: jsonschema_rs.ValidationError) -> str:
    match error.kind:
        case _kinds.AnyOf(context=choices) | _kinds.OneOfNotValid(context=choices):
            return ", or ".join(_reason(choice[0]) for choice in choices if choice)
    return error.message


def _place(path: Sequence[str | int], whole: str) -> str:
    return ".".join(map(str, path)) or whole
