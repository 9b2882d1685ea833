"""What providers publish of their requests, to judge bodies by: types of their SDKs, and OpenAPI.

- `openai.types` and `anthropic.types` of the official SDKs, as installed
- openai_requests.json: made of github.com/openai/openai-openapi, as it says itself
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from pydantic import BaseModel, TypeAdapter

Given = Callable[[str, Any], bool]
"""Whether the provider itself has given a field of this name with this value: it takes it back."""


def nothing_given(name: str, value: Any) -> bool:
    return False


def find_type_faults(adapter: TypeAdapter[Any], body: Any, given: Given) -> Iterator[str]:
    """What the SDK's types don't have: a wrong value, or a field that they don't know."""
    try:
        known = _read(adapter.validate_python(body))
    except ValueError as error:
        yield f"not of the SDK's types: {str(error)[:500]}"
        return
    for place in _find_unknown(body, known, given):
        yield f"a field that the SDK's types don't know: {place}"


def find_openapi_faults(name: str, body: Any) -> Iterator[str]:
    """What the published schema of this name refuses."""
    for error in _validator(name).iter_errors(body):
        yield f"not of the published OpenAPI at {error.instance_path}: {error.message[:500]}"


@cache
def _validator(name: str) -> Any:
    published = json.loads((Path(__file__).parent / "openai_requests.json").read_text("utf8"))
    schema = {"$ref": f"#/$defs/{name}", "$defs": published["$defs"]}
    return jsonschema_rs.validator_for(schema)


def _read(value: Any) -> Any:
    """What the types took of a value: without the fields that they don't know.

    The types say Iterable, which pydantic checks only when it is used.
    """
    if isinstance(value, BaseModel):  # the SDK takes its own replies back, too
        names = value.model_fields_set & type(value).model_fields.keys()
        return {name: _read(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _read(each) for key, each in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [_read(each) for each in value]


def _find_unknown(sent: Any, known: Any, given: Given, place: str = "body") -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(known, dict):
        for name, value in sent.items():
            if name in known:
                yield from _find_unknown(value, known[name], given, f"{place}.{name}")
            elif not given(name, value):
                yield f"{place}.{name}"
    elif isinstance(sent, list) and isinstance(known, list):
        for index, (each, one) in enumerate(zip(sent, known, strict=True)):
            yield from _find_unknown(each, one, given, f"{place}[{index}]")
    elif sent != known:
        yield f"{place}, which is {sent!r} and not {known!r}"
