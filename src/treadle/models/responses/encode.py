"""Writes a request as the Responses API has it. Pure.

1. Nothing is stored at the provider: each request has the whole history, with the model's encrypted
   reasoning (https://developers.openai.com/api/docs/guides/reasoning, read 2026-11-27).
2. What comes first in the prompt is the same bytes from step to step: tools and instructions, then
   the items. Each message is encoded once.
3. Settings may have the names that chat completions use: they are the ones that people know.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...core.events import Audio
from ...core.legal import fill_empty, put_beside_results, tell_of_sounds
from ...core.model import Message, Request, ToolSchema
from ..dialect import RequestFields, find_settings, join_body, set_tool_choice
from .encode_items import encode_message, encode_output, encode_with_own_ids, provider_ids

_encode = msgspec.json.Encoder().encode
_SOURCES = {
    "web_search": "web_search_call.action.sources",
    "web_search_preview": "web_search_call.action.sources",
    "file_search": "file_search_call.results",
    "code_interpreter": "code_interpreter_call.outputs",
}
"""What to ask for beside a tool that the provider runs, so that the log has what it found."""
_RENAMED: Mapping[str, tuple[str, str]] = {
    "reasoning_effort": ("reasoning", "effort"),
    "verbosity": ("text", "verbosity"),
    "response_format": ("text", "format"),
}
"""Fields of chat completions that stand inside of another one here."""
SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "effort": "reasoning_effort",
    "service_tier": "service_tier",
    "parallel_tool_calls": "parallel_tool_calls",
}
"""The names of ModelSettings, and those by which `_set` knows them. There is no seed or stop."""
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")


def encode_request(request: Request, fields: RequestFields) -> bytes:
    """The body. Messages and tools were encoded when they came first, and are only joined here."""
    accepted = fields.accepted
    shown = request.messages if accepted.takes_sound else tell_of_sounds(request.messages)
    messages = fill_empty(put_beside_results(shown, (Audio,)))
    settings: dict[str, Any] = {"model": fields.model, "stream": True, "store": False}
    if accepted.output_limit not in accepted.left_out:
        settings[accepted.output_limit] = request.max_output_tokens
    if request.cache_key and accepted.cache_key:
        settings[accepted.cache_key] = request.cache_key
    if request.output_schema:
        answer = {"type": "json_schema", "name": "answer", "schema": request.output_schema}
        settings["text"] = {"format": answer | {"strict": False}}
    for given in (find_settings(request, SETTINGS), fields.added, fields.extra):
        for name, value in given.items():
            _set(settings, name, value)
    set_tool_choice(settings, request, fields)
    _ask_for_sources(settings, fields)
    body = _encode(_without_none(settings))
    if messages and messages[0].role == "system":
        if "instructions" not in fields.extra:
            body = b"%s,%s}" % (body[:-1], messages[0].encoded(_encode_instructions))
        messages = messages[1:]
    tools = [tool.encoded(encode_tool) for tool in request.tools]
    tools += [_encode(tool) for tool in fields.provider_tools]
    lists: dict[str, Sequence[bytes]] = {"tools": tools} if tools else {}
    lists["input"] = _encode_items(messages)
    return join_body(body, lists)


def encode_tool(tool: ToolSchema) -> bytes:
    """One tool. `strict` is said, since here it is true by default and bars optional arguments."""
    return _encode(
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": False,
        }
    )


def _encode_instructions(system: Message) -> bytes:
    return b'"instructions":%s' % _encode(system.text)


def _encode_items(messages: Sequence[Message]) -> list[bytes]:
    """The items of the messages. A call and its result have the same id, and no other has it."""
    items: list[bytes] = []
    sent_ids: dict[str, str] = {}
    """By our own id of a call."""
    used: set[str] = set()
    for message in messages:
        encode: Callable[[Message], bytes] = encode_message
        if message.calls:
            ids = provider_ids(message)
            if len(set(ids)) < len(ids) or not used.isdisjoint(ids):
                encode = encode_with_own_ids
                ids = [call.id for call in message.calls]
            used.update(ids)
            sent_ids |= zip([call.id for call in message.calls], ids, strict=True)
        if message.role == "tool":
            call_id = sent_ids.get(message.call_id, message.call_id)
            head = b'{"type":"function_call_output","call_id":%s,' % _encode(call_id)
            items.append(head + message.encoded(encode_output))
        elif encoded := message.encoded(encode):
            items.append(encoded)
    return items


def _set(settings: dict[str, Any], name: str, value: Any) -> None:
    """Set one field of the body, by its name here or in chat completions.

    Objects and `include` are joined with what is there: whoever sets an effort wants the format of
    the answer too. None removes a field.
    """
    if name in ("tools", "instructions") and (name == "tools" or value is None):
        return  # the tools stand apart; without instructions there is nothing to send
    if name in _OUTPUT_LIMITS:
        name = "max_output_tokens"
    if name in _RENAMED:
        name, inner = _RENAMED[name]
        value = {inner: _flatten_format(value) if inner == "format" else value}
    old = settings.get(name)
    if isinstance(old, dict) and isinstance(value, Mapping):
        value = {**old, **value}
    elif name == "include" and isinstance(value, list | tuple):
        value = list(dict.fromkeys([*(old or ()), *value]))
    settings[name] = value


def _flatten_format(value: Any) -> Any:
    """A `response_format` as it is here: name and schema stand beside the type."""
    if isinstance(value, Mapping) and isinstance(value.get("json_schema"), Mapping):
        return {"type": "json_schema", **value["json_schema"]}
    return value


def _ask_for_sources(settings: dict[str, Any], fields: RequestFields) -> None:
    if "include" in fields.extra:
        return
    kinds = [tool.get("type") for tool in fields.provider_tools if isinstance(tool, Mapping)]
    wanted = [_SOURCES[kind] for kind in kinds if isinstance(kind, str) and kind in _SOURCES]
    if wanted:
        _set(settings, "include", wanted)


def _without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value, also inside of objects such as `reasoning`."""
    kept: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            value = {key: each for key, each in value.items() if each is not None} or None
        if value is not None:
            kept[name] = value
    return kept
