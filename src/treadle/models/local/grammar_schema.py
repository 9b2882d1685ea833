"""The JSON Schema of one step, in what llama.cpp's grammars can hold. Pure.

1. A keyword that its converter doesn't know is left out: the sampler is then less bound, and the tool's own check
   still refuses what doesn't fit.
2. `thought` comes first: the sampler writes properties in their order here.
"""

import re
from collections.abc import Sequence
from typing import Any

from ...core.model import Message, Request, ToolSchema

FINAL_ANSWER = "final_answer"
THOUGHT_PATTERN = r'^I [^"\\\n]{1,120}$'
"""It begins with "I", so that it says what to do: else the model puts the whole answer here, and then says it again."""
PROSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}

_KEPT = frozenset(
    (
        *("type", "required", "enum", "const", "additionalProperties", "$ref"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems"),
    )
)
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs")
_LONGEST = 2000
"""A longer maxLength or maxItems makes a grammar that takes seconds to build."""


def build_reply_schema(request: Request) -> dict[str, Any] | None:
    """What the reply must fit; None for plain prose."""
    if not request.tools:
        return keep_supported(request.output_schema) if request.output_schema else None
    final = ToolSchema(FINAL_ANSWER, "", request.output_schema or PROSE_SCHEMA)
    shared: dict[str, Any] = {}
    choices = [
        tool for tool in request.tools if tool.name not in find_repeating_tools(request.messages)
    ]
    steps = [_step(tool, shared) for tool in (*choices, final)]
    return {"anyOf": steps} | ({"$defs": shared} if shared else {})


def find_repeating_tools(messages: Sequence[Message]) -> set[str]:
    """The tools whose last call in this turn had been made before, with the same arguments.

    A small model goes on so for ever, whatever the result says. So these are no choices for the rest of the turn.
    """
    made: dict[str, list[str]] = {}
    for message in reversed(messages):
        if message.role == "user":
            break
        for call in reversed(message.calls):
            made.setdefault(call.name, []).append(call.arguments)
    return {name for name, (last, *earlier) in made.items() if last in earlier}


def keep_supported(schema: Any, prefix: str = "") -> Any:
    """Only what a grammar can hold. `prefix` goes before the names of definitions that it refers to."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _MAPS:
            kept[key] = {name: keep_supported(part, prefix) for name, part in value.items()}
        elif key in _LISTS:
            kept[key] = [keep_supported(part, prefix) for part in value]
        elif key == "items":
            kept[key] = keep_supported(value, prefix)
        elif key == "$ref":
            kept[key] = value.replace("#/$defs/", f"#/$defs/{prefix}", 1)
        elif key == "additionalProperties":
            kept[key] = keep_supported(value, prefix) if isinstance(value, dict) else value
        elif key == "pattern":
            if _holds(value):
                kept[key] = value
        elif key in _KEPT and not (key in ("maxLength", "maxItems") and value > _LONGEST):
            kept[key] = value
    return kept


def _step(tool: ToolSchema, shared: dict[str, Any]) -> dict[str, Any]:
    """One tool's form of a step. What its arguments define goes to the root, where references are looked up."""
    arguments = keep_supported(tool.parameters, f"{tool.name}.")
    shared.update(
        {f"{tool.name}.{name}": part for name, part in arguments.pop("$defs", {}).items()}
    )
    return {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "pattern": THOUGHT_PATTERN},
            "tool": {"const": tool.name},
            "arguments": arguments,
        },
        "required": ["thought", "tool", "arguments"],
        "additionalProperties": False,
    }


def _holds(pattern: str) -> bool:
    """Whether the converter reads this regular expression: anchored, no look-around, no rare escapes."""
    if not (pattern.startswith("^") and pattern.endswith("$") and pattern[-2:] != r"\$"):
        return False
    return re.search(r"\(\?|\\[bBAZzDWSpPkx0-9]|[*+?}][?+]", pattern[1:-1]) is None
