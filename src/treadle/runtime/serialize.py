"""The values of a flow as JSON, and back as their declared types. Pure.

One rule for both ways: what is written must come back the same, or it is refused. So the code of a
flow has the same values before and after a crash.
"""

import functools
import inspect
import json
import typing
from collections.abc import Callable
from contextlib import suppress
from types import GenericAlias, NoneType
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.raised import message_of
from .marked_json import MARK, mark, unmark
from .same_value import contains, find_difference, is_not_finite, is_set

MAX_CHARS = 1_000_000
"""Of one step's arguments or result: the log is no store for files."""
_PLAIN = (Any, None, NoneType, str, int, float, bool, dict, list)
"""Types that JSON gives back as they were."""
_NOT_FINITE = {f'"{text}"': float(text) for text in ("NaN", "Infinity", "-Infinity")}
"""Results that JSON has not, as pydantic writes them."""

_WHOLE = f'{{"{MARK}":"value",'
"""How a result begins that is written with the names of its types."""


class NotSerializable(ValueError):
    """The log can't keep this value; the message says why."""


class _TooLong(NotSerializable):
    """It has a JSON form, with too many characters."""


def to_json(value: Any) -> str:
    """The value as JSON, for people to read. Raises NotSerializable."""
    text, plain = _encode(value), None
    if "null" in text:
        plain = msgspec.to_builtins(value, enc_hook=_to_plain)
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:  # msgspec writes null for these
        name = type(value).__name__
        raise NotSerializable(
            f"a {name} has NaN or an infinity in it, which JSON has not"
        ) from None
    return refuse_long(text)


def write_value(value: Any, kind: Any = Any) -> str:
    """The value as JSON that `read_value` reads as that type. Raises NotSerializable.

    It comes back the same. Only plain JSON values may come back as what the type makes of them.
    """
    encoders = [_encode_typed, _encode_marked]
    try:
        text = _encode(value)
        difference = find_difference(value, read_value(text, kind))
        if not difference or not find_difference(value, read_value(text)):
            return refuse_long(text)
    except _TooLong:
        raise
    except NotSerializable as error:
        difference = str(error)
    except ValueError as error:
        encoders = [_encode_typed]
        difference = (
            f"it isn't what the function says that it gives, {kind!r}: {describe_error(error)}"
        )
    for encode in encoders:
        written = encode(value, kind)
        if written:
            return refuse_long(written)
    raise NotSerializable(
        f"{difference}. Say in the function's return annotation as what it is to come back"
    )


def write_argument(value: Any, kind: Any, *, marks: bool = False) -> tuple[str, Any]:
    """The value as JSON, and the type by which it comes back the same: that one, or Any.

    With `marks`, Python's own types may be written with their names. Raises NotSerializable, also
    for numbers that aren't finite: rules for approvals compare numbers, and every comparison with
    NaN is false.
    """
    problem, fits = "", True
    for encode, each in ((_encode, kind), (_encode, Any), (_encode_typed, kind)):
        try:
            text = encode(value, each)
            if not text:
                continue
            back = read_value(text, each, finite=True, marks=marks)
        except NotSerializable as error:
            problem = problem or str(error)
            continue
        except ValueError as error:  # it isn't of the declared type; the function may take it
            problem, fits = problem or describe_error(error), False
            continue
        difference = find_difference(value, back)
        if not difference:
            return text, each
        problem = problem or difference
    if marks and fits:
        text = _encode_marked(value, kind)
        if text and not contains(value, is_not_finite):
            return text, kind
        if text:
            problem = "it has NaN or an infinity in it"
    raise NotSerializable(problem)


def read_value(text: str, kind: Any = Any, *, finite: bool = False, marks: bool = True) -> Any:
    """The value that was written, as that type. Raises ValueError."""
    if marks and text.startswith(_WHOLE):
        return unmark(msgspec.json.decode(text))["of"]
    if kind is float and text in _NOT_FINITE and not finite:
        return _NOT_FINITE[text]
    if kind in _PLAIN:
        return msgspec.json.decode(text)
    if _is_struct(kind):
        return msgspec.json.decode(text, type=kind)
    return _adapter(kind, finite).validate_json(f"[{text}]")[0]


def read_checked(text: str, kind: Any) -> Any:
    """The value as exactly that type, as `read_value` with finite numbers. Raises ValueError.

    `read_value` takes plain JSON as it is where a plain type is declared.
    """
    value = read_value(text, kind, finite=True)
    if kind is Any or kind not in _PLAIN or type(value) is kind or text.startswith(_WHOLE):
        return value
    return _adapter(kind, finite=True).validate_json(f"[{text}]")[0]


def read_told(text: str, kind: Any) -> Any:
    """The value that a person has told: JSON of that type, else, where it may be one, the text.

    Raises ValueError.
    """
    try:
        return read_checked(text or "null", kind)
    except ValueError:
        if kind in (Any, str):
            return text
        raise


def return_type(function: Callable[..., Any]) -> Any:
    """The type that a function declares to return; Any where it declares none.

    Raises UsageError for a type that no JSON can give back.
    """
    kind = read_hints(function).get("return", Any)
    if inspect.isclass(function):
        kind = function
    if inspect.isawaitable(kind) or typing.get_origin(kind) in _AWAITABLE:
        kind = typing.get_args(kind)[-1]
    if kind is float:
        return kind
    if kind in _PLAIN or isinstance(kind, typing.TypeVar):
        return Any
    if typing.is_typeddict(kind) and not is_readable(kind):  # as pydantic says before Python 3.12
        return Any
    if not is_readable(kind):
        name = getattr(function, "__name__", "the function")
        raise UsageError(
            f"{name} says that it gives {kind!r}, and a log keeps JSON, from which that can't be"
            " made again. Give data instead, such as a dataclass, a pydantic model or a dict"
        )
    return kind


def read_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function; none where they can't be read."""
    inner = getattr(function, "func", function)
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        inner = getattr(type(inner), "__call__", inner)  # noqa: B004 - its hints are looked for
    try:
        return typing.get_type_hints(inner)
    except Exception:  # hints are somebody else's code: names that aren't there any more, and worse
        return {}


@functools.lru_cache(512)
def is_readable(kind: Any) -> bool:
    """Whether values of this type can be made from JSON."""
    if kind in _PLAIN or _is_struct(kind):
        return True
    try:
        _adapter(kind, False)
    except Exception:  # pydantic raises many kinds for what is no type
        return False
    return True


def refuse_long(text: str) -> str:
    """The same text. Raises NotSerializable if it is too long for a log."""
    if len(text) > MAX_CHARS:
        raise _TooLong(
            f"it has {len(text):,} characters as JSON, and a log keeps {MAX_CHARS:,}; give where"
            " it is"
        )
    return text


_AWAITABLE = (
    typing.get_origin(typing.Awaitable[Any]),
    typing.get_origin(typing.Coroutine[Any, Any, Any]),
)


def _encode(value: Any, _: Any = Any) -> str:
    try:
        text = msgspec.json.encode(value, enc_hook=_to_plain)
        if contains(value, is_set):  # its order is another one in each process
            text = msgspec.json.encode(value, enc_hook=_to_plain, order="deterministic")
        return text.decode()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a value may bring its own `model_dump`, and any fault with it
        why = message_of(error)
        raise NotSerializable(f"a {type(value).__name__} has no JSON form ({why})") from error


def _encode_typed(value: Any, kind: Any) -> str:
    """The JSON that pydantic writes for a value of this type; "" if it comes back as another."""
    if kind is Any or _is_struct(kind) or contains(value, is_set):
        return ""
    with suppress(Exception):  # types and models may have serializers of their own
        # In a list, as only so the settings reach into dataclasses.
        made = _adapter(kind, False).dump_json([value], by_alias=True, round_trip=True)
        text = str(made[1:-1].decode())
        if not find_difference(value, read_value(text, kind)):
            return text
    return ""


def _encode_marked(value: Any, kind: Any) -> str:
    """The JSON that names Python's own types; "" for a value that has others in it."""
    with suppress(Exception):
        text = msgspec.json.encode({MARK: "value", "of": mark(value)}).decode()
        if not find_difference(value, read_value(text, kind)):
            return text
    return ""


@functools.lru_cache(512)
def _adapter(kind: Any, finite: bool) -> Any:
    from pydantic import ConfigDict, TypeAdapter  # only who gives more than plain JSON pays for it

    config = ConfigDict(
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
        allow_inf_nan=not finite,
        coerce_numbers_to_str=True,
    )
    inside: Any = GenericAlias(list, kind)
    return TypeAdapter(inside, config=config)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def describe_error(error: ValueError) -> str:
    """What doesn't fit a type, in words."""
    if not hasattr(error, "errors"):
        return str(error)
    from ..core.schema import describe_validation_error

    said = describe_validation_error(error, depth=1)  # type: ignore[arg-type]
    return said.removeprefix("arguments: ")  # the place of the whole value


def _to_plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, round_trip=True)
    raise NotImplementedError(f"{type(value).__name__} is not JSON")
