"""What the results of Anthropic's own tools say: a short text, and where it was found. Pure.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools, read 2026-11-27. Much of
a result is encrypted; it is kept as it came beside what is said here.
"""

from dataclasses import dataclass
from typing import Any

from ...core.events import Source

MAX_CHARS = 20_000
MAX_SOURCES = 256


@dataclass(frozen=True)
class ProviderResult:
    """What is shown of a result."""

    text: str
    sources: tuple[Source, ...] = ()


def is_result(block: dict[str, Any]) -> bool:
    """Whether a block is the result of a tool that the provider ran."""
    return str(block.get("type")).endswith("_tool_result") and "tool_use_id" in block


def describe_result(block: dict[str, Any]) -> ProviderResult:
    """What a result says, as far as it isn't encrypted."""
    content = block.get("content")
    if isinstance(content, list):
        sources = _find_sources(content)
        lines = [f"{source.title} {source.url}".strip() for source in sources]
        return ProviderResult("\n".join(lines)[:MAX_CHARS], sources)
    if not isinstance(content, dict):
        return ProviderResult(content[:MAX_CHARS] if isinstance(content, str) else "")
    if "error_code" in content:
        return ProviderResult(f"error: {content['error_code']}"[:MAX_CHARS])
    sources = _find_sources([content])
    texts = [content.get(name) for name in ("stdout", "stderr", "content")]
    found = [text for text in texts if isinstance(text, str) and text]
    found += [source.url for source in sources]
    found += _tool_names(content.get("tool_references"))
    return ProviderResult("\n".join(found)[:MAX_CHARS], sources)


def _find_sources(items: list[Any]) -> tuple[Source, ...]:
    sources: list[Source] = []
    for item in items[:MAX_SOURCES]:
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            continue
        title = item.get("title")
        document = item.get("content")
        if isinstance(document, dict):  # a page that was fetched
            title = document.get("title")
        sources.append(Source(item["url"], title if isinstance(title, str) else ""))
    return tuple(sources)


def _tool_names(references: Any) -> list[str]:
    if not isinstance(references, list):
        return []
    names = [each.get("tool_name") for each in references if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)]
