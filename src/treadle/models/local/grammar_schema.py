"""Builds the JSON Schema of one step, limited to what llama.cpp's grammars support. Pure.

1. Unsupported keywords are left out. The sampler is then freer, and the tool's own check still
   refuses bad arguments.
2. `thought` comes first: the sampler writes properties in the order of the schema.
"""

import re
from collections.abc import Sequence
from typing import Any

from ...core.model import Message, Request, ToolSchema

FINAL_ANSWER = "final_answer"
THOUGHT_PATTERN = r'^I [^"\\\n]{1,120}$'
"""It starts with "I", so that it says what to do.

Otherwise the model puts the whole answer into the thought, and then repeats it.
"""
PROSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}

_SUPPORTED = frozenset(
    (
        *("type", "required", "enum", "const", "additionalProperties", "$ref"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems"),
    )
)
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs")
_MAX_LENGTH = 2000
"""A longer maxLength or maxItems makes a grammar that takes seconds to build."""


def build_reply_schema(request: Request) -> dict[str, Any] | None:
    """The schema of the reply; None for plain prose."""
    if not request.tools:
        if not request.output_schema:
            return None
        supported: dict[str, Any] = keep_supported(request.output_schema)
        return supported
    final = ToolSchema(FINAL_ANSWER, "", request.output_schema or PROSE_SCHEMA)
    shared: dict[str, Any] = {}
    repeating = find_repeating_tools(request.messages)
    choices = [tool for tool in request.tools if tool.name not in repeating]
    schema: dict[str, Any] = {
        "anyOf": [_step_schema(tool, shared) for tool in (*choices, final)],
    }
    if shared:
        schema["$defs"] = shared
    return schema


def find_repeating_tools(messages: Sequence[Message]) -> set[str]:
    """The tools whose last call in this turn repeats an earlier one, with the same arguments.

    A small model would go on for ever, whatever the results say. So these tools can't be chosen for
    the rest of the turn.
    """
    made: dict[str, list[str]] = {}
    for message in reversed(messages):
        if message.role == "user":
            break
        for call in reversed(message.calls):
            made.setdefault(call.name, []).append(call.arguments)
    repeating = set()
    for name, (last, *earlier) in made.items():
        if last in earlier:
            repeating.add(name)
    return repeating


def keep_supported(schema: Any, prefix: str = "") -> Any:
    """The parts of a schema that a grammar supports.

    `prefix` is put before the names of the definitions that it refers to.
    """
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS:
            kept[key] = {name: keep_supported(part, prefix) for name, part in value.items()}
        elif key in _SCHEMA_LISTS:
            kept[key] = [keep_supported(part, prefix) for part in value]
        elif key == "$ref":
            kept[key] = value.replace("#/$defs/", f"#/$defs/{prefix}", 1)
        elif key in ("items", "additionalProperties"):
            kept[key] = keep_supported(value, prefix)
        elif key == "pattern":
            if _is_supported_pattern(value):
                kept[key] = value
        elif key in _SUPPORTED and not (key in ("maxLength", "maxItems") and value > _MAX_LENGTH):
            kept[key] = value
    return kept


def _step_schema(tool: ToolSchema, shared: dict[str, Any]) -> dict[str, Any]:
    """The schema of a step that calls this tool.

    Its definitions are added to `shared`, since references are resolved from the root.
    """
    arguments = keep_supported(tool.parameters, f"{tool.name}.")
    for name, part in arguments.pop("$defs", {}).items():
        shared[f"{tool.name}.{name}"] = part
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


def _is_supported_pattern(pattern: str) -> bool:
    """Whether the converter can read a pattern: anchored, no look-around, no rare escapes."""
    if not (pattern.startswith("^") and pattern.endswith("$") and pattern[-2:] != r"\$"):
        return False
    return re.search(r"\(\?|\\[bBAZzDWSpPkx0-9]|[*+?}][?+]", pattern[1:-1]) is None
