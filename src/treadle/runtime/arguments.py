"""The arguments of a call as JSON, and back: each reading makes new objects. Pure.

So a function may change what it gets, and the one who called it what he gave: neither sees it of
the other, before a crash as after it.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import GenericAlias
from typing import Any

import msgspec

from ..core.errors import UsageError
from .serialize import (
    NotSerializable,
    describe_error,
    is_readable,
    read_checked,
    read_hints,
    read_value,
    refuse_long,
    write_argument,
)

_OTHERS = "**"
"""The key of the type of those arguments that have no parameter of their own."""


@dataclass(frozen=True)
class WrittenArguments:
    """The arguments of one call, as a JSON object by parameter name."""

    text: str
    kinds: Mapping[str, Any]
    """The type that each is read as."""
    signature: inspect.Signature | None
    """None for builtins that have none."""


def write_arguments(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    context: str = "",
    *,
    marks: bool = False,
) -> WrittenArguments:
    """Write the arguments of a call. `context` is the parameter for the Context, which is left out.

    `marks` as in `write_argument`: for arguments that `read_by_annotations` reads.
    Raises UsageError for arguments that don't fit the function or would come back as others.
    """
    name = getattr(function, "__name__", "the function")
    signature = _signature(function)
    try:
        arguments = _bind(signature, args, kwargs, context)
    except TypeError as error:
        raise UsageError(f"{name}: {error}") from None
    hints = _kinds(function, signature)
    kinds, written = {}, []
    for key, value in arguments.items():
        try:
            text, kinds[key] = write_argument(value, _kind_of(key, hints), marks=marks)
        except NotSerializable as error:
            raise UsageError(
                f"{name}: its arguments are kept in the log as JSON, and {key} can't be: {error}."
                " Annotate the parameter with a type that says how to read it, or give plain data."
                " What isn't data goes into the function by another way: a closure,"
                " functools.partial, a global"
            ) from None
        written.append(f"{msgspec.json.encode(key).decode()}:{text}")
    try:
        whole = refuse_long("{" + ",".join(written) + "}")
    except NotSerializable as error:
        raise UsageError(f"{name}: its arguments are kept in the log, and {error}") from None
    return WrittenArguments(whole, kinds, signature)


def read_arguments(
    written: WrittenArguments, extra: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to call the function with: new objects, and `extra` as it is."""
    return _unbind(written.signature, _read(written) | dict(extra))


def name_arguments(written: WrittenArguments) -> dict[str, Any]:
    """The arguments by the names of the function's parameters, with its defaults: new objects."""
    parameters = written.signature.parameters.values() if written.signature else ()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    return defaults | _read(written)


def _read(written: WrittenArguments) -> dict[str, Any]:
    parts = msgspec.json.decode(written.text, type=dict[str, msgspec.Raw])
    return {
        key: read_value(bytes(part).decode(), written.kinds[key], finite=True, marks=False)
        for key, part in parts.items()
    }


def read_by_annotations(function: Callable[..., Any], text: str) -> dict[str, Any]:
    """The arguments in a JSON object as the types of the function's annotations, by name.

    Raises UsageError for those that it doesn't take, and those that don't fit.
    """
    signature = _signature(function)
    hints = _kinds(function, signature)
    values = {}
    for key, part in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items():
        try:
            values[key] = read_checked(bytes(part).decode(), _kind_of(key, hints))
        except ValueError as error:
            raise UsageError(f"bad arguments: {key}: {describe_error(error)}") from None
    try:
        _bind(signature, (), values, "")
    except TypeError as error:
        raise UsageError(f"bad arguments: {error}") from None
    return values


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some builtins have none
        return None


def _kinds(function: Callable[..., Any], signature: inspect.Signature | None) -> dict[str, Any]:
    """The types of a function's parameters, where they can be read from JSON."""
    kinds = {key: kind for key, kind in read_hints(function).items() if _is_hint(kind)}
    if signature is None:
        return kinds
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            kinds[parameter.name] = GenericAlias(list, kinds.get(parameter.name, Any))
        if parameter.kind is parameter.VAR_KEYWORD:
            kinds[_OTHERS] = kinds.pop(parameter.name, Any)
    return kinds


def _kind_of(name: str, kinds: Mapping[str, Any]) -> Any:
    return kinds.get(name, kinds.get(_OTHERS, Any))


def _is_hint(kind: Any) -> bool:
    try:
        return is_readable(kind)
    except TypeError:  # it has no hash, so it can't be looked up
        return False


def _bind(
    signature: inspect.Signature | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    context: str,
) -> dict[str, Any]:
    """The arguments by parameter name, those of `**kwargs` by their own. Raises TypeError."""
    if signature is None:
        if not args:
            return dict(kwargs)
        return {"args": list(args), **kwargs}
    placeholder = dict.fromkeys(filter(None, [context]))
    arguments = dict(signature.bind(*args, **kwargs, **placeholder).arguments)
    arguments.pop(context, None)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL and parameter.name in arguments:
            arguments[parameter.name] = list(arguments[parameter.name])
        if parameter.kind is parameter.VAR_KEYWORD:
            more = arguments.pop(parameter.name, {})
            twice = sorted(arguments.keys() & more.keys())
            if twice:
                raise TypeError(f"{', '.join(twice)} is given twice, by place and by name")
            arguments |= more
    return arguments


def _unbind(
    signature: inspect.Signature | None, values: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if signature is None:
        return tuple(values.pop("args", ())), values
    bound = inspect.BoundArguments(signature, OrderedDict())
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            known = signature.parameters.keys() - {parameter.name}
            bound.arguments[parameter.name] = {
                key: value for key, value in values.items() if key not in known
            }
        elif parameter.name in values:
            bound.arguments[parameter.name] = values[parameter.name]
    return bound.args, bound.kwargs
