"""Values as the log of a flow keeps them: JSON, and again as the type that a function says it gives. Pure."""

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
"""What comes from JSON as it is."""


class NotSerializable(ValueError):
    """A value that the log can't keep; says why."""


def to_json(value: Any, kind: Any = Any) -> str:
    """The value as JSON, which gives it back as that type. Raises NotSerializable."""
    try:
        text = msgspec.json.encode(value, enc_hook=_jsonable).decode()
        plain = msgspec.to_builtins(value, enc_hook=_jsonable) if "null" in text else None
    except Exception as error:  # a value may bring its own `model_dump`, and with it any fault
        raise NotSerializable(f"a {type(value).__name__} has no JSON form ({error})") from error
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:  # msgspec writes null for these
        raise NotSerializable(
            f"a {type(value).__name__} has NaN or an infinity in it, which JSON has not"
        ) from None
    if len(text) > MAX_CHARS:
        raise NotSerializable(
            f"it has {len(text):,} characters as JSON, and a log keeps {MAX_CHARS:,}; give where it is"
        )
    try:
        from_json(text, kind)
    except ValueError as error:
        raise NotSerializable(
            f"it isn't what the function says that it gives, {kind!r}: {_why(error)}"
        ) from error
    return text


def from_json(text: str, kind: Any = Any) -> Any:
    """The value again, of that type. Raises ValueError."""
    if kind in _PLAIN:
        return msgspec.json.decode(text)
    return _adapter(kind).validate_json(text)


def return_type(function: Callable[..., Any]) -> Any:
    """What a function says that it gives; Any where it says nothing that can be checked."""
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
    """What a call of it is given, as a JSON object by parameter. Raises UsageError where that can't be."""
    named: dict[str, Any]
    name = getattr(function, "__name__", "the function")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some builtins have none
        named = {"args": args, **kwargs} if args else dict(kwargs)
    else:
        given = {context: None} if context else {}
        try:
            named = dict(signature.bind(*args, **kwargs, **given).arguments)
        except TypeError as error:
            raise UsageError(f"{name}: {error}") from None
        named.pop(context, None)
        for each in signature.parameters.values():
            if each.kind is each.VAR_KEYWORD:
                named |= named.pop(each.name, {})
    try:
        return to_json(named)
    except NotSerializable as error:
        raise UsageError(
            f"{name}: its arguments are kept in the log, and {error}. What isn't data goes into the function by"
            " another way: a closure, functools.partial, a global"
        ) from None


_AWAITABLE = (
    typing.get_origin(typing.Awaitable[Any]),
    typing.get_origin(typing.Coroutine[Any, Any, Any]),
)


@functools.lru_cache(256)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # only who gives more than plain JSON pays for the import

    return TypeAdapter(kind)


def _why(error: ValueError) -> str:
    if not hasattr(error, "errors"):
        return str(error)
    from ..core.schema import describe_validation_error

    return describe_validation_error(error)  # type: ignore[arg-type]


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} is not JSON")
