"""Values that events and messages are made of. Knows nothing of either."""

from typing import Any, Literal

import msgspec

Purpose = Literal["step", "plan", "answer", "compact"]
"""Why the model is called: the next step, with tools; else a plan, a last answer or a summary."""


class Image(msgspec.Struct, frozen=True, tag=True):
    """A picture in a message: an https URL, or a `data:` URL that holds it."""

    url: str


class File(msgspec.Struct, frozen=True, tag=True):
    """A document in a message, e.g. a PDF: its name and a `data:` URL that holds it."""

    name: str
    url: str


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    """Our own id, unique in the thread: providers repeat theirs, or send none."""
    name: str
    arguments: str
    """The JSON text that the model wrote. It may be bad: then the model is told."""
    opaque: dict[str, Any] = {}
    """Other fields of the provider (signatures and the like), which go back to it verbatim."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that is hidden reasoning."""
    estimated: bool = False
    """True if the provider gave no count, and this is our estimate from characters."""

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
    """What an agent was at a claim, by names and hashes: shows what has changed since."""

    agent: str
    model: str
    instructions: str
    """Hash of the system prompt."""
    tools: dict[str, str] = {}
    """The hash of each tool's schema, by name."""


class PendingDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that a person must decide on or answer before its turn can go on."""

    thread_id: str
    """The thread to post to: this one, or one of its children at any depth."""
    id: str
    name: str
    final_arguments: str
    """The arguments to run with: a person's edit, else the model's own."""
    status: Literal["waiting", "question", "unknown"]
    reason: str = ""
