"""Fields that only the provider understands, joined from their pieces. Pure."""

from typing import Any


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
