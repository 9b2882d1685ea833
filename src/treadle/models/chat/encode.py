"""Writes a request as chat completions has it. Pure."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ...core.events import Attachment, Audio, Call, Image, Text, Thinking
from ...core.growing import go_on
from ...core.legal import (
    GivenIds,
    bridge_results,
    fill_empty,
    put_beside_results,
    put_into_first,
    use_provider_ids,
)
from ...core.model import Message, Request, ToolSchema
from ...core.values import Part, thinking_of
from ..accepted_fields import AcceptedFields
from ..data_url import read_text_file
from ..dialect import RequestFields, find_settings, join_body, set_tool_choice
from ..parameter_names import with_legal_names
from .content_parts import parts_of
from .sendable_fields import sendable_fields

_encode = msgspec.json.Encoder().encode
SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "effort": "reasoning_effort",
    "seed": "seed",
    "stop": "stop",
    "service_tier": "service_tier",
    "parallel_tool_calls": "parallel_tool_calls",
}
"""The names of ModelSettings, and those of chat completions."""
_UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""What Google takes for the signature of a call that another model has made."""
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
    if request.output_schema and _takes_schema(request, fields.accepted):
        schema = {"name": "answer", "schema": request.output_schema}
        settings["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.cache_key and fields.accepted.cache_key:
        settings[fields.accepted.cache_key] = request.cache_key
    settings |= find_settings(request, SETTINGS)
    settings |= {**fields.added, **fields.extra}
    settings.pop("tools", None)
    settings = {key: value for key, value in settings.items() if value is not None}
    accepted = fields.accepted
    write_tool = encode_plain_tool if accepted.plain_names else encode_tool
    tools = [tool.encoded(write_tool) for tool in request.tools]
    tools += [_encode(tool) for tool in fields.provider_tools]
    set_tool_choice(settings, request, fields)
    lists: dict[str, Sequence[bytes]] = {"tools": tools} if tools else {}
    lists["messages"] = _encode_messages(request.messages, accepted)
    return join_body(_encode(settings), lists)


class _Written(msgspec.Struct, frozen=True):
    """The beginning of a history as it is sent."""

    messages: tuple[bytes, ...] = ()
    ids: GivenIds = GivenIds()


def _encode_messages(shown: tuple[Message, ...], accepted: AcceptedFields) -> tuple[bytes, ...]:
    if go_on("parts", _have_parts, False, shown):
        shown = put_beside_results(shown)
    if accepted.system_role == "user":
        shown = put_into_first(shown)
    if accepted.bridges_results:
        shown = bridge_results(shown)
    reply_fields = tuple(accepted.reply_fields.items())
    encode = _message_encoder(
        accepted.system_role, reply_fields, accepted.takes_null, accepted.wants_signed_calls
    )

    def write(before: _Written, new: Sequence[Message]) -> _Written:
        if not accepted.takes_empty:
            new = fill_empty(tuple(new))
        new, ids = use_provider_ids(new, before.ids)
        return _Written((*before.messages, *[each.encoded(encode) for each in new]), ids)

    return go_on((encode, accepted.takes_empty), write, _Written(), shown).messages


def _have_parts(before: bool, messages: Sequence[Message]) -> bool:
    return before or any(message.role == "tool" and message.parts for message in messages)


def _takes_schema(request: Request, accepted: AcceptedFields) -> bool:
    if accepted.json_schema == "without tools":
        return not request.tools
    return accepted.json_schema == "always"


@functools.cache
def _message_encoder(
    system_role: str,
    reply_fields: tuple[tuple[str, str | None], ...],
    takes_null: bool,
    wants_signed_calls: bool,
) -> Callable[[Message], bytes]:
    """Writes messages for a model that wants another role, or other fields in its replies.

    The same function each time, so that what it made of a message is kept.
    """
    is_plain = system_role != "developer" and takes_null and not wants_signed_calls
    if is_plain and not reply_fields:
        return encode_message

    def encode(message: Message) -> bytes:
        shown = _to_fields(message)
        if message.role == "system":
            shown["role"] = "developer" if system_role == "developer" else "system"
        if shown["content"] is None and not takes_null:
            shown["content"] = ""
        for name, value in reply_fields:
            if value is None:
                shown.pop(name, None)
            elif message.role == "assistant":
                shown.setdefault(name, value)
        calls = shown.get("tool_calls", ())
        if wants_signed_calls and calls and not any("extra_content" in call for call in calls):
            calls[0]["extra_content"] = _UNSIGNED
        return _encode(shown)

    return encode


def encode_message(message: Message) -> bytes:
    """One message. The provider's own fields say nothing to the model that people aren't shown."""
    return _encode(_to_fields(message))


def _to_fields(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": message.text}
    if isinstance(message.content, str) and not message.opaque:
        if message.call_id:
            shown["tool_call_id"] = message.call_id
        return shown
    thinking = thinking_of(message.content)
    own = sendable_fields(message.opaque, message.text, thinking)
    if not isinstance(message.content, str):
        for part in message.content:
            if isinstance(part, Text | Thinking):
                own |= sendable_fields(_own_fields(part), part.text, thinking)
        if message.calls and not message.text:
            shown["content"] = None
        if message.parts or _has_own_parts(message.content):
            shown["content"] = _encode_parts(message.content)
    if message.calls:
        shown["tool_calls"] = [_encode_call(call) for call in message.calls]
    if message.call_id:
        shown["tool_call_id"] = message.call_id
    for key in _SHOWN_FIELDS:
        own.pop(key, None)
    return shown | own


def encode_tool(tool: ToolSchema) -> bytes:
    """One tool, as a function."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return _encode({"type": "function", "function": function})


def encode_plain_tool(tool: ToolSchema) -> bytes:
    """As `encode_tool`, with names of parameters that every provider takes."""
    return encode_tool(replace(tool, parameters=with_legal_names(tool.parameters)))


def _encode_parts(content: Iterable[Part]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        elif isinstance(part, Attachment):
            parts.append(_encode_part(part))
        elif isinstance(part, Text | Thinking):
            parts += parts_of(part)
            if isinstance(part, Text) and part.text:
                parts.append({"type": "text", "text": part.text})
    return parts


def _has_own_parts(content: Iterable[Part]) -> bool:
    return any(isinstance(part, Text | Thinking) and parts_of(part) for part in content)


def _encode_part(part: Attachment) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.url}}
    if isinstance(part, Audio):
        head, _, data = part.url.partition(",")
        sound = {"data": data, "format": "wav" if "wav" in head else "mp3"}
        return {"type": "input_audio", "input_audio": sound}
    if not part.url.startswith("data:"):  # chat completions take no file by its address
        return {"type": "text", "text": f"The file {part.name} is at {part.url}"}
    if text := read_text_file(part.url):  # OpenAI takes only PDFs, most servers no file at all
        return {"type": "text", "text": f"The file {part.name}:\n{text}"}
    return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _encode_call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    own = sendable_fields(_own_fields(call), "", "")
    return own | {"id": call.id, "type": "function", "function": function}


def _own_fields(block: Text | Thinking | Call) -> dict[str, Any]:
    """The provider's own fields; none of an item of another dialect, which has a type."""
    return {} if "type" in block.opaque else block.opaque
