"""Encodes an event, and makes sure that what is written can be read. Pure.

A log that holds one event with a wrong value can't be opened any more. So each event is read back
before it is written, which takes half a microsecond.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from .errors import UsageError
from .events import Event
from .visible import shorten

_encode = msgspec.json.Encoder().encode
_decode: Any = msgspec.json.Decoder(Event).decode
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.S)


def write_event(event: Event) -> tuple[bytes, Event]:
    """One line of JSON without a newline, and the event that a reader makes of it.

    Raises UsageError, which names the field, for an event that nobody could read, or that would
    come back as another.
    """
    try:
        data = _encode(event)
        read: Event = _decode(data)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{_name(event)} holds half of a surrogate pair, which is no text: {error}"
        ) from None
    except msgspec.ValidationError as error:
        raise UsageError(_describe(event, str(error))) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"{_find_unwritable(event)} can't be written as JSON: {error}") from None
    if read == event:
        return data, event
    for place, given, comes_back in _differences(event, read, _name(event)):
        raise UsageError(
            f"{place} is {_show(given)}, which a log can't hold: it would come back as"
            f" {_show(comes_back)}"
        )
    return data, read


def _describe(event: Any, message: str) -> str:
    """msgspec's message in words that name the event, its field and what may stand there."""
    if type(event) not in get_args(Event):
        return f"this is no event of a log: {_show(event)}"
    found = _PLACE.fullmatch(message)
    what, place = (found["what"], found["place"] or "") if found else (message, "")
    value, choices = _look_up(event, place)
    at = ".".join(filter(None, (_name(event), place)))
    return f"{at} is {_show(value)}; it must be {_wanted(event, what, place, choices)}"


def _wanted(event: Any, what: str, place: str, choices: Sequence[Any]) -> str:
    if choices:
        return " or ".join(map(repr, choices))
    if what.startswith("Expected `float") or "out of range" in what:
        return "a finite number"
    wanted = what.partition(", got ")[0].removeprefix("Expected ").replace("`", "")
    wanted = wanted.replace("null", "None").replace("array", "tuple")
    return wanted.replace("object", _structs_at(event, place))


def _look_up(event: Any, place: str) -> tuple[Any, tuple[Any, ...]]:
    """The value at a place such as `always.lasts`, and the values that may stand there, if few."""
    value, hint = _walk(event, place)
    literals = [each for each in (hint, *get_args(hint)) if get_origin(each) is Literal]
    return value, tuple(choice for each in literals for choice in get_args(each))


def _structs_at(event: Any, place: str) -> str:
    """What an object of JSON is in Python at this place: the names of classes, or a dict."""
    _, hint = _walk(event, place)
    kinds = [each for each in (hint, *get_args(hint)) if isinstance(each, type)]
    names = [each.__name__ for each in kinds if issubclass(each, msgspec.Struct)]
    return " or ".join(names) or "dict"


def _walk(event: Any, place: str) -> tuple[Any, Any]:
    """The value at a place, and its type where that is a field of a struct."""
    value, hint = event, None
    for name, index in re.findall(r"(\w+)|\[(\d+|\.\.\.)\]", place):
        items = get_args(hint)
        hint = get_type_hints(type(value)).get(name) if name else None
        if name:
            value = getattr(value, name, None)
        elif isinstance(value, dict):
            wrong = [each for each in value.values() if not isinstance(each, str)]
            value = wrong[0] if wrong else value
        elif index.isdigit() and isinstance(value, list | tuple):
            value, hint = value[int(index)], next(iter(items), None)
    return value, hint


def _find_unwritable(event: Any) -> str:
    for name in getattr(event, "__struct_fields__", ()):
        try:
            _encode(getattr(event, name))
        except Exception:
            return f"{_name(event)}.{name}"
    return _name(event)


def _differences(given: Any, read: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Where a declared field comes back as another value: place, what was given, what comes back.

    Inside a dict anything may stand that JSON can hold in some way; a tuple may come back as such.
    """
    if isinstance(read, msgspec.Struct):
        if type(given) is not type(read):
            yield place, given, read
            return
        for name in read.__struct_fields__:
            inner = f"{place}.{name}"
            yield from _differences(getattr(given, name), getattr(read, name), inner)
    elif isinstance(read, tuple) and isinstance(given, list | tuple):
        for index, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from _differences(one, other, f"{place}[{index}]")
    elif not (isinstance(read, dict) and isinstance(given, dict)) and given != read:
        yield place, given, read


def _name(event: Any) -> str:
    return type(event).__name__


def _show(value: Any) -> str:
    text = shorten(repr(value), 80)
    if value is None or isinstance(value, msgspec.Struct):
        return text
    return f"{text} ({type(value).__name__})"
