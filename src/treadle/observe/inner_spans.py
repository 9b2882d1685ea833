"""The spans inside a turn: of a request to one model with all of its tries, and of a call. Pure."""

from dataclasses import dataclass, replace

from ..core import events as e
from ..core.state import State
from ..core.trace_context import SpanContext, call_span, inner_span
from . import conventions as c
from .content import SpanMessages
from .span import Span, begin_span


@dataclass(frozen=True)
class Chat:
    """A request that is open."""

    span: Span
    model: str
    usage: e.Usage = e.Usage()
    cost_usd: float | None = 0.0
    failed: e.Record | None = None
    """Its last try, if that has failed and another may follow."""

    def is_tried_again(self, called: e.ModelCalled) -> bool:
        """Whether this is another try of it. Another model gets a span of its own."""
        return called.model == self.model and called.attempt > 1

    def called(self, called: e.ModelCalled, attributes: c.Attributes) -> "Chat":
        """With one more try."""
        span = self.span.with_attributes(attributes | {c.ATTEMPTS: called.attempt})
        return replace(self, span=span, failed=None)

    def used(self, event: e.ModelReplied | e.ModelFailed) -> "Chat":
        """With what a try has used."""
        if isinstance(event, e.ModelFailed) and not event.usage.total_tokens:
            return self
        usage, cost_usd = self.usage + event.usage, None
        if self.cost_usd is not None and event.cost_usd is not None:
            cost_usd = self.cost_usd + event.cost_usd
        span = self.span.with_attributes(c.usage_attributes(usage, cost_usd))
        return replace(self, span=span, usage=usage, cost_usd=cost_usd)

    def failing(self, record: e.Record, event: e.ModelFailed) -> "Chat":
        """After a try that has failed, and may be followed by another."""
        span = self.span.with_event("treadle.retry", record.at, c.retry_attributes(event))
        return replace(self, span=span, failed=record)


def begin_chat(record: e.Record, called: e.ModelCalled, state: State, turn: SpanContext) -> Chat:
    """The request that this record begins."""
    attributes = c.request_attributes(called, state, record.thread_id)
    name = f"{c.CHAT} {attributes[c.REQUEST_MODEL]}"
    context = inner_span(turn, c.CHAT, record.thread_id, record.seq)
    span = begin_span(name, "client", record, context, turn)
    return Chat(span.with_attributes(attributes), called.model)


def end_failed(chat: Chat, failed: e.Record | None, messages: SpanMessages) -> list[Span]:
    """The span of a request that this try, its last one, has failed."""
    if failed is None or not isinstance(failed.event, e.ModelFailed):
        return []
    words = messages.error_text(failed.event.message)
    return [chat.span.ended(failed.at, {c.ERROR: failed.event.kind}, words)]


def begin_call(
    record: e.Record, call: e.Call, state: State, turn: SpanContext, agent: str | None
) -> Span:
    """The span of a call that this record begins; `agent` is None for a step of a flow."""
    operation, attributes = "step", c.step_attributes(call, state.root_id)
    if agent is not None:
        operation = c.EXECUTE_TOOL
        attributes = c.tool_call_attributes(call, agent, state.root_id)
    attempt = record.event.attempt if isinstance(record.event, e.ToolStarted) else 0
    context = call_span(state, record.thread_id, call.id, attempt)
    span = begin_span(f"{operation} {call.name}", "internal", record, context, turn)
    return span.with_attributes(attributes | {c.ATTEMPTS: 1})


def end_call(span: Span, record: e.Record, messages: SpanMessages) -> Span:
    """The span of a call that has its outcome, or waits: then it goes on in another span."""
    match record.event:
        case e.ToolReturned(content=text) | e.OutcomeDecided(outcome="ran", content=text):
            return span.ended(record.at, messages.call_result(text))
        case e.ToolFailed(kind=kind, message=text):
            failed = {c.ERROR: kind, **messages.call_result(text)}
            return span.ended(record.at, failed, messages.error_text(text))
        case e.OutcomeDecided(outcome="tell"):
            return span.ended(record.at, {c.ERROR: "unknown"})
        case _:
            return span.ended(record.at, {c.STATUS: "waiting"})
