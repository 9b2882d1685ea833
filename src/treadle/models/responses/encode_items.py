"""Writes messages as items of the Responses API. Pure; each function's bytes are kept.

1. What the provider gave goes back as it came, in its order: reasoning before the call or the words
   that it led to, with the ids of all of them. A model refuses one without the other ("Item 'fc_1'
   of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'").
2. So reasoning that can't go back, because it isn't encrypted or nothing follows it, takes the ids
   of its neighbours with it: without an id, an item needs no other.
3. Opaque fields add to what is shown and never replace it. What the model said is what the log
   shows, and an item of another kind than its block's is left out: a log may come from strangers.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...core.events import Attachment, Audio, Call, Image, ProviderCall, Text, Thinking
from ...core.model import Message
from ...core.values import Part
from .item_types import BETWEEN_MESSAGES, THINKS, find_summary, is_provider_call

_encode = msgspec.json.Encoder().encode
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_Item = dict[str, Any]


def encode_message(message: Message) -> bytes:
    """The message's items, joined by commas; b"" if there are none."""
    return _encode_message(message, provider_ids(message))


def encode_with_own_ids(message: Message) -> bytes:
    """As `encode_message`, with our own ids of the calls: the provider's were used before."""
    return _encode_message(message, [call.id for call in message.calls])


def encode_output(message: Message) -> bytes:
    """The end of a `function_call_output`; its call's id stands before it."""
    output: Any = message.text
    if message.parts:
        output = _encode_parts(message.content)
    return b'"output":%s}' % _encode(output)


def provider_ids(message: Message) -> list[str]:
    """The ids of the message's calls as the provider gave them, or our own where it gave none."""
    return [
        call.provider_id if _LEGAL_ID.fullmatch(call.provider_id) else call.id
        for call in message.calls
    ]


def _encode_message(message: Message, call_ids: Sequence[str]) -> bytes:
    if message.role == "assistant" and not isinstance(message.content, str):
        items = _reply_items(message.content, list(call_ids))
    elif message.role == "assistant":
        items = [_plain_message("assistant", message.text)]
    else:
        role = "developer" if message.role == "system" else message.role
        items = [_plain_message(role, message.text)]
        if message.parts:
            items[0]["content"] = _encode_parts(message.content)
    return b",".join([_encode(item) for item in items])


def _plain_message(role: str, text: str) -> _Item:
    return {"type": "message", "role": role, "content": text}


def _reply_items(content: Iterable[Part], call_ids: list[str]) -> list[_Item]:
    items: list[_Item] = []
    has_words = False
    for block in content:
        if isinstance(block, Thinking):
            items += _reasoning(block)
        elif isinstance(block, Text):
            _add_text(items, block, has_words)
            has_words = True
        elif isinstance(block, Call):
            items.append(_call(block, call_ids.pop(0)))
        elif isinstance(block, ProviderCall) and is_provider_call(block.opaque):
            items.append(_without_none(block.opaque))
    return _drop_lonely_reasoning(items)


def _reasoning(block: Thinking) -> list[_Item]:
    """The item of a thought; empty for one that another dialect or nobody has given."""
    item = block.opaque
    if item.get("type") not in THINKS:
        return []
    if find_summary(item) != block.text:
        shown = [{"type": "summary_text", "text": block.text}] if block.text else []
        item = item | {"summary": shown, "content": None}
    if item["type"] == "reasoning":
        item = {"summary": []} | item
    return [_without_none(item)]


def _drop_lonely_reasoning(items: list[_Item]) -> list[_Item]:
    kept: list[_Item] = []
    lost = False
    """Whether the last reasoning can't go back."""
    for index, item in enumerate(items):
        if item.get("type") in THINKS:
            rest = items[index + 1 :]
            lost = not _can_go_back(item, rest)
            kept += [] if lost else [item]
        else:
            kept += _without_id(item) if lost else [item]
    return kept


def _can_go_back(item: _Item, rest: list[_Item]) -> bool:
    """Whether the provider can read it, though it stored nothing: it is encrypted, or plain."""
    if item["type"] == "reasoning" and all(each.get("type") in THINKS for each in rest):
        return False  # "without its required following item"
    return bool(item.get("encrypted_content") or item.get("content"))


def _without_id(item: _Item) -> list[_Item]:
    """The item as one that depends on no other; empty if it is nothing without its id."""
    if item.get("type") == "function_call":
        return [{key: value for key, value in item.items() if key != "id"}]
    if item.get("type") != "message":
        return []
    said = item["content"]
    text = said if isinstance(said, str) else "".join([part["text"] for part in said])
    message = _plain_message("assistant", text)
    if "phase" in item:
        message["phase"] = item["phase"]
    return [message]


def _add_text(items: list[_Item], block: Text, has_words: bool) -> None:
    """Add what was said: to the last message if both are parts of one, else as a new one."""
    own = block.opaque
    is_item = own.get("type") == "message" and isinstance(own.get("id"), str)
    part: _Item = {"annotations": [], "logprobs": []}
    if isinstance(own.get("part"), dict):
        part |= _without_none(own["part"])
    part |= {"type": "output_text", "text": block.text}
    last = items[-1] if items else {}
    if is_item and last.get("id") == own["id"] and last.get("type") == "message":
        last["content"].append(part)
        return
    if has_words:
        part["text"] = block.text.removeprefix(BETWEEN_MESSAGES)
    if not is_item:
        items.append(_plain_message("assistant", part["text"]))
        return
    head = {key: value for key, value in own.items() if key != "part"}
    item = {"status": "completed"} | head | {"role": "assistant", "content": [part]}
    items.append(_without_none(item))


def _call(block: Call, call_id: str) -> _Item:
    own = block.opaque if block.opaque.get("type") == "function_call" else {}
    shown = {
        "type": "function_call",
        "call_id": call_id,
        "name": block.name,
        "arguments": block.arguments or "{}",
    }
    return _without_none(own | shown)


def _encode_parts(content: Iterable[Part]) -> list[_Item]:
    parts: list[_Item] = []
    for part in content:
        if isinstance(part, str):
            parts.append({"type": "input_text", "text": part})
        elif isinstance(part, Attachment):
            parts.append(_encode_part(part))
    return parts


def _encode_part(part: Attachment) -> _Item:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": part.url, "detail": "auto"}
    if isinstance(part, Audio):
        head, _, data = part.url.partition(",")
        sound = {"data": data, "format": "wav" if "wav" in head else "mp3"}
        return {"type": "input_audio", "input_audio": sound}
    if part.url.startswith("data:"):
        return {"type": "input_file", "filename": part.name, "file_data": part.url}
    return {"type": "input_file", "file_url": part.url}


def _without_none(item: _Item) -> _Item:
    """The item without fields that are null: replies have them, and requests may not."""
    return {key: value for key, value in item.items() if value is not None}
