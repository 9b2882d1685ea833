"""What the model is shown of a result of an MCP tool: texts, pictures, sounds, files, links."""

import base64
import binascii
import json
from typing import Any

import mcp_types as types

from ..core.errors import ToolError, UsageError
from ..core.events import Attachment, Audio, File, Image


def read_tool_result(result: types.CallToolResult) -> Any:
    """The result as a tool of Treadle returns one. Raises ToolError where the tool says so."""
    parts = [_read_block(block) for block in result.content]
    if result.is_error:
        texts = [part for part in parts if isinstance(part, str)]
        raise ToolError("\n".join(texts) or "the tool failed and said nothing")
    if not parts and "structured_content" in result.model_fields_set:
        return json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
    if all(isinstance(part, str) for part in parts):
        return "\n".join(str(part) for part in parts) or None
    return parts


def _read_block(block: types.ContentBlock) -> str | Attachment:
    match block:
        case types.TextContent(text=text):
            return text
        case types.ImageContent(data=data):
            return _attachment("picture", data, "")
        case types.AudioContent(data=data):
            return _attachment("sound", data, "")
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return f"[{resource.uri}]\n{resource.text}"
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            return _attachment("file", resource.blob, str(resource.uri))
        case types.ResourceLink():
            return _describe_link(block)
    return f"[a {block.type}, which can't be shown]"


def _describe_link(link: types.ResourceLink) -> str:
    told = [link.title or link.name, link.description or "", link.mime_type or ""]
    return f"[link {link.uri}: {', '.join(filter(None, told))}]"


def _attachment(kind: str, data: str, uri: str) -> str | Attachment:
    """What the base64 data is, by its own bytes; else words in its place."""
    name = uri.rpartition("/")[2]
    said = f"[a {kind} {name}".rstrip()
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return f"{said} that can't be shown: it is no base64]"
    for make in (Image.of, Audio.of, lambda source: File.of(source, name)):
        try:
            return make(content)
        except UsageError:
            continue
    try:
        return f"[{uri or kind}]\n{content.decode()}"
    except UnicodeDecodeError:
        return f"{said} of {len(content)} bytes that can't be shown]"
