"""The span of a turn, or of the part of it up to a wait or a crash. Pure."""

from dataclasses import replace

from ..core import events as e
from . import conventions as c
from .span import Link, Span, SpanContext, begin_span


def begin_turn_span(
    record: e.Record, agent: str, before: SpanContext | None, parent: SpanContext | None
) -> Span:
    """The span that this record begins, with links to the part before and to the parent's call."""
    links = []
    if before:
        links.append(Link(before, "continues"))
    if parent:
        links.append(Link(parent, "parent"))
    span = begin_span(f"{c.INVOKE_AGENT} {agent}", "internal", record, None)
    return replace(span, links=tuple(links))


def as_flow(turn: Span) -> Span:
    """The turn under the name of a flow's run."""
    name = turn.name.replace(c.INVOKE_AGENT, c.INVOKE_WORKFLOW, 1)
    return replace(turn, name=name).with_attributes({c.OPERATION: c.INVOKE_WORKFLOW})
