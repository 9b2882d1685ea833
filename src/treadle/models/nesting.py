"""How deep a field that only the provider understands may be nested. Pure."""

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
