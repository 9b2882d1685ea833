"""Calls, arguments and results as text that fits on a line. Pure."""

import json
from typing import Any

import msgspec

from ..core import events as e
from .amounts import format_cost, format_seconds

WIDTH = 100
"""How many characters of a text its line shows."""
VALUE = 60
"""How many characters of one argument a line shows."""


OUTCOMES = {
    "ran": "it ran",
    "not_run": "it did not run, and may",
    "tell": "nobody knows",
    "unclear": "nobody can tell",
}
"""What an OutcomeDecided says, in words."""


def retry_text(wait_s: float | None, unknown: bool = False) -> str:
    """When the next try comes; "" if none comes. `unknown` as in ToolFailed."""
    if wait_s is None:
        return ""
    if unknown:
        return "; nobody knows what it did"
    return f"; again in {format_seconds(wait_s)}"


def call_text(call: e.Call) -> str:
    """A call as code, such as `name(a=1)`, cut to fit a line."""
    return f"{shorten(call.name, VALUE)}({arguments_text(call.arguments)})"


def arguments_text(text: str) -> str:
    """A call's arguments as `name="value"`, each cut; other text than a JSON object is kept."""
    arguments = parse_arguments(text)
    if isinstance(arguments, str):
        return shorten(text, WIDTH)
    parts = []
    for key, each in arguments.items():
        shown = shorten(json.dumps(each, ensure_ascii=False), VALUE)
        parts.append(f"{shorten(key, VALUE)}={shown}")
    return ", ".join(parts)


def parse_arguments(text: str) -> dict[str, Any] | str:
    """A call's arguments; the text itself if it is no JSON object."""
    try:
        value = msgspec.json.decode(text or "{}")  # unlike json, it refuses lone surrogates
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def describe_choice(call_id: str, content: str) -> str:
    """If the call is a graph's choice: which way it went and why. Else the content unchanged."""
    if ".choice" not in call_id:
        return content
    try:
        choice = json.loads(content)
        text = f"{choice['way']} → {choice['to']}"
        if choice["why"]:
            text += f", because {choice['why']}"
    except (ValueError, TypeError, KeyError):  # another call with such an id
        return content
    return text


def shorten(text: str, width: int) -> str:
    """The text as one line of at most `width` characters."""
    line = " ".join(text[: width * 8].split())
    if len(line) > width:
        return line[: width - 1] + "…"
    return line


def words_before(reply: e.ModelReplied) -> list[str]:
    """What a reply has besides words and calls: thinking, and what the provider ran by itself."""
    found = []
    if reply.thinking:
        found.append(f"thinks {reply.thinking}")
    if isinstance(reply.content, str):
        return found
    for block in reply.content:
        if isinstance(block, e.ProviderCall):
            text = f"the provider ran {block.name}({block.arguments})"
            if block.sources:
                text += f", from {', '.join(source.url for source in block.sources)}"
            found.append(text)
    return found


def late_text(claim: str) -> str:
    """Says of an outcome with this claim that its driver had lost the thread; "" without one."""
    if not claim:
        return ""
    return f" (learned late, by the driver of claim {claim}, which had lost the thread)"


def posted_text(by: str) -> str:
    """Says of a result who has posted it; "" for the tool's own."""
    return by and f" (posted by {by})"


def usage_text(usage: e.Usage, cost_usd: float | None) -> str:
    """Tokens in and out, and what they cost, if that is known."""
    text = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens"
    if usage.estimated:
        text = f"~{text}"
    if cost_usd:
        text += f", {format_cost(cost_usd)}"
    return text
