"""The kinds of items of the Responses API that matter to both reading and writing. Pure.

An item is one thing in a response: a message, reasoning, a call, what a tool of the provider did.
"""

from typing import Any

BETWEEN_MESSAGES = "\n\n"
"""Stands between two messages of one reply, whose texts Treadle shows as one."""
BETWEEN_SUMMARIES = "\n\n"
"""Stands between two parts of a summary of reasoning."""
THINKS = ("reasoning", "compaction")
"""Items that only the model itself can read."""
NEEDS_CLIENT = {
    "computer_call": "computer use",
    "custom_tool_call": "custom tools",
    "local_shell_call": "the local shell",
    "apply_patch_call": "the patch tool",
    "mcp_approval_request": 'MCP servers with require_approval other than "never"',
}
"""Items that ask the client for something that Treadle doesn't do, and what brings them."""
_OURS = (
    *("message", "function_call", "function_call_output", "item_reference"),
    *(*THINKS, *NEEDS_CLIENT),
)


def is_provider_call(item: dict[str, Any]) -> bool:
    """Whether the item tells what the provider did by itself; one of an unknown type does, too.

    What has a role says something, and only a message may.
    """
    kind = item.get("type")
    return isinstance(kind, str) and bool(kind) and kind not in _OURS and "role" not in item


def find_summary(item: dict[str, Any]) -> str:
    """What an item of reasoning shows: its summary, and its text where a provider gives that."""
    texts: list[str] = []
    for name in ("summary", "content"):
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                texts.append(part["text"])
    return BETWEEN_SUMMARIES.join(texts)
