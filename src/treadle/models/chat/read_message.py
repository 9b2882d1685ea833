"""Reads one message of a chat-completions history: what was said, asked for and given. Pure.

What Treadle can't carry gets words in its place, and `lost` says what that was. Sources: the API
reference of OpenAI's chat completions, with its older function calls, and the fields `prefix`,
`partial` and `reasoning_content` of DeepSeek, Mistral and Moonshot; read in November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...core.attachments import check_url
from ...core.errors import UsageError
from ...core.values import (
    Attachment,
    Audio,
    Block,
    Call,
    File,
    Image,
    Replied,
    Said,
    Text,
    Thinking,
)
from .thought_text import thought_in

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TEXTS = ("text", "input_text", "output_text", "refusal")
_IMAGES = ("image_url", "input_image", "image")
_FILES = ("file", "input_file")
_READ = (
    *("role", "content", "name", "tool_calls", "function_call", "tool_call_id", "refusal", "audio"),
    *("prefix", "partial", "reasoning_content", "reasoning"),
)
"""The fields of a message that are read."""

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class ChatMessage:
    """One message of a history, in Treadle's own values."""

    role: str
    parts: tuple[str | Attachment, ...] = ()
    """What a message of any role but the assistant's holds."""
    blocks: tuple[Block, ...] = ()
    """What the assistant's message holds; its calls have the ids of the history."""
    name: str = ""
    """Who speaks, or which tool gave the result."""
    call_id: str = ""
    """In a result: the call that it answers; "" where the history doesn't say."""
    refusal: str = ""
    is_prefix: bool = False
    """Only the beginning of a reply, which the model was to go on with."""
    lost: tuple[str, ...] = ()
    """What isn't carried over, in words."""

    @property
    def said(self) -> Said:
        """The parts as a person's message has them."""
        if all(isinstance(part, str) for part in self.parts):
            return "\n".join(map(str, self.parts))
        return self.parts

    @property
    def replied(self) -> Replied:
        """The blocks as a reply has them."""
        if all(isinstance(block, Text) for block in self.blocks):
            return "".join(block.text for block in self.blocks if isinstance(block, Text))
        return self.blocks

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Call))


def read_message(given: Any, where: str) -> ChatMessage:
    """The message that a history has there. Raises UsageError, which names the place."""
    raw = _as_mapping(given, where)
    role = raw.get("role")
    if role not in ROLES:
        raise UsageError(f"{where}: its role is {role!r}; there are: {', '.join(ROLES)}")
    reader = _Reader(where)
    lost = [f"the field {key!r} of messages" for key in raw if key not in _READ and raw[key]]
    parts = reader.read_content(raw.get("content"))
    name = _text(raw, "name", where)
    if role == "assistant":
        return ChatMessage(
            "assistant",
            blocks=(*reader.read_thoughts(raw), *parts_as_blocks(parts), *reader.read_calls(raw)),
            name=name,
            refusal=_text(raw, "refusal", where) or reader.refusal,
            is_prefix=bool(raw.get("prefix") or raw.get("partial")),
            lost=(*lost, *reader.lost),
        )
    call_id = _text(raw, "tool_call_id", where)
    if role == "function":
        role, call_id = "tool", function_id(name)
    if role == "developer":
        role = "system"
    said = tuple(part for part in parts if not isinstance(part, Thinking))
    return ChatMessage(role, said, name=name, call_id=call_id, lost=(*lost, *reader.lost))


def function_id(name: str) -> str:
    """What stands for the id of an old function call, which had none."""
    return f"function:{name}"


def parts_as_blocks(parts: list[Any]) -> list[Block]:
    """Parts as a reply may have them: its pictures are named, since no model takes them back."""
    blocks: list[Block] = []
    for part in parts:
        if isinstance(part, Text | Thinking):
            blocks.append(part)
        elif isinstance(part, str):
            blocks.append(Text(part))
        else:
            blocks.append(Text(f"[{type(part).__name__.lower()} of the assistant]"))
    return [block for block in blocks if not isinstance(block, Text) or block.text]


class _Reader:
    """Reads the fields of one message, and keeps what is lost of it."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lost: list[str] = []
        self.refusal = ""

    def read_content(self, content: Any) -> list[str | Attachment | Thinking]:
        if content is None:
            return []
        if isinstance(content, str):
            return [content]
        if isinstance(content, Mapping):
            return [msgspec.json.encode(content).decode()]  # a result that wasn't made a text
        if not isinstance(content, list | tuple):
            raise UsageError(
                f"{self.where}: its content must be a text or a list of parts, not a"
                f" {type(content).__name__}"
            )
        return [self._read_part(part) for part in content]

    def _read_part(self, given: Any) -> str | Attachment | Thinking:
        if isinstance(given, str):
            return given
        part = _as_mapping(given, self.where)
        kind = part.get("type")
        if kind in _TEXTS:
            text = str(part.get("text") or part.get("refusal") or "")
            if kind == "refusal":
                self.refusal = text
            return text
        if kind == "thinking":
            return Thinking(thought_in(part.get("thinking")))
        if kind in _IMAGES:
            return self._read_image(part)
        if kind == "input_audio":
            return self._read_audio(part)
        if kind in _FILES:
            return self._read_file(part)
        return self._lose(f"a part of type {kind!r}")

    def _read_image(self, part: Raw) -> str | Attachment:
        found = part.get("image_url")
        url = found.get("url") if isinstance(found, Mapping) else found
        return self._checked(Image(str(url or "")), "a picture")

    def _read_audio(self, part: Raw) -> str | Attachment:
        sound = part.get("input_audio")
        if not isinstance(sound, Mapping) or not sound.get("data"):
            return self._lose("a sound without its data")
        kind = "wav" if sound.get("format") == "wav" else "mpeg"
        return Audio(f"data:audio/{kind};base64,{sound['data']}")

    def _read_file(self, part: Raw) -> str | Attachment:
        found = part.get("file")
        file = found if isinstance(found, Mapping) else part
        name = str(file.get("filename") or "file")
        data = str(file.get("file_data") or "")
        if not data:
            place = file.get("file_id") or file.get("file_url") or "nowhere"
            return self._lose(f"the file {name}, which the provider keeps as {place}")
        if not data.startswith("data:"):
            data = f"data:application/pdf;base64,{data}"
        return self._checked(File(name, data), f"the file {name}")

    def _checked(self, part: Image | File, what: str) -> str | Attachment:
        try:
            check_url("Image", part.url)
        except UsageError:
            return self._lose(f"{what} at {part.url[:100]!r}, an address that no provider takes")
        return part

    def _lose(self, what: str) -> str:
        """Words in the place of what can't be carried."""
        self.lost.append(what)
        return f"[{what} was here]"

    def read_thoughts(self, raw: Raw) -> list[Thinking]:
        thought = raw.get("reasoning_content") or raw.get("reasoning")
        return [Thinking(thought)] if isinstance(thought, str) else []

    def read_calls(self, raw: Raw) -> list[Block]:
        """The spoken text of a reply in sound, its calls, and its call in the older form."""
        blocks: list[Block] = []
        sound = raw.get("audio")
        if isinstance(sound, Mapping):
            self.lost.append("the sound of a spoken reply")
            blocks += [Text(str(sound["transcript"]))] if sound.get("transcript") else []
        calls = raw.get("tool_calls") or []
        if not isinstance(calls, list | tuple):
            raise UsageError(f"{self.where}: tool_calls must be a list")
        for number, given in enumerate(calls):
            place = f"{self.where}, tool_calls[{number}]"
            blocks.append(_read_call(_as_mapping(given, place), place))
        if raw.get("function_call"):
            place = f"{self.where}, function_call"
            called = _as_mapping(raw["function_call"], place)
            name = _name(called, place)
            blocks.append(Call(function_id(name), name, _arguments(called.get("arguments"))))
        return blocks


def _read_call(raw: Raw, where: str) -> Call:
    id = str(raw.get("id") or "")
    if isinstance(raw.get("custom"), Mapping):  # its input is a text, and no JSON
        custom = raw["custom"]
        return Call(id, _name(custom, where), _arguments({"input": custom.get("input") or ""}))
    called = _as_mapping(raw.get("function"), f"{where}.function")
    return Call(id, _name(called, where), _arguments(called.get("arguments")))


def _name(raw: Raw, where: str) -> str:
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where}: the call has no name of a function")
    return name


def _arguments(given: Any) -> str:
    """The JSON text of a call's arguments, which some histories have as an object."""
    if given is None:
        return "{}"
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


def _text(raw: Raw, key: str, where: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{where}: {key} must be a text, not a {type(value).__name__}")
    return value


def _as_mapping(given: Any, where: str) -> Raw:
    """A mapping, also one that an SDK has made an object of."""
    if hasattr(given, "model_dump"):
        given = given.model_dump(exclude_none=True)
    if not isinstance(given, Mapping):
        raise UsageError(
            f"{where}: it must be an object such as {{'role': 'user', 'content': 'Hello'}}, not a"
            f" {type(given).__name__}"
        )
    return given
