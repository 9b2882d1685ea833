"""Values that events and messages are made of. Knows nothing of either."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from .attachments import read_source

Count = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number of 64 bits. A log with larger ones can't be read: sums of them break floats."""

Purpose = Literal["step", "plan", "answer", "compact"]
"""Why the model is called: the next step, with tools; else a plan, a last answer or a summary."""


Label = Literal["untrusted", "private", "outward"]
"""What a tool may do: bring in text of strangers, reach private data, act on the outside world."""

T = TypeVar("T")


def encode_once(value: T, encode: Callable[[T], bytes]) -> bytes:
    """What this function of a dialect makes of a message or a tool, worked out once and kept."""
    kept: dict[Any, bytes] = vars(value).setdefault("_encoded", {})
    found = kept.get(encode)
    if found is None:
        found = kept[encode] = encode(value)
    return found


class Image(msgspec.Struct, frozen=True, tag=True):
    """A picture in a message: an https URL, or a `data:` URL that holds it."""

    url: str

    @classmethod
    def of(cls, source: Any) -> "Image":
        """A picture of a path, of bytes or of a URL. Raises UsageError for what is no picture."""
        return cls(read_source(source, "Image")[1])


class File(msgspec.Struct, frozen=True, tag=True):
    """A document in a message, e.g. a PDF: its name and a `data:` URL that holds it."""

    name: str
    url: str

    @classmethod
    def of(cls, source: Any, name: str = "") -> "File":
        """A document of a path, of bytes or of a URL. Raises UsageError for what no model reads."""
        return cls(*read_source(source, "File", name))


class Audio(msgspec.Struct, frozen=True, tag=True):
    """A sound in a message: a `data:` URL that holds it, WAV or MP3."""

    url: str

    @classmethod
    def of(cls, source: Any) -> "Audio":
        """A sound of a path or of bytes. Raises UsageError for what is neither WAV nor MP3."""
        return cls(read_source(source, "Audio")[1])


class Text(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """Something that the model said to the person."""

    text: str
    opaque: dict[str, Any] = {}
    """Other fields of the provider. They go back to the same model verbatim where they say what is
    shown, or nothing that can be read, as signatures do."""


class Thinking(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """What the model thought before it spoke; "" where the provider shows none of it."""

    text: str
    opaque: dict[str, Any] = {}
    """As in Text: signatures and encrypted thoughts stand here."""


class Call(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """A tool call that the model asks for."""

    id: str
    """Our own id, unique in the thread: providers repeat theirs, or send none."""
    name: str
    arguments: str
    """The JSON text that the model wrote. It may be bad: then the model is told."""
    opaque: dict[str, Any] = {}
    """As in Text."""
    provider_id: str = ""
    """The provider's own id, which goes back to the same model."""
    via: str = ""
    """The tool by whose call the model made this one, if it wasn't told of it as a tool."""


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a provider found something."""

    url: str
    title: str = ""


class ProviderCall(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """A tool that the provider ran by itself, such as its own web search."""

    name: str
    arguments: str = ""
    result: str = ""
    sources: tuple[Source, ...] = ()
    opaque: dict[str, Any] = {}
    """As in Text."""


Attachment = Image | File | Audio
"""What a message holds besides words."""
RefusedPart = Literal["image", "audio", "file"]
"""What a provider may refuse of a message."""
Block = Text | Thinking | Call | ProviderCall
"""One part of a model's reply."""
Said = str | tuple[str | Attachment, ...]
"""What a person said: a text, or texts, pictures and files in their order."""
Replied = str | tuple[Block, ...]
"""What a model replied: a text, or blocks in their order."""
Part = str | Attachment | Block
"""One part of what a message holds."""
Content = str | tuple[Part, ...]
"""What a message holds: one of the two above."""


def text_of(content: Content) -> str:
    """All that was said in words, without thinking."""
    if isinstance(content, str):
        return content
    blocks = [part.text for part in content if isinstance(part, Text)]
    said = [part for part in content if isinstance(part, str)]
    return "".join(blocks) or "\n".join(said)


def calls_of(content: Content) -> tuple[Call, ...]:
    """The tool calls in it, in their order."""
    return tuple(part for part in _parts(content) if isinstance(part, Call))


def thinking_of(content: Content) -> str:
    """What the model thought, as far as the provider shows it."""
    return "\n".join(
        part.text for part in _parts(content) if isinstance(part, Thinking) and part.text
    )


def attachments_of(content: Content) -> tuple[Attachment, ...]:
    """The pictures, files and sounds in it, in their order."""
    return tuple(part for part in _parts(content) if isinstance(part, Attachment))


def _parts(content: Content) -> Iterable[Part]:
    return () if isinstance(content, str) else content


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one model call used, as the provider counted it; or the sum of several calls."""

    input_tokens: Count = 0
    """The whole prompt, with what was read from the provider's cache or written to it."""
    output_tokens: Count = 0
    cached_tokens: Count = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: Count = 0
    """The part of `output_tokens` that is hidden reasoning."""
    estimated: bool = False
    """True if the provider gave no count, and this is our estimate from characters."""
    cache_write_tokens: Count = 0
    """The part of `input_tokens` that was written to the provider's cache."""
    cache_write_1h_tokens: Count = 0
    """The part of `cache_write_tokens` that is kept for an hour, which costs more."""
    audio_input_tokens: Count = 0
    """The part of `input_tokens` that is sound."""
    audio_output_tokens: Count = 0
    """The part of `output_tokens` that is sound."""
    provider_calls: dict[str, Count] = {}
    """How often the provider ran each of its own tools, such as {"web_search": 2}."""
    service_tier: str = ""
    """How the provider says that it served the call, such as `priority`: the price depends on it.
    Empty where it doesn't say, and in a sum of calls that differ."""
    reported_usd: float | None = None
    """What the provider itself says that it costs in US dollars; in a sum, where it says so."""

    def __add__(self, other: "Usage") -> "Usage":
        if other == _NOTHING:
            return self
        if self == _NOTHING:
            return other
        tiers = {self.service_tier, other.service_tier}
        calls = dict(self.provider_calls)
        for name, count in other.provider_calls.items():
            calls[name] = calls.get(name, 0) + count
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in _TOKENS},
            estimated=self.estimated or other.estimated,
            provider_calls=calls,
            service_tier=tiers.pop() if len(tiers) == 1 else "",
            reported_usd=_add_usd(self.reported_usd, other.reported_usd),
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


_NOTHING = Usage()
_TOKENS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))


def _add_usd(first: float | None, second: float | None) -> float | None:
    """The sum of what is known, as decimal numbers: 0.1 + 0.2 is 0.3."""
    known = [Decimal(repr(each)) for each in (first, second) if each is not None]
    return float(sum(known)) if known else None


class Original(msgspec.Struct, frozen=True, omit_defaults=True):
    """A result as its tool gave it. The model never sees it: after rules have changed it."""

    content: str
    by: str
    """The names of the rules' functions that did."""
    reason: str = ""
    parts: tuple[Attachment, ...] = ()


class Always(msgspec.Struct, frozen=True, omit_defaults=True):
    """A permission for later calls of the same tool."""

    arguments: dict[str, str] = {}
    """For each argument named, a glob that its value must match. The others may be anything."""
    lasts: Literal["turn", "thread"] = "turn"


class PendingDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a turn waits for: what a person decides or answers, or work elsewhere (`pending`)."""

    thread_id: str
    """The thread to post to: this one, or one of its children at any depth."""
    id: str
    """The call's; "" for a decision about the whole thread."""
    name: str
    """The tool's; of a limit, that of the limit."""
    final_arguments: str
    """The arguments to run with: a person's edit, else the model's own."""
    status: Literal["waiting", "question", "pending", "unknown", "imported", "parked", "limit"]
    reason: str = ""
    digest: str = ""
    """Of what is shown here, and of the attempt: a decision that repeats it is of nothing else."""
    until: float | None = None
    """Seconds since the epoch when nobody waits for it any more; None: that never comes."""
    handle: str = ""
    polls: bool = False
    """`handle`, as JSON, names work elsewhere; at `until` a tool that `polls` is asked of it."""
