"""Reads a mapping as a struct, and says in plain words what is wrong with it. Pure."""

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from ..core.errors import UsageError

_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}
"""msgspec's words for kinds of values, as people who write YAML say them."""
_UNQUOTED = ("int", "float", "bool", "null")
"""What YAML makes of a text without quotes."""


def convert_fields(struct: type[Any], value: object, name: str) -> Any:
    """The value as this struct.

    Raises UsageError: which field is wrong, what it must be, similar names.
    """
    try:
        return msgspec.convert(value, struct, strict=True)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at ")
    place = re.sub(r"`|\$\.?", "", at).strip()
    words = _describe_wrong(what, place, struct)
    if place:
        words = f"{place}: {words}"
    raise UsageError(f"{name}: {words}") from None


def suggest_names(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: similar names, or else all of them."""
    similar = difflib.get_close_matches(name[:60], known, 2, 0.6)
    if similar:
        return f"; did you mean {' or '.join(similar)}?"
    return f"; there are: {', '.join(known)}"


def _describe_wrong(what: str, place: str, struct: type[Any]) -> str:
    if found := re.fullmatch(r"Expected `(.+)`, got `(.+)`", what):
        wanted = [kind for kind in found[1].split(" | ") if kind != "null"]
        words = f"it must be {' or '.join(map(_name_kind, wanted))}, and is {_name_kind(found[2])}"
        if "str" in wanted and found[2] in _UNQUOTED:
            words += "; to make it a text, put it in quotes"
        return words
    if found := re.fullmatch(r"Invalid enum value (.+)", what):
        choices = [str(choice).lower() for choice in _choices_at(struct, place)]
        return f"{found[1]} is none of: {', '.join(choices)}"
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        fields = _struct_at(struct, place).__struct_fields__
        return f"there is no field `{found[1]}`{suggest_names(found[1], fields)}"
    if found := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"it has no `{found[1]}`, which it needs"
    return what


def _name_kind(kind: str) -> str:
    return _KINDS.get(kind, kind)


def _choices_at(struct: type[Any], place: str) -> list[Any]:
    found: list[Any] = []
    for part in _parts_of(get_type_hints(struct).get(place)):
        if get_origin(part) is Literal:
            found += get_args(part)
    return found


def _struct_at(struct: type[Any], place: str) -> type[Any]:
    """The struct that stands at this place, as `calls[0]`, in a value of the first one."""
    for field in re.findall(r"[a-z_]+", place):
        parts = _parts_of(get_type_hints(struct).get(field))
        inner = [part for part in parts if hasattr(part, "__struct_fields__")]
        if inner:
            struct = inner[0]
    return struct


def _parts_of(hint: Any) -> Iterator[Any]:
    """The type, and all that it is made of."""
    yield hint
    if get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from _parts_of(part)
