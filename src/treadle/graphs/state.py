"""The state of a graph: its fields, with their types, defaults and merge rules. Pure."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.errors import StepFailed, UsageError
from ..core.name_kind import name_kind
from .nodes import Node, append

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Field:
    """One field of the state."""

    name: str
    kind: Any
    make: Callable[[], Any] | None = None
    """Makes its default, for one run alone; None: it has none."""
    rule: Callable[[Any, Any], Any] | None = None
    """Merges the old value with a new one; None: the new one replaces the old one."""


def fields_of(kind: Any) -> dict[str, Field]:
    """The fields of a dataclass, TypedDict or pydantic model. A merge rule stands in Annotated."""
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception as error:
        raise UsageError(
            f"the state {name_kind(kind)} is no dataclass, TypedDict or model: {error}"
        ) from error
    if not hints:
        raise UsageError(
            f"the state {name_kind(kind)} has no fields; give a dataclass, a TypedDict or a"
            " pydantic model"
        )
    public = [name for name in _names(kind, hints) if not name.startswith("_")]
    return {name: _make_field(kind, name, hints[name]) for name in public}


def _names(kind: Any, hints: Mapping[str, Any]) -> list[str]:
    """The names of its fields; of a dataclass those that it takes, and no ClassVar."""
    if not dataclasses.is_dataclass(kind):
        return list(hints)
    return [each.name for each in dataclasses.fields(kind) if each.init]


def merge(
    state: Mapping[str, Any], node: Node, value: Any, fields: Mapping[str, Field]
) -> dict[str, Any]:
    """The state after a node's result. Raises StepFailed if the node can't write that result."""
    if isinstance(node.writes, str):
        written = {node.writes: value}
    elif not node.writes:
        written = {}
    elif isinstance(value, Mapping) and value.keys() <= set(node.writes):
        written = dict(value)
    else:
        raise StepFailed(
            f"{node.name} gives a dict with {', '.join(node.writes)}, not {value!r}", step=node.name
        )
    changed = dict(state)
    for name, new in written.items():
        changed[name] = _merge_value(fields[name].rule, state.get(name), new)
    return changed


def make_state(kind: Any, state: Mapping[str, Any]) -> Any:
    """The state as the type that the graph gives. Raises StepFailed where a field is missing."""
    try:
        if hasattr(kind, "model_validate"):
            return kind.model_validate(dict(state), by_name=True)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return kind(**state)
    except (TypeError, ValueError) as error:
        raise StepFailed(f"the graph has ended, and its state is no {kind!r}: {error}") from error
    return dict(state)


def state_values(state: Any) -> dict[str, Any]:
    """The fields of a state that `make_state` has made, by name."""
    if isinstance(state, Mapping):
        return dict(state)
    if dataclasses.is_dataclass(state):
        return {each.name: getattr(state, each.name) for each in dataclasses.fields(state)}
    return {name: getattr(state, name) for name in type(state).model_fields}


def _merge_value(rule: Callable[[Any, Any], Any] | None, old: Any, new: Any) -> Any:
    if rule is None:
        return new
    if old is None and rule is not append:  # nothing to merge with; `append` makes a list
        return new
    return rule(old, new)


def first_values(fields: Mapping[str, Field]) -> dict[str, Any]:
    """The defaults of the fields that have one, made for one run."""
    return {name: field.make() for name, field in fields.items() if field.make}


def _make_field(kind: Any, name: str, hint: Any) -> Field:
    make = _find_default(kind, name)
    if typing.get_origin(hint) in (typing.NotRequired, typing.Required):  # of a TypedDict
        hint = hint.__args__[0]
    rule = next((each for each in getattr(hint, "__metadata__", ()) if callable(each)), None)
    if rule is None:
        return Field(name, hint, make)
    return Field(name, hint.__origin__, make, rule)


def _find_default(kind: Any, name: str) -> Callable[[], Any] | None:
    """Makes the field's default anew: a rule may change what it gets in place."""
    if dataclasses.is_dataclass(kind):
        found = next(each for each in dataclasses.fields(kind) if each.name == name)
        if found.default_factory is not dataclasses.MISSING:
            return found.default_factory
        if found.default is not dataclasses.MISSING:
            return partial(deepcopy, found.default)
        return None
    model = getattr(kind, "model_fields", None)
    if model and not model[name].is_required():
        return partial(model[name].get_default, call_default_factory=True)
    return None
