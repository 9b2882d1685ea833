"""Reads what a function's parameters say of themselves: types, defaults, bounds, descriptions.

1. A default may be pydantic's `Field(default=5, ge=1)`: its bounds and description count too.
2. A text in `Annotated[str, "What to look for"]` is a description, at any depth of the type.
3. An Iterable is a list: pydantic would check its items one by one, as the tool takes them.
"""

import inspect
import types
import typing
from collections.abc import Iterable
from types import GenericAlias
from typing import Annotated, Any

from pydantic import Field
from pydantic.fields import FieldInfo

_UNIONS = (typing.Union, types.UnionType)
_CONTAINERS = (list, dict, set, frozenset, tuple)


def make_field(parameter: inspect.Parameter, hint: Any, described: str) -> Any:
    """Type and default of a pydantic field for this parameter; `described` is the docstring's word.

    A description that stands beside the type is nearer, so it wins.
    """
    hint = _read_parts(hint)
    default = parameter.default
    info = FieldInfo.from_annotation(hint)
    if isinstance(default, FieldInfo):
        info = FieldInfo.from_annotated_attribute(hint, default)
        hint = Annotated[hint, default]
    settings: dict[str, Any] = {}
    if not info.alias and not info.validation_alias:
        settings["alias"] = parameter.name
    if described and not info.description:
        settings["description"] = described
    if default is not parameter.empty and not isinstance(default, FieldInfo):
        settings["default"] = default
    return (hint, Field(**settings))


def _read_parts(hint: Any) -> Any:
    """The type with each text in an Annotated as a description, and lists for iterables.

    Also inside lists and unions.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        first, *rest = arguments
        extras = tuple(_as_description(each) for each in rest)
        return Annotated[(_read_parts(first), *extras)]
    if origin in _UNIONS:
        return typing.Union[tuple(map(_read_parts, arguments))]  # noqa: UP007 -- of a tuple
    if Iterable in (origin, hint):
        return _read_parts(GenericAlias(list, arguments or (Any,)))
    if isinstance(hint, GenericAlias) and origin in _CONTAINERS:
        container: Any = origin
        return container[tuple(_read_parts(each) for each in arguments)]
    return hint


def _as_description(extra: Any) -> Any:
    """pydantic's form of a description: a text, or `Doc` of PEP 727."""
    text = getattr(extra, "documentation", extra)
    if isinstance(text, str):
        return Field(description=text)
    return extra
