"""The shape of a schema that every provider takes: an object with properties at its root. Pure.

Providers refuse a root that is a `$ref`, one without `properties`, and `anyOf`, `oneOf`, `allOf`,
`not` and `enum` there. So the model is shown a schema without these that allows no less; the
check of what it sends goes by the whole schema.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_LISTS = ("anyOf", "oneOf", "allOf")
_NOT_AT_ROOT = (*_LISTS, "$ref", "not", "enum", "const")
MAX_REFERENCES = 20
"""At the root, one after the other: more are a circle."""


def as_object(schema: Schema) -> dict[str, Any] | None:
    """The schema with an object at its root; None where it isn't of an object."""
    if not any(key in schema for key in _NOT_AT_ROOT):
        return _with_properties(schema)
    flat = _flatten(schema, schema, MAX_REFERENCES)
    if flat is None:
        return None
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return _with_properties(flat | shared)


def _with_properties(schema: Schema) -> dict[str, Any] | None:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return dict(schema)
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        return {**schema, "type": "object", "properties": schema.get("properties", {})}
    return None


def _flatten(schema: Schema, root: Schema, left: int) -> dict[str, Any] | None:
    """One object that allows all that this schema does; None where it isn't of an object."""
    kept = {key: part for key, part in schema.items() if key not in _NOT_AT_ROOT}
    parts: list[Schema] = []
    if "$ref" in schema:
        parts.append(_find(root, str(schema["$ref"])))
    parts += schema.get("allOf", ())
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            parts.append(_join_choices(schema[key], root, left))
    for part in parts:
        inner = _flatten(part, root, left - 1) if left else None
        if inner is None:
            continue
        properties = {**inner.get("properties", {}), **kept.get("properties", {})}
        required = [*kept.get("required", ()), *inner.get("required", ())]
        kept = inner | kept | {"properties": properties}
        if required:
            kept["required"] = list(dict.fromkeys(required))
    if len(parts) > 1 or any(key in schema for key in _LISTS):
        kept.pop("additionalProperties", None)  # one part's word, which knows no other part's names
    return _with_properties(kept)


def _join_choices(choices: Sequence[Schema], root: Schema, left: int) -> Schema:
    """One object for several to choose from: all their properties; required is what all require."""
    flat = [_flatten(each, root, left - 1) for each in choices] if left else []
    objects = [each for each in flat if each is not None]
    properties: dict[str, Any] = {}
    for each in objects:
        properties = {**each["properties"], **properties}
    required = [
        name for name in properties if all(name in each.get("required", ()) for each in objects)
    ]
    if not objects:
        return {}
    return {"type": "object", "properties": properties, "required": required}


def _find(root: Schema, reference: str) -> Schema:
    """The part of the schema that a reference names; {} for one that leads nowhere."""
    found: Any = root
    if not reference.startswith("#"):
        return {}
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}
