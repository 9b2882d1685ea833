"""The ids of spans, and the text in which one process tells them to another. Pure.

The text is `traceparent` of the W3C's Trace Context. Ids are hashes, so that whoever reads the log
later finds the same ones as whoever watched it grow.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import events as e
from .state import State

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1
"""The flag of a trace that is recorded."""


@dataclass(frozen=True)
class SpanContext:
    """The ids that identify a span."""

    trace_id: int
    span_id: int
    sampled: bool = False
    """Whoever began its trace has decided that it is recorded. Else that is still to be decided."""


def parse_traceparent(text: str) -> SpanContext | None:
    """The span that the text names; None if it names none."""
    found = _TRACEPARENT.fullmatch(text)
    if not found:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, bool(flags & _SAMPLED))


def format_traceparent(span: SpanContext) -> str:
    """The text that names the span."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{_SAMPLED * span.sampled:02x}"


def turn_span(state: State, thread_id: str, seq: int) -> SpanContext:
    """The span of the turn's part that began with record `seq`."""
    return _below(trace_root(state, thread_id), "turn", thread_id, str(seq))


def call_span(state: State, thread_id: str, call_id: str, attempt: int) -> SpanContext:
    """The span of a call, whose first attempt in this part of the turn has this number."""
    parts = ("call", thread_id, str(state.turns), call_id, str(attempt))
    return _below(trace_root(state, thread_id), *parts)


def trace_root(state: State, thread_id: str) -> SpanContext:
    """What the spans of this part of the turn are below: only its ids of the trace count.

    The trace is the caller's, if the claim names one; else one of its own for each claim and turn.
    """
    above = parse_traceparent(state.trace)
    if above:
        return above
    return SpanContext(_id(16, "trace", thread_id, str(state.turns), state.claim), 0)


def inner_span(parent: SpanContext, role: str, thread_id: str, seq: int) -> SpanContext:
    """A span below `parent` that began with record `seq`."""
    return _below(parent, role, thread_id, str(seq))


def first_attempt(records: Sequence[e.Record], call_id: str, attempt: int) -> int:
    """The number of the attempt that began the span of a call: failed attempts are inside it.

    A claim ends all spans. What a call waits for, and whoever says what became of it, ends its own.
    """
    for record in reversed(records):
        match record.event:
            case e.ToolStarted(call_id=other, attempt=number) if other == call_id:
                attempt = number
            case e.ChildWaits(call_id=other) | e.QuestionAsked(call_id=other) if other == call_id:
                break
            case e.CallNoted(call_id=other, pending=True) if other == call_id:
                break
            case e.OutcomeDecided(call_id=other) if other == call_id:
                break
            case e.ThreadClaimed():
                break
    return attempt


def _below(parent: SpanContext, *parts: str) -> SpanContext:
    return SpanContext(parent.trace_id, _id(8, *parts), parent.sampled)


def _id(size: int, *parts: str) -> int:
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=size).digest()
    return int.from_bytes(digest) or 1  # OpenTelemetry forbids 0
