"""Requests to a language model, and its replies. Knows no provider and does no I/O.

How a provider wants them written is a dialect's business (models/dialect.py).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from .events import (
    Attachment,
    Block,
    Call,
    File,
    ModelCalled,
    Replied,
    Text,
    Thinking,
    Usage,
)
from .model_settings import ModelSettings
from .tokens import Count
from .tool_schema import ToolSchema as ToolSchema  # this module is where it is looked for
from .values import Content, attachments_of, calls_of, encode_once, text_of, thinking_of

_encode = msgspec.json.Encoder().encode
MAX_ID_CHARS = 256
"""The longest id of a provider's own that is sent back."""


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

    @cached_property
    def text(self) -> str:
        return text_of(self.content)

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        return calls_of(self.content)

    @cached_property
    def parts(self) -> tuple[Attachment, ...]:
        """Its pictures, files and sounds."""
        return attachments_of(self.content)

    def for_model(self, model: str, place: str = "") -> "Message":
        """The message without the thoughts and fields that only another model understands.

        A model of the same name at another address is another: it can't read them, or refuses them.
        """
        is_same_place = "" in (self.place, place) or self.place == place
        if self.model == "" or (self.model == model and is_same_place):
            return self
        return self._without_opaque

    @cached_property
    def _without_opaque(self) -> "Message":
        if isinstance(self.content, str):
            return Message(self.role, self.content, self.call_id)
        blocks: list[Block] = []
        if self.text:
            blocks.append(Text(self.text))
        blocks += [Call(call.id, call.name, call.arguments) for call in self.calls]
        return Message(self.role, tuple(blocks), self.call_id)

    @cached_property
    def provider_ids(self) -> Mapping[str, str]:
        """By our own id, the provider's own of each call that has a legal one."""
        names: dict[str, str] = {}
        for call in self.calls:
            given = call.provider_id
            is_legal = 0 < len(given) <= MAX_ID_CHARS and given.isascii() and given.isprintable()
            if is_legal and given not in names.values():
                names[call.id] = given
        return names

    @cached_property
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

    @cached_property
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

    @cached_property
    def tokens(self) -> int:
        """An estimate, rather too high: a token for 3.5 bytes, and 4 tokens for the envelope."""
        text_bytes = len(self.said) - sum(len(part.url) for part in self.parts)
        return round(text_bytes / 3.5) + 4 + _parts_tokens(self.parts)

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

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.said, digest_size=16).digest()


class Request(msgspec.Struct, frozen=True, dict=True):
    """Everything that one model call depends on."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    max_output_tokens: int = 4096
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the answer must fit; None for prose."""
    tool_choice: Literal["auto", "none"] = "auto"
    """`none`: the tools are there because the history has calls, and none may be called now."""
    cache_key: str = ""
    """The same for requests whose prompts begin alike: a provider's cache looks for them by it."""
    settings: ModelSettings = ModelSettings()
    """What the run and the agent ask for; a model puts it over its own (`RemoteModel.settings`).

    `max_output_tokens` stands in the request itself, within the limits of the turn.
    """

    @cached_property
    def tokens(self) -> int:
        """An estimate for the messages and the tools."""
        tool_tokens = sum(tool.tokens for tool in self.tools)
        return tool_tokens + sum(message.tokens for message in self.messages)

    def exact_tokens(self, count: Count) -> int:
        """Counted by a vocabulary, but for the tools: no provider says how it shows them."""
        tool_tokens = sum(tool.tokens for tool in self.tools)
        return tool_tokens + sum(message.exact_tokens(count) for message in self.messages)


class PreparedCall(msgspec.Struct, frozen=True):
    """A model call within the limits: the request, and the event to write before it is sent."""

    request: Request
    event: ModelCalled
    tries: int = 1
    """How often this model has been asked for the request, this call included."""


class Reply(msgspec.Struct, frozen=True):
    """A whole reply, never a part. Its calls have the provider's ids; the loop gives its own."""

    content: Replied = ""
    usage: Usage = Usage()
    finish_reason: str = "stop"
    refusal: str = ""
    opaque: dict[str, Any] = {}
    fault: str = ""
    """What is wrong with its call, as the provider says, where it couldn't read that."""

    @property
    def text(self) -> str:
        return text_of(self.content)

    @property
    def calls(self) -> tuple[Call, ...]:
        return calls_of(self.content)

    @property
    def thinking(self) -> str:
        return thinking_of(self.content)


class Model(Protocol):
    """A language model: see remote_model.py, local/local_model.py and scripted.py in models/.

    It may also have `carried_settings`, the names of the ModelSettings that it takes from a request
    (else none but `max_output_tokens`), and `settings`, its own.
    """

    @property
    def name(self) -> str:
        """Its name in the log and the price table, e.g. `openai:gpt-5-mini`."""
        ...

    @property
    def context_tokens(self) -> int:
        """The most tokens that a prompt and its reply may have together."""
        ...

    @property
    def max_output_tokens(self) -> int:
        """The most that a reply is asked to have, unless a limit leaves less."""
        ...

    def cost_usd(self, usage: Usage) -> float | None:
        """The price of these tokens; None if it isn't known. Pure, but may be slow at first.

        Where they are `estimated`, it is the highest that they can cost today: so is a call's worst
        case reserved. What the provider itself reported (`reported_usd`) is left to the caller.
        """
        ...

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """Ask once. `emit` gets text and thinking in pieces as they come; the reply has all of it.

        Raises a ModelError, whose class says who must act; any other exception is a bug. Never
        retries: the loop does, and logs it. Cancelling it closes the connection.
        """
        ...


ModelChoice = str | Model | Sequence[str | Model] | None
"""A model or its name, or several in the order in which they are asked. None: the default."""


def place_of(model: Model) -> str:
    """Stands for the address where this model is asked; "" for a model that has none, or hides it.

    A model of your own may have an attribute `place`. It shows in logs, so let it be a hash.
    """
    return str(getattr(model, "place", ""))


def _with_own_id(part: Any, message: Message) -> Any:
    if isinstance(part, Call):
        return replace(part, id=message.provider_ids.get(part.id, part.id))
    return part


def _parts_tokens(parts: Iterable[Attachment]) -> int:
    """1,000 for a picture, about what providers charge; a document has 1 more for 40 characters."""
    tokens = 0
    for part in parts:
        tokens += 1000
        if isinstance(part, File):
            tokens += len(part.url) // 40
    return tokens
