"""Fields that only the provider understands: bounded, and joined from their pieces. Pure."""

from collections.abc import Iterable
from typing import Any

from ..core.errors import ModelUnavailable

MAX_DEPTH = 64
"""How deep a field of the provider's own may be nested: deeper JSON couldn't be encoded again."""


def check_depth(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value itself. Raises ModelUnavailable if it is nested too deep to be encoded again."""
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list):
        items = value
    else:
        return value
    if not depth:
        raise ModelUnavailable(f"the server sent a field that is nested more than {MAX_DEPTH} deep")
    for item in items:
        check_depth(item, depth - 1)
    return value


def join_fields(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """One value for each field: texts and lists joined, of other values the last one."""
    joined: dict[str, Any] = {}
    for key, values in fields.items():
        joined[key] = values[-1]
        if all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            joined[key] = [item for value in values for item in value]
    return joined
