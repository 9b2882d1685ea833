"""Calls of tools that no prompt lists. The model makes them by `call_tool`. Pure.

1. In the log such a call is one of the tool itself, with `Call.via`: so rules, approvals, checks
   and readers see what runs.
2. In the prompt it is what the model wrote: a call of `call_tool`.
"""

from collections.abc import Iterable

import msgspec

from . import events as e
from .model import ToolSchema
from .strict_json import value_of

CALL_TOOL = "call_tool"


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


def unwrap_calls(content: e.Replied, tools: Iterable[ToolSchema]) -> e.Replied:
    """The reply, with calls of `call_tool` as calls of the tools that they name.

    One that can't be read stays as it is: then the model is told what is wrong.
    """
    if isinstance(content, str) or not any(map(_calls_others, tools)):
        return content
    return tuple(_unwrap(each) if isinstance(each, e.Call) else each for each in content)


def wrap_arguments(name: str, arguments: str) -> str:
    """The arguments of `call_tool` for a call of this tool; both are legal."""
    return f'{{"name":"{name}","arguments":{arguments or "{}"}}}'


def _calls_others(tool: ToolSchema) -> bool:
    """Whether it is the one of `on_demand`, and none that has its name by chance."""
    return tool.name == CALL_TOOL and {"name", "arguments"} == {*tool.parameters["properties"]}


def _unwrap(call: e.Call) -> e.Call:
    if call.name != CALL_TOOL:
        return call
    try:
        value_of(call.arguments)  # refuses what could be read in two ways
        inner = msgspec.json.decode(call.arguments, type=_Wrapped)
    except ValueError:
        return call
    name = inner.name.strip()
    if name == CALL_TOOL:
        return call
    arguments = bytes(inner.arguments).decode()
    return msgspec.structs.replace(call, name=name, arguments=arguments, via=CALL_TOOL)
