"""From a function's signature and docstring: the JSON Schema, and the check of what the model sends."""

import cmath
import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import docstring_parser
import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from .context import Arguments, Check, Context
from .errors import ToolError, UsageError


@dataclass(frozen=True)
class Signature:
    """All that `@tool` learns from a function."""

    name: str
    description: str
    parameters: dict[str, Any]
    check: Check
    context: str


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a function. Raises UsageError where a parameter can't be a JSON property, and says which."""
    inner = getattr(function, "func", function)
    name = getattr(inner, "__name__", type(inner).__name__)
    hints = _hints(inner, name)
    doc = docstring_parser.parse(inspect.getdoc(inner) or "")
    described = {param.arg_name: param.description for param in doc.params}
    context = ""
    fields: dict[str, Any] = {}
    for parameter in _parameters(function, name):
        hint = hints.get(parameter.name, Any)
        if hint is Context:
            context = parameter.name
            continue
        if parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise UsageError(
                f"tool {name!r}: parameter {parameter} has no name in JSON; make it a plain or keyword one"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        # By alias: pydantic keeps names such as `json` and `_x` for itself, and a tool may well have them.
        said: dict[str, Any] = {"alias": parameter.name}
        if described.get(parameter.name):
            said["description"] = described[parameter.name]
        fields[f"p_{parameter.name}"] = (hint, Field(default, **said))
    description = "\n\n".join(
        text for text in (doc.short_description, doc.long_description) if text
    )
    try:
        config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
        model = create_model(name, __config__=config, **fields)
        schema = _bare(model.model_json_schema())
    except (PydanticUserError, TypeError) as error:
        raise UsageError(f"tool {name!r}: its signature has no JSON Schema: {error}") from error
    return Signature(name, description or name, schema, _check(model), context)


def describe_validation_error(error: ValidationError) -> str:
    """A validation error in words for the model: what is wrong, where, and nothing of what it sent."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'arguments'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _check(model: type[BaseModel]) -> Check:
    names = [key.removeprefix("p_") for key in model.model_fields]

    def check(given: dict[str, Any]) -> Arguments:
        try:
            # As JSON again: strict types take a date's text only there.
            parsed = model.model_validate_json(msgspec.json.encode(given))
        except ValidationError as error:
            known = f"; it takes: {', '.join(names)}" if names else "; it takes none"
            raise ToolError(f"bad arguments: {describe_validation_error(error)}{known}") from None
        sent = {
            key: getattr(parsed, f"p_{key}")
            for key in names
            if f"p_{key}" in parsed.model_fields_set
        }
        wrong = [key for key, value in sent.items() if not _finite(value)]
        if wrong:
            raise ToolError(f"bad arguments: {', '.join(wrong)}: a number must be finite")
        return {key: getattr(parsed, f"p_{key}") for key in names}

    return check


def _finite(value: Any) -> bool:
    """Whether no NaN and no infinity is in it, made of a text such as "nan" by a type that takes those.

    Approval rules compare numbers, and NaN is greater than nothing.
    """
    waiting, seen = [value], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, float | complex) and not cmath.isfinite(each):
            return False
        if id(each) not in seen:
            seen.add(id(each))
            waiting += _inside(each)
    return True


def _inside(value: Any) -> Iterable[Any]:
    """What is right inside a value, but for defaults that weren't sent: what those are is the tool's business."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, BaseModel):
        return [getattr(value, name) for name in value.model_fields_set]
    if is_dataclass(value):
        said = [(getattr(value, each.name, None), each.default) for each in fields(value)]
        return [each for each, default in said if each is not default]
    return ()


def _parameters(function: Callable[..., Any], name: str) -> Iterable[inspect.Parameter]:
    try:
        return inspect.signature(function).parameters.values()
    except (ValueError, TypeError) as error:  # e.g. some builtins have none
        raise UsageError(f"tool {name!r}: its signature can't be read: {error}") from error


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(
            function if inspect.isroutine(function) else type(function).__call__,
            include_extras=True,
        )
    except NameError as error:
        raise UsageError(f"tool {name!r}: an annotation can't be read: {error}") from error


def _bare(schema: Any) -> Any:
    """Without the titles that pydantic adds: they say nothing and cost tokens. A property named `title` stays.

    Without defaults that JSON can't say, too.
    """
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _bare(value) for name, value in part.items()}
        if key in ("properties", "$defs")
        else _bare(part)
        for key, part in schema.items()
        if not (key == "title" and isinstance(part, str))
        and not (key == "default" and not _finite(part))
    }
