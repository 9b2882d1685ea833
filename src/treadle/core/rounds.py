"""The rounds of a prompt: what stays together in it. Pure."""

from dataclasses import dataclass, field

from .kept import kept
from .message import Message


@dataclass(frozen=True)
class Round:
    """Messages that stay together: what a person said, or a reply with the results of its calls."""

    messages: tuple[Message, ...]
    seq: int
    """Of its last record."""
    opens_turn: bool = False
    pinned: bool = False

    @kept
    def tokens(self) -> int:
        return sum(message.tokens for message in self.messages)


@dataclass
class OpenRound:
    """A reply whose calls wait for their results."""

    reply: Message
    results: dict[str, Message | None] = field(default_factory=dict)
    """By call id, in the order of the calls."""
    shown: list[Message] = field(default_factory=list)
    """Pictures and files that came with a person's answers; no tool message can hold them."""
    left: int = 0
    """How many calls have no result yet."""


@dataclass
class ReadRounds:
    """The messages and the tokens of the first so many rounds."""

    rounds: int = 0
    messages: list[Message] = field(default_factory=list)
    tokens: int = 0
