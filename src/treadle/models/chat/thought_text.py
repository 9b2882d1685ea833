"""What the model thinks, as text to show, from the fields in which servers send it. Pure."""

from typing import Any

THINKING_TEXTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Fields in which servers show what the model thinks, as text."""
_LISTS = ("reasoning_details", "thinking_blocks")
"""Fields with parts of it: of OpenRouter and LiteLLM. content_parts.py reads those of Mistral."""
_TEXTS = ("thinking", "reasoning", "text", "summary")
"""Fields of such a part that show it. What is encrypted stands in others."""


def read_thought(message: dict[str, Any]) -> str:
    """The new piece of thinking in a delta or a message; "" if there is none to show.

    Of several fields only the first counts: some servers send the same under two names.
    """
    for key in THINKING_TEXTS:
        thought = message.get(key)
        if isinstance(thought, str) and thought:
            return thought
    for key in _LISTS:
        parts = message.get(key)
        if not isinstance(parts, list):
            continue
        thoughts = [part for part in parts if isinstance(part, dict) and is_thinking(part)]
        if thought := thought_in(thoughts):
            return thought
    return ""


def is_thinking(part: dict[str, Any]) -> bool:
    """Whether a part is the model's thinking."""
    kind = str(part.get("type"))
    return "thinking" in kind or "reasoning" in kind


def thought_in(value: Any) -> str:
    """The words of a thinking part, or of several; "" where none are shown."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "".join(map(thought_in, value))
    if isinstance(value, dict):
        shown = (value.get(key) for key in _TEXTS)
        return next((thought_in(each) for each in shown if each), "")
    return ""
