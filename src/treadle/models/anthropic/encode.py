"""Writes a request as Anthropic Messages has it. Pure.

1. Tools come first in what the model reads, then the system prompt, then the messages. Each message
   is encoded once.
2. A cache point stands at the end of the system prompt, of the last message to the model, and of
   the one before: there the last request ended, so its whole prompt is found again however many
   blocks have come since. (From a single point at the end, only twenty blocks are looked back.) It
   is no part of what is cached. At most four are allowed, so one is left for the user's tools.
   https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-27
3. What the model said goes back block by block, as it came.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...core.events import Call, ProviderCall, Text, Thinking
from ...core.legal import SAID_NOTHING, fill_empty
from ...core.model import Message, Request, ToolSchema
from ...core.model_settings import FIELD_NAMES
from ..dialect import RequestFields, join_body, set_tool_choice
from ..parameter_names import with_legal_names
from .history import find_open_reply, fit_history
from .opaque import own_fields, provider_blocks, sent_id, thinking_block
from .output_schema import constrain_schema
from .parts import encode_content, text_block

_encode = msgspec.json.Encoder().encode
_CACHE = {"type": "ephemeral"}
_SAME_NAME = ("temperature", "top_p", "service_tier")
SETTINGS = {
    **{name: name for name in _SAME_NAME},
    "effort": "output_config",
    "stop": "stop_sequences",
    "parallel_tool_calls": "tool_choice",
}
"""The ModelSettings that have a place here, and their fields in the body. There is no seed."""
_OBJECTS = ("output_config", "tool_choice")
"""The fields that are joined, name by name, with what Treadle sends there."""
_JOINED = frozenset(("messages", "system", "tools", "cache_control"))
"""The fields that aren't simply written as they are given."""

_THOUGHTS = ("thinking", "redacted_thinking")
LEAST_THINKING = 1024
"""Fewer tokens for thinking are refused.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking, read 2026-11-28
"""

Turn = tuple[str, bytes]
"""A role, and the blocks of a message, joined by commas."""


def encode_request(request: Request, fields: RequestFields) -> bytes:
    """The body. Messages and tools were encoded when they came first, and are only joined here."""
    settings: dict[str, Any] = {
        "model": fields.model,
        "max_tokens": request.max_output_tokens,
        "stream": True,
    }
    schema = None
    accepted = fields.accepted
    takes_schema = accepted.output_format and "output_config" not in accepted.left_out
    if takes_schema and request.output_schema:
        schema = constrain_schema(request.output_schema)
    if schema:
        settings["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    settings |= _find_container(request.messages)
    settings = _add_fields(settings, _encode_settings(request, fields.extra))
    settings = _add_fields(settings, {**fields.added, **fields.extra})
    settings |= _fit_thinking(settings)
    set_tool_choice(settings, request, fields, {"type": "none"})
    point = _encode_point(fields.extra)
    messages = fill_empty(fit_history(request, accepted.bound_thoughts))
    system = encode_system(messages)
    tools = [tool.encoded(encode_tool) for tool in request.tools]
    if system:
        system[-1] = add_point(system[-1], point)
    elif tools:
        tools[-1] = add_point(tools[-1], point)
    tools += [_encode(tool) for tool in fields.provider_tools]
    encode = encode_reply
    if accepted.unsigned_thoughts and not _thinks_not(settings):
        encode = encode_reply_with_thought
    lists = {"tools": tools, "system": system, "messages": encode_turns(messages, point, encode)}
    return join_body(_encode(settings), {name: each for name, each in lists.items() if each})


def encode_tool(tool: ToolSchema) -> bytes:
    """One tool."""
    shown: dict[str, Any] = {"name": tool.name}
    if tool.description:
        shown["description"] = tool.description
    return _encode(shown | {"input_schema": with_legal_names(tool.parameters)})


def encode_system(messages: Sequence[Message]) -> list[bytes]:
    """The blocks of the system prompt: all system messages before the first other one."""
    blocks: list[bytes] = []
    for message in messages:
        if message.role != "system":
            break
        if message.text.strip():
            blocks.append(message.encoded(encode_said))
    return blocks


def encode_turns(
    messages: Sequence[Message], point: bytes, encode: Callable[[Message], bytes]
) -> list[bytes]:
    """The messages in turns of roles, the first one a person's, with their cache points.

    `encode` writes the replies.
    """
    turns: list[Turn] = []
    ids: dict[str, str] = {}
    began = False
    for message in messages:
        began = began or message.role != "system"
        if not began:
            continue
        ids |= {call.id: sent_id(call) for call in message.calls}
        role, blocks = _encode_blocks(message, ids, encode)
        if not blocks:
            continue
        if turns and turns[-1][0] == role:
            turns[-1] = (role, b"%s,%s" % (turns[-1][1], blocks))
        else:
            turns.append((role, blocks))
    if not turns or turns[0][0] == "assistant":
        turns.insert(0, ("user", _encode(text_block(SAID_NOTHING))))
    marked = [index for index, (role, _) in enumerate(turns) if role == "user"][-2:]
    for index in marked:
        role, blocks = turns[index]
        turns[index] = (role, add_point(blocks, point))
    return [b'{"role":"%s","content":[%s]}' % (role.encode(), blocks) for role, blocks in turns]


def add_point(blocks: bytes, point: bytes) -> bytes:
    """The blocks with a cache point at the last one."""
    return b'%s,"cache_control":%s}' % (blocks[:-1], point) if point else blocks


def encode_said(message: Message) -> bytes:
    """The blocks of what a person said, or of a system message."""
    return b",".join(map(_encode, encode_content(message.content)))


def encode_result(message: Message) -> bytes:
    """A tool's result without the id of its call: the rest of a JSON object."""
    shown: dict[str, Any] = {}
    content = encode_content(message.content)
    if content:
        shown["content"] = content
    if message.is_error:
        shown["is_error"] = True
    encoded = _encode(shown)
    return b",%s" % encoded[1:] if shown else encoded[1:]


def encode_reply(message: Message) -> bytes:
    """The blocks of what the model said."""
    return b",".join(map(_encode, _reply_blocks(message)))


def encode_reply_with_thought(message: Message) -> bytes:
    """As `encode_reply`, for a server that doesn't sign its thoughts and wants one before calls."""
    blocks = _reply_blocks(message, takes_unsigned=True)
    if message.calls and not any(block["type"] in _THOUGHTS for block in blocks):
        blocks.insert(0, {"type": "thinking", "thinking": "", "signature": ""})
    return b",".join(map(_encode, blocks))


def _reply_blocks(message: Message, takes_unsigned: bool = False) -> list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        content = (Text(content),)
    blocks: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, Text) and part.text.strip():
            blocks.append(text_block(part.text) | own_fields(part.opaque, "text"))
        elif isinstance(part, Thinking):
            thought = thinking_block(part, takes_unsigned)
            blocks += [thought] if thought else []
        elif isinstance(part, Call):
            blocks.append(_encode_call(part))
        elif isinstance(part, ProviderCall):
            blocks += provider_blocks(part)
    while blocks and blocks[-1]["type"] in _THOUGHTS:
        blocks.pop()  # refused at the end of a message; its calls may have been left out
    return blocks


def _encode_blocks(
    message: Message, ids: Mapping[str, str], encode: Callable[[Message], bytes]
) -> Turn:
    """The role and the blocks. A system message in mid-history becomes a person's."""
    if message.role == "assistant":
        return "assistant", message.encoded(encode)
    if message.role != "tool":
        return "user", message.encoded(encode_said)
    call_id = _encode(ids.get(message.call_id, message.call_id))
    rest = message.encoded(encode_result)
    return "user", b'{"type":"tool_result","tool_use_id":%s%s' % (call_id, rest)


def _encode_call(call: Call) -> dict[str, Any]:
    shown = {
        "type": "tool_use",
        "id": sent_id(call),
        "name": call.name,
        "input": msgspec.Raw((call.arguments.strip() or "{}").encode()),
    }
    return own_fields(call.opaque, "tool_use") | shown


def _find_container(messages: Sequence[Message]) -> dict[str, Any]:
    """Where Anthropic runs code for the reply that this request goes on with."""
    index = find_open_reply(messages)
    if index is None:
        return {}
    container = own_fields(messages[index].opaque, "message").get("container")
    if not isinstance(container, dict) or not isinstance(container.get("id"), str):
        return {}
    return {"container": container["id"]}


def _encode_settings(request: Request, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are given, as the API has them. Those that `extra` removes are left out."""
    left_out = {FIELD_NAMES.get(name, name) for name in extra}
    asked = request.settings
    given = {name: getattr(asked, name) for name in asked.given() if name not in left_out}
    made = {name: given[name] for name in _SAME_NAME if name in given}
    if given.get("stop"):
        made["stop_sequences"] = given["stop"]
    if "effort" in given:
        made["output_config"] = {"effort": given["effort"]}
    if "parallel_tool_calls" in given and request.tools and request.tool_choice == "auto":
        one_by_one = not given["parallel_tool_calls"]
        made["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": one_by_one}
    return made


def _fit_thinking(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The user's `thinking`, where its budget leaves no token of this reply for words.

    A summary, a last word and what a limit has left are shorter than other replies.
    """
    thinking, most = settings.get("thinking"), settings.get("max_tokens")
    if not isinstance(thinking, Mapping) or not isinstance(most, int):
        return {}
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < most:
        return {}
    if most * 3 // 4 < LEAST_THINKING:
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {**thinking, "budget_tokens": most * 3 // 4}}


def _thinks_not(settings: Mapping[str, Any]) -> bool:
    """Whether thinking is switched off."""
    thinking = settings.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") == "disabled"


def _encode_point(extra: Mapping[str, Any]) -> bytes:
    """The value of all cache points: the user's, such as {"type": "ephemeral", "ttl": "1h"}."""
    point = extra.get("cache_control", _CACHE)
    return _encode(point) if point else b""


def _add_fields(settings: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the fields given. Effort and format stand together in `output_config`."""
    made = dict(settings)
    for name, value in given.items():
        if name in _JOINED:
            continue
        if name in _OBJECTS and isinstance(value, Mapping):
            value = {**(made.get(name) or {}), **value}
        made[name] = value
    return {name: value for name, value in made.items() if value is not None}
