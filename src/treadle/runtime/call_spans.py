"""Where a call stands in the traces of whoever called, and of what its tool calls in turn."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from ..core.call import CallState
from ..core.trace_context import SpanContext, call_span, first_attempt
from .listeners import Listener
from .log import Log


@runtime_checkable
class EntersCalls(Protocol):
    """A listener within whose contexts calls run, so that their own spans are below theirs."""

    def enter_call(self, span: SpanContext) -> AbstractContextManager[object]:
        """A context in which the call of this span runs. It must not raise."""
        ...


_ENTERED: ContextVar[tuple[EntersCalls, ...]] = ContextVar("treadle_enters_calls", default=())
_CALL: ContextVar[SpanContext | None] = ContextVar("treadle_call_span", default=None)


@contextmanager
def calls_entered_by(listeners: Sequence[Listener]) -> Iterator[None]:
    """Let calls that are made within the block, also by children, run in these contexts too."""
    entered = list(_ENTERED.get())
    for each in listeners:
        if isinstance(each, EntersCalls) and each not in entered:
            entered.append(each)
    token = _ENTERED.set(tuple(entered))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # whoever collects a dead loop's tasks closes it
            _ENTERED.reset(token)


@contextmanager
def within_call(span: SpanContext) -> Iterator[None]:
    """Run what is in the block as the call of this span."""
    token = _CALL.set(span)
    try:
        with contextlib.ExitStack() as stack:
            for each in _ENTERED.get():
                stack.enter_context(each.enter_call(span))
            yield
    finally:
        _CALL.reset(token)


def find_caller_span() -> SpanContext | None:
    """The span in which this code runs, if there is one.

    That is the caller's own, as OpenTelemetry has it, or the call of an agent's tool. Where calls
    are entered, OpenTelemetry knows of them, and of what was opened since.
    """
    call = _CALL.get()
    if call and not _ENTERED.get():
        return call
    return _current_span() or call


def _current_span() -> SpanContext | None:
    """OpenTelemetry's current span. One that isn't recorded would be a parent that nobody sees."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    if not span.is_valid or not span.trace_flags.sampled:
        return None
    return SpanContext(span.trace_id, span.span_id, sampled=True)


def find_call_span(log: Log, call: CallState) -> SpanContext:
    """The span of a call that has just started."""
    attempt = call.attempt
    if attempt > 1:
        attempt = first_attempt(log.records, call.id, attempt)
    return call_span(log.state, log.thread_id, call.id, attempt)
