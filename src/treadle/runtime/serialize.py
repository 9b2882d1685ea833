"""The arguments and results of a flow's steps as JSON, and back as their declared types. Pure."""

import functools
import inspect
import json
import typing
from collections.abc import Callable
from types import NoneType
from typing import Any

import msgspec

from ..core.errors import UsageError

MAX_CHARS = 1_000_000
"""Of one step's arguments or result: the log is no store for files."""
_PLAIN = (Any, None, NoneType, str, int, float, bool, dict, list)
"""Types that JSON gives back as they were."""


class NotSerializable(ValueError):
    """The log can't keep this value; the message says why."""


def to_json(value: Any, kind: Any = Any) -> str:
    """The value as JSON that `from_json` reads as that type. Raises NotSerializable."""
    name = type(value).__name__
    plain = None
    try:
        text = msgspec.json.encode(value, enc_hook=_to_plain).decode()
        if "null" in text:
            plain = msgspec.to_builtins(value, enc_hook=_to_plain)
    except Exception as error:  # a value may bring its own `model_dump`, and with it any fault
        raise NotSerializable(f"a {name} has no JSON form ({error})") from error
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:  # msgspec writes null for these
        raise NotSerializable(
            f"a {name} has NaN or an infinity in it, which JSON has not"
        ) from None
    if len(text) > MAX_CHARS:
        raise NotSerializable(
            f"it has {len(text):,} characters as JSON, and a log keeps {MAX_CHARS:,}; give where"
            " it is"
        )
    try:
        from_json(text, kind)
    except ValueError as error:
        raise NotSerializable(
            f"it isn't what the function says that it gives, {kind!r}: {_describe(error)}"
        ) from error
    return text


def from_json(text: str, kind: Any = Any) -> Any:
    """The value that `to_json` wrote, as that type. Raises ValueError."""
    if kind in _PLAIN:
        return msgspec.json.decode(text)
    return _adapter(kind).validate_json(text)


def return_type(function: Callable[..., Any]) -> Any:
    """The type that a function declares to return; Any where it can't be checked."""
    inner = getattr(function, "func", function)
    try:
        kind = typing.get_type_hints(inner).get("return", Any)
    except Exception:  # hints are somebody else's code: names that aren't there any more, and worse
        return Any
    if inspect.isawaitable(kind) or typing.get_origin(kind) in _AWAITABLE:
        kind = typing.get_args(kind)[-1]
    if kind in _PLAIN or isinstance(kind, typing.TypeVar):
        return Any
    try:
        _adapter(kind)
    except Exception:  # pydantic raises many kinds for what is no type
        return Any
    return kind


def arguments_to_json(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: str = ""
) -> str:
    """The arguments of a call as a JSON object, by parameter name.

    `context` is the parameter that takes the Context, which is left out. Raises UsageError for
    arguments that don't fit the function or have no JSON form.
    """
    name = getattr(function, "__name__", "the function")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some builtins have none
        arguments = dict(kwargs)
        if args:
            arguments = {"args": args, **kwargs}
    else:
        try:
            arguments = _bind(signature, args, kwargs, context)
        except TypeError as error:
            raise UsageError(f"{name}: {error}") from None
    try:
        return to_json(arguments)
    except NotSerializable as error:
        raise UsageError(
            f"{name}: its arguments are kept in the log, and {error}. What isn't data goes into the"
            " function by another way: a closure, functools.partial, a global"
        ) from None


def _bind(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], context: str
) -> dict[str, Any]:
    """The arguments by parameter name, those of `**kwargs` by their own. Raises TypeError."""
    placeholder = dict.fromkeys(filter(None, [context]))
    arguments = dict(signature.bind(*args, **kwargs, **placeholder).arguments)
    arguments.pop(context, None)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= arguments.pop(parameter.name, {})
    return arguments


_AWAITABLE = (
    typing.get_origin(typing.Awaitable[Any]),
    typing.get_origin(typing.Coroutine[Any, Any, Any]),
)


@functools.lru_cache(256)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # only who gives more than plain JSON pays for the import

    return TypeAdapter(kind)


def _describe(error: ValueError) -> str:
    if not hasattr(error, "errors"):
        return str(error)
    from ..core.schema import describe_validation_error

    return describe_validation_error(error)  # type: ignore[arg-type]


def _to_plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} is not JSON")
