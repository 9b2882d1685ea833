"""Builds one Reply from the chunks of a chat completion, as its many servers write them.

1. Known fields are checked for their type, and all sizes are bounded. Raises nothing but
   ModelErrors.
2. Unknown fields of a message, such as reasoning, are kept and sent back to the provider unchanged.
"""

from typing import Any

import msgspec

from ...core.errors import ModelUnavailable
from ...core.events import Block, Call, Replied, Text, Thinking, Usage
from ...core.model import Reply
from ..provider_errors import read_error, to_model_error
from ..usage import find_usage
from .call_drafts import CallDrafts, number_calls
from .opaque_fields import (
    THINKING_PARTS,
    THINKING_TEXTS,
    check_depth,
    join_fields,
    readable_text,
)

_THINKING_FIELDS = (*THINKING_TEXTS, *THINKING_PARTS, "reasoning_signature")
"""These, and what belongs to them: signed or encrypted thoughts, which go back verbatim."""
_KNOWN_FIELDS = frozenset(("role", "content", "tool_calls", "function_call", "refusal"))
_FAILED = frozenset(("error", "abort", "network_error", "insufficient_system_resource"))
"""Finish reasons of OpenRouter, vLLM, Zhipu and DeepSeek for a reply that failed."""


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    finish_reason: str | None = None
    error: Any = None
    usage: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    service_tier: Any = None
    error: Any = None
    object: Any = None
    type: Any = None


class _Message(msgspec.Struct):
    """The known fields of a delta or of a whole message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


# Not strict: "12" and 12.0 are numbers too.
_decode_chunk = msgspec.json.Decoder(_Chunk, strict=False).decode


class ChatReplyBuilder:
    """Takes the chunks in order with `add`; `reply` gives the Reply that they make."""

    def __init__(self) -> None:
        self.pieces: list[str | Thinking] = []
        """The new text and thinking, in the pieces in which they came."""
        self.done = False
        """Whether the server has sent `[DONE]`."""
        self._text: list[str] = []
        self._thinking: list[str] = []
        self.finish_reason: str | None = None
        """None until the server has said that the reply is complete."""
        self.usage: Usage | None = None
        """None until the server has sent its count."""
        self._refusal: list[str] = []
        self._calls = CallDrafts()
        self._opaque: dict[str, list[Any]] = {}

    @property
    def whole(self) -> bool:
        """Whether the finish_reason has come; only the count may follow."""
        return self.finish_reason is not None

    def add(self, name: bytes, data: bytes) -> None:
        """Add one event of a stream. Raises a ModelError for what is no part of a completion."""
        if data.startswith(b"[DONE]"):
            self.done = True
        elif name == b"error":
            raise to_model_error(read_error(data))
        else:
            self._add_chunk(data)

    def add_body(self, body: bytes) -> None:
        """Add a whole completion that came without a stream."""
        self._add_chunk(body)
        if not self.whole:
            raise ModelUnavailable(
                "the server's answer has no choices, or no message in the first one"
            )

    def _add_chunk(self, data: bytes) -> None:
        try:
            chunk = _decode_chunk(data)
            if chunk.error or "error" in (chunk.object, chunk.type):
                raise to_model_error(chunk.error or read_error(data))
            self.usage = find_usage(chunk) or self.usage
            for choice in chunk.choices or ():
                if not choice.index:  # only one was asked for; servers may leave out a 0
                    self._choice(choice)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelUnavailable(
                f"the server sent what is no part of a chat completion: {error}"
            ) from None

    def reply(self, usage: Usage) -> Reply:
        """The whole reply, with `usage` if the server didn't count."""
        finish_reason = self.finish_reason or "stop"
        if finish_reason in _FAILED:
            raise ModelUnavailable(
                f"the provider broke the reply off: finish_reason {finish_reason!r}"
            )
        calls = self._calls.finish()
        if finish_reason in ("length", "content_filter") and calls and not calls[-1].arguments:
            calls.pop()  # cut off before its arguments: it would run as if it had none
        opaque = join_fields(self._opaque)
        thoughts = {key: opaque.pop(key) for key in _THINKING_FIELDS if key in opaque}
        return Reply(
            self._content(thoughts, calls),
            usage=self.usage or usage,
            finish_reason=finish_reason,
            refusal="".join(self._refusal),
            opaque=opaque,
        )

    def _content(self, thoughts: dict[str, Any], calls: list[Call]) -> Replied:
        """Thinking, text and calls, in this order: chat completions has no other."""
        text = "".join(self._text)
        if not thoughts and not calls:
            return text
        blocks: list[Block] = []
        if thoughts:
            blocks.append(Thinking("".join(self._thinking), thoughts))
        if text:
            blocks.append(Text(text))
        return (*blocks, *calls)

    def _choice(self, choice: _Choice) -> None:
        if choice.error:
            raise to_model_error(choice.error)
        if choice.delta is not None:  # Perplexity sends the message so far too
            self._message(choice.delta)
        elif choice.message:
            self._message(number_calls(choice.message))
        self.finish_reason = choice.finish_reason or self.finish_reason
        if choice.delta is None and choice.message and self.finish_reason is None:
            self.finish_reason = "tool_calls" if self._calls.any else "stop"

    def _message(self, raw: dict[str, Any]) -> None:
        content = raw.get("content")
        if len(raw) == 1 and isinstance(content, str):  # nearly every piece of a text
            self._show(content)
            return
        message = msgspec.convert(raw, _Message, strict=False)
        if message.content:
            self._show(_content_text(message.content))
        if message.refusal:
            self._refusal.append(message.refusal)
        if message.function_call and not message.tool_calls:  # an old form that some still use
            self._calls.add({"index": 0, "function": message.function_call})
        for piece in message.tool_calls or ():
            self._calls.add(piece)
        thought = _find_thought(raw)
        if thought:
            self._thinking.append(thought)
            self.pieces.append(Thinking(thought))
        for key, value in raw.items():
            if key not in _KNOWN_FIELDS and value is not None:
                self._opaque.setdefault(key, []).append(check_depth(value))

    def _show(self, text: str) -> None:
        self._text.append(text)
        if text:
            self.pieces.append(text)


def _find_thought(raw: dict[str, Any]) -> str:
    """What a piece shows of the model's thinking. Some servers send the same under two names."""
    for name in THINKING_TEXTS:
        if isinstance(raw.get(name), str) and raw[name]:
            return str(raw[name])
    for name in THINKING_PARTS:
        if thought := readable_text(raw.get(name), name):
            return thought
    return ""


def _content_text(content: str | list[Any]) -> str:
    """The text of a content; some servers send it in parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))
