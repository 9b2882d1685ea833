"""Builds the JSON Schema of one step, limited to what llama.cpp's grammars support. Pure.

1. What isn't supported is left out, as one such keyword would have the request refused. The sampler
   is then freer, and the tool's own check still refuses bad arguments.
2. `thought` comes first: the sampler writes properties in the order of the schema.
"""

import re
from collections.abc import Mapping, Sequence
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

_SUPPORTED = frozenset(("type", "required", "enum", "const"))
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems")
_MAX_LENGTH = 2000
"""A longer text or list makes a grammar that takes seconds to build, or none."""
_MAX_BOUND = 2**63


def build_reply_schema(request: Request) -> dict[str, Any] | None:
    """The schema of the reply; None for plain prose."""
    if not request.tools:
        if not request.output_schema:
            return None
        return keep_supported(request.output_schema)
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


def keep_supported(schema: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The parts of a whole schema that a grammar supports, its definitions all in `$defs`.

    `prefix` is put before the names of the definitions that it refers to.
    """
    names = {*schema.get("$defs", ()), *schema.get("definitions", ())}
    kept = _keep(schema, {name: f"#/$defs/{prefix}{name}" for name in names})
    definitions = kept.pop("definitions", {}) | kept.pop("$defs", {})
    return kept | {"$defs": definitions} if definitions else kept


def _keep(schema: Any, references: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(schema, dict):  # true and false are schemas too
        return {}
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS:
            kept[key] = {name: _keep(part, references) for name, part in value.items()}
        elif key in _SCHEMA_LISTS or (key == "items" and isinstance(value, list)):
            kept[key] = [_keep(part, references) for part in value]
        elif key == "additionalProperties" and isinstance(value, bool):
            kept[key] = value
        elif key in ("items", "additionalProperties"):
            kept[key] = _keep(value, references)
        elif key == "$ref":
            name = re.sub(r"#/(\$defs|definitions)/", "", value)
            if name != value and name in references:
                kept[key] = references[name]
        elif key in _SUPPORTED or _is_supported_limit(key, value):
            kept[key] = value
    return kept


def _is_supported_limit(key: str, value: Any) -> bool:
    """Whether it is a keyword that bounds a number or a text, within what a grammar can count."""
    if key in _BOUNDS:
        return isinstance(value, bool) or abs(value) < _MAX_BOUND
    if key in _LENGTHS:
        return isinstance(value, int) and value <= _MAX_LENGTH
    return key == "pattern" and _is_supported_pattern(value)


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
