"""Writes texts, pictures and files as content blocks of Anthropic Messages. Pure.

https://platform.claude.com/docs/en/build-with-claude/vision and …/pdf-support, read 2026-11-27.
"""

from collections.abc import Iterable
from typing import Any

from ...core.legal import NO_SOUND
from ...core.values import Attachment, Audio, Image, Part
from ..data_url import read_text_file, split_data_url

_TITLE_CHARS = 200


def encode_content(content: str | Iterable[Part]) -> list[dict[str, Any]]:
    """The blocks of what a person or a tool said; no empty text, which is refused."""
    parts = (content,) if isinstance(content, str) else content
    blocks: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Attachment):
            blocks.append(_encode_attachment(part))
        elif isinstance(part, str) and part.strip():
            blocks.append(text_block(part))
    return blocks


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _encode_attachment(part: Attachment) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image", "source": _source(part.url)}
    if isinstance(part, Audio):
        return text_block(NO_SOUND)
    media_type, _ = split_data_url(part.url)
    if not media_type or media_type == "application/pdf":
        source = _source(part.url)
    elif text := read_text_file(part.url):
        source = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        return text_block(f"(The file {part.name} is {media_type}, which this model can't read.)")
    document = {"type": "document", "source": source}
    if part.name:
        document["title"] = part.name[:_TITLE_CHARS]
    return document


def _source(url: str) -> dict[str, Any]:
    media_type, data = split_data_url(url)
    if not media_type:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": media_type, "data": data}
