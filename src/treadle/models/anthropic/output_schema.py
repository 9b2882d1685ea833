"""The JSON Schemas that Claude can be held to. Pure.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs, read 2026-11-27.
"""

from typing import Any

import msgspec

MAX_DEPTH = 32

_KEPT = frozenset(("type", "title", "description", "enum", "const"))
_FORMATS = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]
)
_OF_OBJECTS = ("properties", "required", "additionalProperties", "$defs", "$schema")
_INEXPRESSIBLE = ("patternProperties", "prefixItems", "not", "if", "$dynamicRef")
_LISTS = ("anyOf", "oneOf", "allOf")


class _Inexpressible(Exception):
    """A schema that means something else without what must be left out of it."""


def constrain_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema as Claude can be held to it; None if it can't.

    Bounds of numbers and lengths can't be kept: they become words of the description, and the
    answer is checked by the whole schema when it comes.
    """
    names = schema.get("$defs") or {}
    try:
        made = _constrain(schema, MAX_DEPTH)
        if names:
            made["$defs"] = {name: _constrain(each, MAX_DEPTH) for name, each in names.items()}
        _check_no_circle(names)
    except _Inexpressible:
        return None
    return made


def _constrain(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or not depth:
        raise _Inexpressible
    if "$ref" in schema:  # nothing may stand beside it
        return {"$ref": schema["$ref"]}
    if isinstance(schema.get("type"), list):
        return {"anyOf": [_constrain(schema | {"type": each}, depth) for each in schema["type"]]}
    if not _are_plain([*schema.get("enum", ()), schema.get("const")]):
        raise _Inexpressible
    made = _constrain_fields(schema, depth)
    if "properties" in schema or schema.get("type") == "object":
        made |= _constrain_object(schema, depth)
    if made.keys() & {"enum", "const"}:
        made.pop("type", None)  # the values have their types
    if not made.keys() & {"type", "enum", "const", "anyOf", "allOf"}:
        raise _Inexpressible  # it may be anything
    return made


def _constrain_fields(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    words: list[str] = []
    for name, value in schema.items():
        if name in _KEPT or (name == "format" and value in _FORMATS):
            made[name] = value
        elif name in _LISTS:
            wanted = "allOf" if name == "allOf" else "anyOf"
            made[wanted] = [_constrain(each, depth - 1) for each in value]
        elif name == "minItems" and value in (0, 1):
            made[name] = value
        elif name == "items":
            made[name] = _constrain(value, depth - 1)
        elif name in _INEXPRESSIBLE:
            raise _Inexpressible
        elif name not in _OF_OBJECTS:
            words.append(f"{name}: {msgspec.json.encode(value).decode()}")
    if words:
        given = [made["description"]] if "description" in made else []
        made["description"] = "\n\n".join([*given, f"({'; '.join(words)})"])
    return made


def _are_plain(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, str | int | float) for value in values)


def _constrain_object(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    """Only named properties: an object of any names can't be expressed."""
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    if isinstance(others, dict) or others is True or (not properties and others is None):
        raise _Inexpressible
    return {
        "properties": {name: _constrain(each, depth - 1) for name, each in properties.items()},
        "required": list(schema.get("required") or ()),
        "additionalProperties": False,
    }


def _check_no_circle(names: dict[str, Any]) -> None:
    """Raise _Inexpressible if a definition refers to itself."""
    uses = {name: _find_refs(each) for name, each in names.items()}
    for name in names:
        waiting, seen = set(uses[name]), set[str]()
        while waiting:
            other = waiting.pop()
            if other == name:
                raise _Inexpressible
            seen.add(other)
            waiting |= uses.get(other, set()) - seen


def _find_refs(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_find_refs, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(_find_refs, schema.values()))
    if isinstance(schema.get("$ref"), str):
        found.add(schema["$ref"].rpartition("/")[2])
    return found
