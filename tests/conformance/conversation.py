"""What a conversation of the suite is: data, in the words of no dialect. Knows no server.

The files in conversations/ hold them, one file a family. chat.py, responses.py and messages.py say
each in one dialect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from treadle.core.events import UserSaid

Dialect = Literal["chat", "responses", "messages"]


@dataclass(frozen=True)
class Thinks:
    text: str = ""
    """"": the provider shows nothing of it; it is encrypted."""


@dataclass(frozen=True)
class Says:
    text: str


@dataclass(frozen=True)
class Calls:
    name: str
    arguments: Any
    """An object, or a text that is sent as it is."""


@dataclass(frozen=True)
class Searches:
    """The provider searches the web by itself, and finds one page."""

    query: str
    url: str
    title: str


Block = Thinks | Says | Calls | Searches


@dataclass(frozen=True)
class Counts:
    """What the provider counts: `read` and `written` are of the cache, and part of `input`."""

    input: int
    output: int
    read: int = 0
    written: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Reply:
    """What the model answers once."""

    blocks: tuple[Block, ...] = ()
    end: Literal["", "length", "filtered", "paused"] = ""
    """"": by itself, or with calls."""
    refusal: str = ""
    counts: Counts | None = None
    sent: Literal["stream", "bytes", "body", "unknown", "cut", "ends early", "error"] = "stream"
    """How it comes: in events; byte by byte; as one body; with fields and events that nobody knows;
    or only its first half, and then the line breaks, the stream ends, or an error comes."""


@dataclass(frozen=True)
class Fails:
    """What the server says instead of a reply, by a status of HTTP."""

    status: int
    words: str
    kind: str = "server_error"
    page: bool = False
    """It sends a page of HTML."""
    retry_after_s: int | None = 0


@dataclass(frozen=True)
class Differs:
    """Where one dialect's lines aren't those of the others: a row of the table in docs/models.md."""

    row: str
    dialects: tuple[Dialect, ...]
    lines: str
    """Of the conversation."""
    instead: str
    """What stands in their place, in these dialects."""
    of: Literal["log", "prompt", "both"] = "both"


@dataclass(frozen=True)
class Conversation:
    """Messages of a person, the replies, and what can be seen of it in the log and the prompt."""

    name: str
    said: tuple[str | UserSaid, ...]
    replies: tuple[Reply | Fails, ...]
    log: str
    """What happened, a line each: lines.py writes it of the records."""
    prompt: str | None = None
    """What the model was shown last, likewise. None: all of the log before the last reply."""
    agent: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the Agent."""
    history: tuple[dict[str, Any], ...] = ()
    """Brought in before, in the form of chat completions."""
    before: tuple[Any, ...] = ()
    """Replies of another model, in whose hands the thread was: for a ScriptedModel."""
    two_models: bool = False
    """Where the first is down, another one goes on."""
    differs: tuple[Differs, ...] = ()


def reply(*blocks: Block, **fields: Any) -> Reply:
    return Reply(blocks, **fields)
