"""One message of a prompt. Knows no provider and does no I/O."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from .attachments import is_text
from .events import Attachment, Audio, Block, Call, Image, RefusedPart, Text
from .kept import kept
from .prompt_words import PARTS_LEFT_OUT, SHORTENED
from .tokens import Count
from .values import Content, attachments_of, calls_of, encode_once, text_of, thinking_of

_encode = msgspec.json.Encoder().encode
MAX_ID_CHARS = 256
"""The longest id of a provider's own that is sent back."""
PICTURE_TOKENS = 1000
"""About what providers charge for a picture."""
MAY_BE_DRAWN = 8000
"""So many bytes may have a picture of the model's own among them."""


class Message(msgspec.Struct, frozen=True, dict=True):
    """One message of a prompt. Its bytes, `tokens` and `digest` are worked out once and kept."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Content
    call_id: str = ""
    """In a tool message: the call that it answers."""
    opaque: dict[str, Any] = {}
    """In an assistant message: the provider's own fields of the message as a whole."""
    model: str = ""
    """The model whose own fields `opaque` holds, here and in blocks; "" if there are none."""
    prompt_hash: str = ""
    """Where `model` is set: of the prompt that this is the reply to."""
    is_error: bool = False
    """In a tool message: the call failed, as its text says too."""
    place: str = ""
    """Where that model was asked, as `place_of` gives it; "" if that isn't known."""
    result_of: str = ""
    """In a user's message: the deferred call whose result it tells."""
    refused: tuple[tuple[str, RefusedPart], ...] = ()
    """The models that refused parts of it, each with the kind: see refused_parts.py."""

    @property
    def is_result(self) -> bool:
        """Whether it is what came of a call."""
        return bool(self.call_id or self.result_of)

    @kept
    def text(self) -> str:
        return text_of(self.content)

    @property
    def calls(self) -> tuple[Call, ...]:
        if type(self.content) is str:
            return ()
        return self._calls

    @kept
    def _calls(self) -> tuple[Call, ...]:
        return calls_of(self.content)

    @property
    def parts(self) -> tuple[Attachment, ...]:
        """Its pictures, files and sounds."""
        if type(self.content) is str:
            return ()
        return self._parts

    @kept
    def _parts(self) -> tuple[Attachment, ...]:
        return attachments_of(self.content)

    def for_model(self, model: str, place: str = "") -> "Message":
        """The message without the thoughts and fields that only another model understands.

        A model of the same name at another address is another: it can't read them, or refuses them.
        """
        is_same_place = "" in (self.place, place) or self.place == place
        if self.model == "" or (self.model == model and is_same_place):
            return self
        return self._without_opaque

    @kept
    def _without_opaque(self) -> "Message":
        if isinstance(self.content, str):
            return Message(self.role, self.content, self.call_id)
        blocks: list[Block] = []
        if self.text:
            blocks.append(Text(self.text))
        blocks += [Call(call.id, call.name, call.arguments) for call in self.calls]
        return Message(self.role, tuple(blocks), self.call_id)

    @kept
    def provider_ids(self) -> Mapping[str, str]:
        """By our own id, the provider's own of each call that has a legal one."""
        names: dict[str, str] = {}
        for call in self.calls:
            given = call.provider_id
            is_legal = 0 < len(given) <= MAX_ID_CHARS and given.isascii() and given.isprintable()
            if is_legal and given not in names.values():
                names[call.id] = given
        return names

    @kept
    def with_provider_ids(self) -> "Message":
        """The message with the provider's own ids for its calls."""
        if not self.provider_ids:
            return self
        return replace(self, content=tuple(_with_own_id(part, self) for part in self.content))

    def answering(self, call_id: str) -> "Message":
        """The tool message as the result of a call with this id; made once for the same id."""
        kept: dict[str, Message] = vars(self).setdefault("_answering", {})
        if call_id not in kept:
            kept[call_id] = replace(self, call_id=call_id)
        return kept[call_id]

    encoded = encode_once

    @kept
    def said(self) -> bytes:
        """What the message says, as JSON of our own: for the prompt's hash and the estimate."""
        content: Any = self.content
        if not isinstance(content, str) and len(content) == 1 and content[0] == Text(self.text):
            content = self.text  # said the same way, and so hashed the same way
        said: dict[str, Any] = {"role": self.role, "content": content}
        if self.call_id:
            said["call_id"] = self.call_id
        if self.opaque:
            said["opaque"] = self.opaque
        return _encode(said)

    @kept
    def tokens(self) -> int:
        """An estimate, rather too high: a token for 3.5 bytes, and 4 tokens for the envelope."""
        if not self.parts:
            drawn = list(self._drawn()) if len(self.said) > MAY_BE_DRAWN else []
            return round((len(self.said) - sum(drawn)) / 3.5) + 4 + PICTURE_TOKENS * len(drawn)
        text_bytes = len(self.said) - sum(len(part.url) for part in self.parts)
        return round(text_bytes / 3.5) + 4 + _parts_tokens(self.parts)

    def _drawn(self) -> Iterator[int]:
        """How many characters each picture or sound has that the model has made."""
        yield from _made_in(self.opaque)
        for part in self.content:
            yield from _made_in(getattr(part, "opaque", None))

    def exact_tokens(self, count: Count) -> int:
        """Counted by a vocabulary, once: the texts, and 4 for each envelope, also of calls."""
        kept: dict[Count, int] = vars(self).setdefault("_exact", {})
        if count not in kept:
            texts = [self.text, thinking_of(self.content)]
            for call in self.calls:
                texts += (call.name, call.arguments)
            envelopes = 4 * (1 + len(self.calls))
            kept[count] = count(texts) + envelopes + _parts_tokens(self.parts)
        return kept[count]

    @kept
    def digest(self) -> bytes:
        return hashlib.blake2b(self.said, digest_size=16).digest()


def shorten_result(message: Message, chars: int) -> Message:
    """A tool result cut to about `chars`, mostly its beginning; any other message as it is.

    Its pictures and files go too.
    """
    if not message.is_result:
        return message
    if len(message.text) <= chars + len(SHORTENED):
        if not message.parts:
            return message
        return replace(message, content=f"{message.text}\n{PARTS_LEFT_OUT}")
    end_chars = chars // 4
    notice = SHORTENED.format(left_out=len(message.text) - chars, all=len(message.text))
    beginning = message.text[: chars - end_chars]
    end = message.text[len(message.text) - end_chars :]
    return replace(message, content=f"{beginning}{notice}{end}")


def _with_own_id(part: Any, message: Message) -> Any:
    if isinstance(part, Call):
        return replace(part, id=message.provider_ids.get(part.id, part.id))
    return part


def _parts_tokens(parts: Iterable[Attachment]) -> int:
    """1,000 for each, about what providers charge for a picture; more for the size of the others.

    A text goes as its words. A document has 1 more for 40 characters, and a sound 32 for a second.
    """
    return sum(PICTURE_TOKENS + _tokens_of_size(part) for part in parts)


def _made_in(value: Any) -> Iterator[int]:
    """The lengths of pictures and sounds among a provider's own fields, as data or data: URLs."""
    if isinstance(value, str) and value.startswith(("data:image/", "data:audio/")):
        yield len(value)
    elif isinstance(value, dict):
        for name, each in value.items():
            is_picture = name == "result" and value.get("type") == "image_generation_call"
            is_sound = name == "data" and "transcript" in value
            if isinstance(each, str) and (is_picture or is_sound):
                yield len(each)
            else:
                yield from _made_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _made_in(each)


def _tokens_of_size(part: Attachment) -> int:
    chars = len(part.url)
    if isinstance(part, Audio):  # 32,000 bytes of WAV are a second, or 8,000 of MP3
        return chars // (1333 if part.url.startswith("data:audio/wav") else 333)
    if isinstance(part, Image):
        return 0
    if is_text(part.url):
        return chars * 3 // 14  # 3 bytes in 4 characters of base64, a token for 3.5 bytes
    return chars // 40
