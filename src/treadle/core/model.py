"""What the loop asks of a language model, and what it gets back. Knows no provider and does no I/O.

The words are those of chat completions, the field's common tongue: a message is encoded into them once, when it
is made, and each request joins the bytes.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from .events import Call, File, Image, ModelCalled, Usage
from .tokens import Count

_encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct, frozen=True, dict=True):
    """One message of a prompt. `wire`, `tokens` and `digest` are worked out once and kept."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    parts: tuple[Image | File, ...] = ()
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    """On a tool message: the call that it answers."""
    opaque: dict[str, Any] = {}
    """On an assistant message: the provider's own fields, verbatim."""
    model: str = ""
    """Whose own fields they, and its calls', are; "" where there are none. Another model doesn't get them."""

    def to(self, model: str) -> "Message":
        """As that model may see it: itself, or without what only another understands."""
        return self if self.model in ("", model) else self._plain

    @cached_property
    def _plain(self) -> "Message":
        calls = tuple(Call(call.id, call.name, call.arguments) for call in self.calls)
        return Message(self.role, self.text, self.parts, calls, self.call_id)

    @cached_property
    def wire(self) -> bytes:
        """The message as chat completions writes it, in JSON."""
        wire: dict[str, Any] = {"role": self.role, "content": self.text}
        if self.parts:
            said = [{"type": "text", "text": self.text}] if self.text.strip() else []
            wire["content"] = [*said, *map(_part, self.parts)]
        if self.calls:
            wire["content"] = self.text or None
            wire["tool_calls"] = [_call(call) for call in self.calls]
        if self.call_id:
            wire["tool_call_id"] = self.call_id
        return _encode(wire | self.opaque)

    @cached_property
    def tokens(self) -> int:
        """An estimate that errs to the high side: 3.5 bytes a token, and 4 for the envelope."""
        text = len(self.wire) - sum(len(part.url) for part in self.parts)
        return round(text / 3.5) + 4 + _parts_tokens(self.parts)

    def exact_tokens(self, count: Count) -> int:
        """By a vocabulary: the texts, and 4 for the envelope of the message and of each call. Counted once and kept."""
        kept: dict[Count, int] = vars(self).setdefault("_exact", {})
        if count not in kept:
            texts = [
                self.text,
                *(text for call in self.calls for text in (call.name, call.arguments)),
            ]
            kept[count] = count(texts) + 4 * (1 + len(self.calls)) + _parts_tokens(self.parts)
        return kept[count]

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.wire, digest_size=16).digest()


class ToolSchema(msgspec.Struct, frozen=True, dict=True):
    """What the model is told of a tool."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""

    @cached_property
    def wire(self) -> bytes:
        """The tool as chat completions writes it, in JSON."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return _encode({"type": "function", "function": function})

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.wire, digest_size=16).digest()

    @property
    def tokens(self) -> int:
        """An estimate, as of a message."""
        return round(len(self.wire) / 3.5) + 4


class Request(msgspec.Struct, frozen=True):
    """Everything that one model call depends on."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    max_output_tokens: int = 4096
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the answer must fit; None for prose."""

    @property
    def tokens(self) -> int:
        """Of the messages and the tools: an estimate."""
        return sum(message.tokens for message in self.messages) + sum(
            tool.tokens for tool in self.tools
        )

    def exact_tokens(self, count: Count) -> int:
        """By a vocabulary; of the tools an estimate, since nobody says how they are shown to the model."""
        counted = sum(message.exact_tokens(count) for message in self.messages)
        return counted + sum(tool.tokens for tool in self.tools)


class PreparedCall(msgspec.Struct, frozen=True):
    """A model call that fits the limits: the request, and the fact that is written before it goes out."""

    request: Request
    event: ModelCalled


class Reply(msgspec.Struct, frozen=True):
    """A whole reply, never a half one. The ids of its calls are the provider's; the loop gives its own."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    refusal: str = ""
    opaque: dict[str, Any] = {}


class Model(Protocol):
    """A language model. `openai.py`, `local.py` and `scripted.py` are three."""

    @property
    def name(self) -> str:
        """As the log, the price table and the user know it, e.g. `openai:gpt-5-mini`."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its reply may have together."""
        ...

    @property
    def max_output_tokens(self) -> int:
        """The most that a reply is asked to have, unless a limit leaves less."""
        ...

    def cost_usd(self, usage: Usage) -> float | None:
        """What these tokens cost; None where no price is known. Free is 0.0. Pure, but may be slow at first."""
        ...

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        """Ask once. Pieces of the visible text go to `emit` as they come; the reply holds it all.

        Raises a ModelError: the class says who must act. Never retries: the loop does, and logs it. Cancelling
        it closes the connection. Any other exception is a bug.
        """
        ...


def prompt_hash(messages: Iterable[Message], tools: Iterable[ToolSchema]) -> str:
    """Names what the model saw: the same messages and schemas give the same 16 hex digits."""
    parts = [message.digest for message in messages] + [tool.digest for tool in tools]
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def _parts_tokens(parts: Iterable[Image | File]) -> int:
    """A picture counts 1,000, about what providers charge, and so does a document with 1 more for 40 characters."""
    return sum(1000 + (len(part.url) // 40 if isinstance(part, File) else 0) for part in parts)


def _part(part: Image | File) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.url}}
    return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _call(call: Call) -> dict[str, Any]:
    wire = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    return wire | call.opaque
