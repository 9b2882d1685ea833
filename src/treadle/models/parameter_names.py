"""Names for a tool's parameters that a provider takes, where their own have other characters. Pure.

Anthropic refuses a request if one tool in it has a parameter such as `filter[id]`, `$top` or
`größe`: "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'". So the model is shown other
names, and its arguments get the tool's own ones back. (It may use those too: its history has them.)
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ..core.events import Call, Replied
from ..core.model import ToolSchema
from ..core.strict_json import value_of

_LEGAL = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_.-]")


def with_legal_names(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema with legal names of its properties. The others' own names are in their words."""
    names = _find_names(parameters)
    if not names:
        return parameters
    shown = {names.get(name, name): each for name, each in parameters["properties"].items()}
    for name, legal in names.items():
        if isinstance(shown[legal], Mapping):
            described = f"{name}: {shown[legal].get('description', '')}".removesuffix(": ")
            shown[legal] = {**shown[legal], "description": described}
    made = {**parameters, "properties": shown}
    if "required" in parameters:
        made["required"] = [names.get(name, name) for name in parameters["required"]]
    return made


def with_own_names(content: Replied, tools: Iterable[ToolSchema]) -> Replied:
    """The reply, with the tools' own names in the arguments of its calls."""
    by_tool = {tool.name: names for tool in tools if (names := _find_names(tool.parameters))}
    if not by_tool or isinstance(content, str):
        return content
    return tuple(
        replace(block, arguments=_rename(block.arguments, by_tool[block.name]))
        if isinstance(block, Call) and block.name in by_tool
        else block
        for block in content
    )


def _rename(arguments: str, names: Mapping[str, str]) -> str:
    own = {legal: name for name, legal in names.items()}
    try:
        value_of(arguments)  # refuses what could be read in two ways
        given = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except ValueError:
        return arguments
    made = {own.get(name, name): each for name, each in given.items()}
    if len(made) < len(given) or made.keys() == given.keys():
        return arguments
    return msgspec.json.encode(made).decode()


def _find_names(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The legal names of the properties whose own aren't legal, by those."""
    properties = parameters.get("properties", {})
    names: dict[str, str] = {}
    for name in properties:
        if not _LEGAL.fullmatch(name):
            legal = _ILLEGAL.sub("_", name)[:60] or "_"
            number = 2
            while legal in properties or legal in names.values():
                legal = f"{_ILLEGAL.sub('_', name)[:60]}_{number}"
                number += 1
            names[name] = legal
    return names
