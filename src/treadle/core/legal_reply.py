"""A reply in the form in which every provider takes it back. Pure."""

from contextlib import suppress

import msgspec

from . import events as e
from .arguments import parse_json_object
from .errors import ToolError
from .finish_reasons import PAUSED
from .strict_json import value_of
from .values import Block, Replied, calls_of, text_of


def legal_content(reply: e.ModelReplied, without_calls: bool) -> Replied:
    """The reply as it goes back to the model: its calls are legal, or left out."""
    if isinstance(reply.content, str):
        return reply.content or reply.refusal
    blocks: list[Block] = []
    for block in reply.content:
        if not isinstance(block, e.Call):
            blocks.append(block)
        elif not without_calls:
            blocks.append(_make_legal(block))
    content = tuple(blocks)
    has_more_than_text = any(not isinstance(block, e.Text) or block.opaque for block in content)
    says_something = bool(text_of(content) or calls_of(content)) or reply.finish_reason == PAUSED
    if has_more_than_text and says_something:
        return content
    return text_of(content) or reply.refusal


def one_line(text: str) -> str:
    """A JSON text without line breaks of its own: it can't forge a line of a prompt."""
    with suppress(ValueError):
        return msgspec.json.encode(value_of(text)).decode()
    return msgspec.json.encode(text).decode()


def _make_legal(call: e.Call) -> e.Call:
    """The call as a provider takes it back: a legal name, and arguments that are a JSON object."""
    characters = [char if _is_legal(char) else "_" for char in call.name]
    name = "".join(characters)[:64] or "_"
    return e.Call(call.id, name, _legal_arguments(call.arguments), call.opaque, call.provider_id)


def _is_legal(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char in "_-")


def _legal_arguments(text: str) -> str:
    with suppress(ValueError, ToolError):
        if isinstance(value_of(text or "{}"), dict):
            return text
        return msgspec.json.encode(parse_json_object(text)).decode()
    return msgspec.json.encode({"not_json": text[:1000]}).decode()
