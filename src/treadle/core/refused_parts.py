"""Pictures, files and sounds that a provider has refused: found by its words, and left out. Pure.

Else every later request of the thread would be refused too. The refusal is a fact in the log
(`ModelFailed.refused`); that model's prompts show words in the place of what it refused.
"""

import re
from typing import Any

from msgspec.structs import replace

from .model import Message
from .values import Attachment, Audio, File, Image, RefusedPart

_KINDS: dict[RefusedPart, type[Attachment]] = {"image": Image, "audio": Audio, "file": File}
_NAMES: dict[RefusedPart, str] = {"image": "picture", "audio": "sound", "file": "file"}
_WORDS: dict[RefusedPart, re.Pattern[str]] = {
    "image": re.compile(
        r"image|picture|photo|\bvision|multi-?modal|media.?type|content\b.{0,60}\bstring", re.I
    ),
    "audio": re.compile(r"audio|sound|\bwav\b|\bmp3\b", re.I),
    "file": re.compile(r"\bfiles?\b|file_data|input_file|\bdocuments?\b|\bpdf\b", re.I),
}
"""How providers name what they refuse; some only say that a content must be a string."""
_MODEL_NAME = re.compile(r"(?<![\w./:-])(?=[\w./:-]*\d)[\w./:]+(-[\w./:]+)+")
"""A word with hyphens and a number, such as gpt-image-1 or gpt-4o-audio-preview."""


def find_refused_part(error: str, messages: tuple[Message, ...]) -> RefusedPart | None:
    """What kind of part an error of the provider is about, if these messages hold one."""
    said = _MODEL_NAME.sub("", error)
    for name, words in _WORDS.items():
        if words.search(said) and any(holds(message, name) for message in messages):
            return name
    return None


def find_too_large(error: str, messages: tuple[Message, ...]) -> RefusedPart | None:
    """What kind of part has made a request too large in bytes: new ones that are most of it.

    None where the error counts tokens, or older messages are as large: with less of those it fits.
    """
    new = max((n for n, each in enumerate(messages) if each.role == "assistant"), default=0)
    parts = [part for message in messages[new:] for part in message.parts]
    total = sum(len(message.said) for message in messages)
    for name, kind in _KINDS.items():
        size = sum(len(part.url) for part in parts if isinstance(part, kind))
        if size > total / 2 and "token" not in error.lower():
            return name
    return None


def name_part(refused: RefusedPart) -> str:
    """What people call such a part."""
    return _NAMES[refused]


def describe_refusal(refused: RefusedPart) -> str:
    """What becomes of it, for whoever reads the error."""
    return f"the {_NAMES[refused]} is left out of this thread's later requests to this model"


def holds(message: Message, refused: RefusedPart) -> bool:
    """Whether the message has a part of that kind."""
    return any(isinstance(part, _KINDS[refused]) for part in message.parts)


def leave_out(message: Message, refused: RefusedPart, model: str) -> Message:
    """The message, which shows this model words in the place of each part of that kind."""
    if not holds(message, refused):
        return message
    return replace(message, refused=(*message.refused, (model, refused)))


def as_taken(message: Message, model: str) -> Message:
    """The message as this model is shown it."""
    for name, refused in message.refused:
        if name == model:
            message = _in_words(message, refused)
    return message


def _in_words(message: Message, refused: RefusedPart) -> Message:
    words = f"[a {_NAMES[refused]} was here, which the provider refused: nobody has seen it]"
    content: tuple[Any, ...] = tuple(
        words if isinstance(part, _KINDS[refused]) else part for part in message.content
    )
    return replace(message, content=content)
