"""Reads a function's signature and docstring: JSON Schema, descriptions, check of arguments."""

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docstring_parser
import msgspec
from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from .arguments import Problem, mended
from .context import Arguments, Check, find_context, name_deps, read_hints
from .errors import ToolError, UsageError
from .exact_numbers import is_finite
from .name_kind import function_name
from .parameters import make_field

_OF_OBJECTS = frozenset(
    ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type")
)
"""pydantic's words for a value that should be an object."""


@dataclass(frozen=True)
class Signature:
    """What `@tool` learns from a function: fields of Tool."""

    name: str
    description: str
    parameters: dict[str, Any]
    check: Check
    context: str
    needs_deps: str
    """The type of the deps that its Context must have; "" where it needs none."""
    given_as: dict[str, str]
    """As `Tool.given_as`."""


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a function. Raises UsageError for a parameter that can't be a JSON property."""
    inner = getattr(function, "func", function)
    name = function_name(function)
    hints = read_hints(inner, f"tool {name!r}")
    doc = docstring_parser.parse(inspect.cleandoc(inner.__doc__ or ""))
    descriptions = {param.arg_name: param.description or "" for param in doc.params}
    context = find_context(hints)
    needs_deps = name_deps(hints.get(context))
    model_fields: dict[str, Any] = {}
    for parameter in _parameters(function, name):
        if parameter.name == context:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(
                f"tool {name!r}: parameter {parameter} has no name in JSON; make it a plain or"
                " keyword one"
            )
        hint = hints.get(parameter.name, Any)
        described = descriptions.get(parameter.name, "")
        # By alias: pydantic keeps names such as `json` and `_x` for itself.
        model_fields[f"p_{parameter.name}"] = make_field(parameter, hint, described)
    description = "\n\n".join(filter(None, (doc.short_description, doc.long_description)))
    try:
        config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
        model = create_model(name, __config__=config, **model_fields)
        schema = _without_noise(model.model_json_schema())
    except (PydanticUserError, TypeError) as error:
        wrong = _find_without_schema(model_fields)
        raise UsageError(
            f"tool {name!r}: {wrong} has a type without a JSON Schema, so no model can give it"
            f"{_say_instead(error)}"
        ) from error
    given_as = _read_aliases(model)
    check = _make_check(model, given_as)
    return Signature(name, description or name, schema, check, context, needs_deps, given_as)


def _read_aliases(model: type[BaseModel]) -> dict[str, str]:
    """By a parameter's name, the one by which a model gives it: an alias of pydantic's, mostly the
    same."""
    found: dict[str, str] = {}
    for key, info in model.model_fields.items():
        alias = info.validation_alias
        if isinstance(alias, AliasChoices):
            alias = alias.choices[0]
        name = key.removeprefix("p_")
        found[name] = alias if isinstance(alias, str) else name
    return found


def _find_without_schema(model_fields: dict[str, Any]) -> str:
    wrong: list[str] = []
    for field, made in model_fields.items():
        try:
            create_model("Parameter", value=made).model_json_schema()
        except (PydanticUserError, TypeError):
            wrong.append(field.removeprefix("p_"))
    if not wrong:
        return "its signature"
    return f"its parameter {', '.join(wrong)}"


def _say_instead(error: Exception) -> str:
    if isinstance(error, PydanticSchemaGenerationError):  # whose words are for pydantic's models
        return ". What the program brings, such as a connection, a tool has by a Context: ctx.deps"
    first, *_ = str(error).split("\n")
    return f": {first}"


def describe_validation_error(error: ValidationError, depth: int = 0) -> str:
    """What is wrong, and where, in words for the model, without anything that it sent.

    `depth` is how many levels outside of the value itself are left out of its places.
    """
    problems = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"][depth:]) or "arguments"
        problems.append(f"{place}: {each['msg']}")
    return "; ".join(problems)


def _make_check(model: type[BaseModel], given_as: Mapping[str, str]) -> Check:
    takes = [*given_as.values()]

    def check(given: dict[str, Any]) -> Arguments:
        parsed = _parse(model, given, takes)
        arguments = {key: getattr(parsed, f"p_{key}") for key in given_as}
        wrong = [
            key
            for key, value in arguments.items()
            if f"p_{key}" in parsed.model_fields_set and not is_finite(value)
        ]
        if wrong:
            raise ToolError(f"bad arguments: {', '.join(wrong)}: a number must be finite")
        return arguments

    return check


def _parse(model: type[BaseModel], given: dict[str, Any], takes: Sequence[str]) -> BaseModel:
    """The arguments as this model, mended where that makes them fit. Raises ToolError."""
    try:
        return _validate(model, given)
    except ValidationError as error:
        for candidate in mended(given, lambda value: _find_problems(model, value)):
            with contextlib.suppress(ValidationError):
                return _validate(model, candidate)
        known = f"; it takes: {', '.join(takes)}" if takes else "; it takes none"
        raise ToolError(f"bad arguments: {describe_validation_error(error)}{known}") from None


def _validate(model: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    # As JSON again: strict types take a date's text only there.
    return model.model_validate_json(msgspec.json.encode(given))


def _find_problems(model: type[BaseModel], given: dict[str, Any]) -> list[Problem]:
    try:
        _validate(model, given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return [(each["loc"], each["type"] in _OF_OBJECTS) for each in found]
    return []


def _parameters(function: Callable[..., Any], name: str) -> Iterable[inspect.Parameter]:
    try:
        return inspect.signature(function).parameters.values()
    except (ValueError, TypeError) as error:  # e.g. some builtins have none
        raise UsageError(f"tool {name!r}: its signature can't be read: {error}") from error


def _without_noise(schema: Any) -> Any:
    """Without pydantic's titles, which cost tokens, and defaults that JSON can't express.

    A property named `title` stays.
    """
    if isinstance(schema, list):
        return [_without_noise(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, part in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: _without_noise(value) for name, value in part.items()}
        elif not _is_noise(key, part):
            kept[key] = _without_noise(part)
    return kept


def _is_noise(key: str, part: Any) -> bool:
    if key == "title":
        return isinstance(part, str)
    return key == "default" and not is_finite(part)
