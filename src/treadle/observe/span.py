"""A span as in OpenTelemetry: what was done, from when to when, as a part of what. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ..core import events as e
from ..core.trace_context import SpanContext
from .conventions import ERROR, Value

Kind = Literal["internal", "client"]
END_OF_TIME_S = 2**63 // 10**9
"""In 2262: later nanoseconds don't fit into 64 bits."""


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened at one moment within a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """A reference to another span."""

    to: SpanContext
    reason: Literal["continues"]
    """To the turn's part before."""


@dataclass(frozen=True)
class Span:
    """One span, open or ended."""

    name: str
    kind: Kind
    context: SpanContext
    parent: SpanContext | None
    seq: int
    """The seq of the record that began it."""
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None
    """Why it failed, "" if the reason is left out; None if it didn't fail."""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()

    def with_attributes(self, attributes: Mapping[str, Value]) -> "Span":
        """With these attributes too."""
        return replace(self, attributes={**self.attributes, **attributes})

    def with_event(self, name: str, at: float, attributes: Mapping[str, Value]) -> "Span":
        """With an event in it."""
        return replace(self, events=(*self.events, SpanEvent(name, to_ns(at), attributes)))

    def ended(self, at: float, attributes: Mapping[str, Value], words: str = "") -> "Span":
        """As it was at its end; attributes that name an error make it a failed one."""
        error = words if ERROR in attributes else None
        return replace(
            self.with_attributes(attributes), end_ns=max(self.start_ns, to_ns(at)), error=error
        )


def begin_span(
    name: str, kind: Kind, record: e.Record, context: SpanContext, parent: SpanContext | None
) -> Span:
    """A span that this record begins."""
    at_ns = to_ns(record.at)
    return Span(name, kind, context, parent, record.seq, at_ns, at_ns)


def to_ns(at: float) -> int:
    """Seconds to nanoseconds, to the microsecond: a float of today holds no more.

    A time before 1970 or after 2262, which a broken clock gives, is 0: OpenTelemetry has none such.
    """
    if not 0 <= at < END_OF_TIME_S:
        return 0
    return round(at * 1_000_000) * 1000
