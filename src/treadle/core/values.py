"""The values that events and messages hold. Knows nothing of either."""

from typing import Any, Literal

import msgspec

Purpose = Literal["step", "plan", "answer", "compact"]
"""What a model is asked for: the next step, with tools; without any, a numbered plan, a last word or a summary."""


class Image(msgspec.Struct, frozen=True, tag=True):
    """A picture in a message: an https URL, or a `data:` URL that holds it."""

    url: str


class File(msgspec.Struct, frozen=True, tag=True):
    """A document in a message, e.g. a PDF: its name and a `data:` URL that holds it."""

    name: str
    url: str


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    """Ours, unique in the thread; providers repeat, omit and clash theirs."""
    name: str
    arguments: str
    """JSON text exactly as the model wrote it: it may be bad, and then the model is told."""
    opaque: dict[str, Any] = {}
    """What else the provider put on the call (signatures and the like); goes back verbatim."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that nobody sees."""
    estimated: bool = False
    """True where the provider gave no count and this is ours, from characters."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent was when it claimed a thread, by name and hash: shows what has changed since."""

    agent: str
    model: str
    instructions: str
    """Hash of the system prompt."""
    tools: dict[str, str] = {}
    """Name to hash of its schema."""


class PendingDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that a person must decide on or answer before its turn can go on."""

    thread_id: str
    """Where it is posted: the thread itself, or that of an agent that works for it, however deep."""
    id: str
    name: str
    final_arguments: str
    """What would run: a person's edit, else the model's own."""
    status: Literal["waiting", "question", "unknown"]
    reason: str = ""
