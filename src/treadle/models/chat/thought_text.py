"""What the model thinks, as text to show, from the fields in which servers send it. Pure."""

from collections.abc import Iterator
from typing import Any

THINKING_TEXTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Fields in which servers show what the model thinks, as text."""
_LISTS = ("reasoning_details", "thinking_blocks")
"""Fields with parts of it: of OpenRouter and LiteLLM. content_parts.py reads those of Mistral."""
_TEXTS = ("thinking", "reasoning", "text", "summary")
"""Fields of such a part. What is encrypted stands in others."""


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
        if isinstance(parts, list) and (thought := "".join(_thoughts_of(parts))):
            return thought
    return ""


def _thoughts_of(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if isinstance(kind, str) and kind.startswith(("thinking", "reasoning")):
            yield _text_of(part)


def _text_of(part: dict[str, Any]) -> str:
    for key in _TEXTS:
        match part.get(key):
            case str() as text if text:
                return text
            case list() as texts:  # Mistral's, and summaries in parts
                found = [each.get("text") for each in texts if isinstance(each, dict)]
                return "".join(text for text in found if isinstance(text, str))
    return ""
