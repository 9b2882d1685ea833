"""The OpenAPI document of the API, made of its routes. Pure."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.version import VERSION
from .problem import Failure
from .routes import Route

_REF = "#/components/schemas/{name}"


def make_document(routes: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1, as a dict for JSON."""
    kinds: list[Any] = [Failure]
    for route in routes:
        kinds += [kind for kind in (route.takes, route.query, route.gives) if kind is not None]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _describe(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Treadle", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _describe(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    text = inspect.getdoc(route.act) or ""
    summary, _, rest = text.partition("\n\n")
    found: dict[str, Any] = {
        "operationId": route.act.__name__,
        "summary": " ".join(summary.split()),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)", route.path)
        ],
    }
    if rest:
        found["description"] = rest
    if route.query:
        fields = schemas[route.query.__name__]
        needed = fields.get("required", ())
        found["parameters"] += [
            {"name": name, "in": "query", "required": name in needed, "schema": schema}
            for name, schema in fields["properties"].items()
        ]
    if route.takes:
        found["requestBody"] = {"required": True, "content": _content(route.takes)}
    success: dict[str, Any] = {"description": "Done."}
    if route.gives:
        success["content"] = _content(route.gives)
    failure = {"description": "It says why in words.", "content": _content(Failure)}
    found["responses"] = {str(route.status): success, "default": failure}
    return found


def _content(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema}}
