"""The state of a graph: its fields, with their types, defaults and merge rules. Pure."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import StepFailed, UsageError
from .nodes import Node

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Field:
    """One field of the state."""

    name: str
    kind: Any
    default: Any = EMPTY
    rule: Callable[[Any, Any], Any] | None = None
    """What becomes of the old value and a new one; None: the new one stands."""


def fields_of(kind: Any) -> dict[str, Field]:
    """The fields of a dataclass, a TypedDict or a pydantic model. A rule is a function in Annotated."""
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception as error:
        raise UsageError(
            f"the state {kind!r} is no dataclass, TypedDict or model: {error}"
        ) from error
    if not hints:
        raise UsageError(
            f"the state {kind!r} has no fields; give a dataclass, a TypedDict or a pydantic model"
        )
    return {
        name: _field(kind, name, hint) for name, hint in hints.items() if not name.startswith("_")
    }


def merge(
    state: Mapping[str, Any], node: Node, value: Any, fields: Mapping[str, Field]
) -> dict[str, Any]:
    """The state after what a node gave. Raises StepFailed where that isn't what it writes."""
    if isinstance(node.writes, str):
        given = {node.writes: value}
    elif not node.writes:
        given = {}
    elif isinstance(value, Mapping) and value.keys() <= set(node.writes):
        given = dict(value)
    else:
        raise StepFailed(
            f"{node.name} gives a dict with {', '.join(node.writes)}, not {value!r}", step=node.name
        )
    changed = dict(state)
    for name, new in given.items():
        rule = fields[name].rule
        changed[name] = (
            rule(state.get(name), new)
            if rule and state.get(name) is not None
            else _first(rule, new)
        )
    return changed


def _first(rule: Callable[[Any, Any], Any] | None, new: Any) -> Any:
    """What is written first: `append` makes a list of it, where another rule has nothing to merge it with."""
    return rule(None, new) if rule and rule.__name__ == "append" else new


def _field(kind: Any, name: str, hint: Any) -> Field:
    rule = next((each for each in getattr(hint, "__metadata__", ()) if callable(each)), None)
    return Field(name, hint.__origin__ if rule else hint, _default(kind, name), rule)


def _default(kind: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        found = next(each for each in dataclasses.fields(kind) if each.name == name)
        if found.default_factory is not dataclasses.MISSING:
            return found.default_factory()
        return EMPTY if found.default is dataclasses.MISSING else found.default
    model = getattr(kind, "model_fields", None)
    if model:
        return (
            EMPTY
            if model[name].is_required()
            else model[name].get_default(call_default_factory=True)
        )
    return EMPTY
