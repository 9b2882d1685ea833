"""The span of a turn, or of the part of it up to a wait or a crash. Pure."""

from dataclasses import replace

from ..core import events as e
from ..core.state import State
from ..core.trace_context import SpanContext, parse_traceparent, turn_span
from . import conventions as c
from .span import Link, Span, begin_span


def begin_turn_span(record: e.Record, state: State, agent: str, before: SpanContext | None) -> Span:
    """The span that this record begins, with a link to the part before.

    It is below the span that the claim names: the caller's own, or the parent's call.
    """
    links = (Link(before, "continues"),) if before else ()
    context = turn_span(state, record.thread_id, record.seq)
    above = parse_traceparent(state.trace)
    span = begin_span(f"{c.INVOKE_AGENT} {agent}", "internal", record, context, above)
    return replace(span, links=links)


def as_flow(turn: Span) -> Span:
    """The turn under the name of a flow's run."""
    name = turn.name.replace(c.INVOKE_AGENT, c.INVOKE_WORKFLOW, 1)
    return replace(turn, name=name).with_attributes({c.OPERATION: c.INVOKE_WORKFLOW})
