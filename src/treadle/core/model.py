"""Requests to a language model, and its replies. Knows no provider and does no I/O.

How a provider wants them written is a dialect's business (models/dialect.py).
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Literal, Protocol

import msgspec

from .events import Call, ModelCalled, Replied, Thinking, Usage
from .growing import go_on
from .kept import kept
from .message import Message as Message  # as below
from .model_settings import ModelSettings
from .tokens import Count
from .values import Label, calls_of, encode_once, text_of, thinking_of


class ToolSchema(msgspec.Struct, frozen=True, dict=True):
    """What the model is told of a tool."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""
    labels: tuple[Label, ...] = ()
    """What the tool may do. For the log and for rules: the model isn't told."""

    encoded = encode_once

    @cached_property
    def said(self) -> bytes:
        """What the model is told of the tool, as JSON of our own."""
        return _encode(
            {"name": self.name, "description": self.description, "parameters": self.parameters}
        )

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.said, digest_size=16).digest()

    @property
    def tokens(self) -> int:
        """An estimate, as of a message."""
        return round(len(self.said) / 3.5) + TOOL_ENVELOPE_TOKENS


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

    @kept
    def tokens(self) -> int:
        """An estimate for the messages and the tools."""
        tool_tokens = sum(tool.tokens for tool in self.tools)
        return tool_tokens + go_on("tokens", _add_tokens, 0, self.messages)

    def exact_tokens(self, count: Count) -> int:
        """Counted by a vocabulary, but for the tools: no provider says how it shows them."""
        tool_tokens = sum(tool.tokens for tool in self.tools)
        add = partial(_add_exact_tokens, count)
        return tool_tokens + go_on(("exact tokens", count), add, 0, self.messages)


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


def _add_tokens(before: int, messages: Sequence[Message]) -> int:
    return before + sum(message.tokens for message in messages)


def _add_exact_tokens(count: Count, before: int, messages: Sequence[Message]) -> int:
    return before + sum(message.exact_tokens(count) for message in messages)


_encode = msgspec.json.Encoder().encode
TOOL_ENVELOPE_TOKENS = 16
"""For what providers write around a tool's name, description and parameters."""
