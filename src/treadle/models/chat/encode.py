"""Writes a request as chat completions has it. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ...core.events import Attachment, Audio, Call, Image, Text, Thinking
from ...core.legal import put_beside_results
from ...core.model import Message, Request, ToolSchema
from ...core.values import Part, thinking_of
from ..dialect import RequestFields
from .sendable_fields import sendable_fields

_encode = msgspec.json.Encoder().encode
_SHOWN_FIELDS = (
    *("role", "content", "tool_calls", "tool_call_id", "function_call", "name"),
    *("refusal", "audio"),
)
"""The fields of a message that say whose it is, and what the model is told."""


def encode_request(request: Request, fields: RequestFields) -> bytes:
    """The body. Messages and tools were encoded when they came first, and are only joined here."""
    settings: dict[str, Any] = {
        "model": fields.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        fields.accepted.output_limit: request.max_output_tokens,
    }
    if request.output_schema:
        schema = {"name": "answer", "schema": request.output_schema}
        settings["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.cache_key and fields.accepted.cache_key:
        settings[fields.accepted.cache_key] = request.cache_key
    settings |= {**fields.added, **fields.extra}
    settings.pop("tools", None)
    settings = {key: value for key, value in settings.items() if value is not None}
    tools = [tool.encoded(encode_tool) for tool in request.tools]
    if tools and request.tool_choice == "none":
        settings["tool_choice"] = "none"
    tools += [_encode(tool) for tool in fields.provider_tools]
    all_tools = b',"tools":[%s]' % b",".join(tools) if tools else b""
    shown = put_beside_results(request.messages)
    messages = b",".join([message.encoded(encode_message) for message in shown])
    return b'%s%s,"messages":[%s]}' % (_encode(settings)[:-1], all_tools, messages)


def encode_message(message: Message) -> bytes:
    """One message. The provider's own fields say nothing to the model that people aren't shown."""
    shown: dict[str, Any] = {"role": message.role, "content": message.text}
    thinking = thinking_of(message.content)
    own = sendable_fields(message.opaque, message.text, thinking)
    if not isinstance(message.content, str):
        for part in message.content:
            if isinstance(part, Text | Thinking):
                own |= sendable_fields(_own_fields(part), part.text, thinking)
        if message.parts:
            shown["content"] = _encode_parts(message.content)
    if message.calls:
        shown["content"] = message.text or None
        shown["tool_calls"] = [_encode_call(call) for call in message.calls]
    if message.call_id:
        shown["tool_call_id"] = message.call_id
    for key in _SHOWN_FIELDS:
        own.pop(key, None)
    return _encode(shown | own)


def encode_tool(tool: ToolSchema) -> bytes:
    """One tool, as a function."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return _encode({"type": "function", "function": function})


def _encode_parts(content: Iterable[Part]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        elif isinstance(part, Attachment):
            parts.append(_encode_part(part))
    return parts


def _encode_part(part: Attachment) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.url}}
    if isinstance(part, Audio):
        head, _, data = part.url.partition(",")
        sound = {"data": data, "format": "wav" if "wav" in head else "mp3"}
        return {"type": "input_audio", "input_audio": sound}
    if not part.url.startswith("data:"):  # chat completions take no file by its address
        return {"type": "text", "text": f"The file {part.name} is at {part.url}"}
    return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _encode_call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    own = sendable_fields(_own_fields(call), "", "")
    return own | {"id": call.id, "type": "function", "function": function}


def _own_fields(block: Text | Thinking | Call) -> dict[str, Any]:
    """The provider's own fields; none of an item of another dialect, which has a type."""
    return {} if "type" in block.opaque else block.opaque
