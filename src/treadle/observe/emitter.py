"""Gives our spans to OpenTelemetry's SDK, with their own ids and times. Imports it when used."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.trace_context import SpanContext
from .span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import SpanContext as SdkSpanContext


class Emitter:
    """Gives finished spans to OpenTelemetry span processors, with their own ids and times.

    Not safe to call from two threads at once. Raises UsageError if the SDK isn't installed.
    """

    def __init__(
        self, processors: Sequence["SpanProcessor"], sampler: "Sampler | None" = None
    ) -> None:
        sdk = _sdk()
        from ..core.version import VERSION

        self._ids = _make_id_generator()
        self._provider = sdk.TracerProvider(
            sampler=sampler, resource=make_resource(), id_generator=self._ids
        )
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("treadle", VERSION)

    def emit(self, span: Span) -> None:
        """Send one span. Never waits, unless a processor does."""
        from opentelemetry import trace
        from opentelemetry.context import Context

        context = Context()
        if span.parent:
            parent = trace.NonRecordingSpan(self._to_sdk_context(span.parent, span.name))
            context = trace.set_span_in_context(parent, context)
        links = []
        for link in span.links:
            target = self._to_sdk_context(link.to, span.name)
            links.append(trace.Link(target, {"treadle.link": link.reason}))
        self._ids.next = span.context
        made = self._tracer.start_span(
            span.name,
            context,
            trace.SpanKind.CLIENT if span.kind == "client" else trace.SpanKind.INTERNAL,
            span.attributes,
            links,
            span.start_ns,
        )
        for event in span.events:
            made.add_event(event.name, event.attributes, event.at_ns)
        if span.error is not None:
            made.set_status(trace.Status(trace.StatusCode.ERROR, span.error or None))
        made.end(span.end_ns)

    @contextmanager
    def within(self, span: SpanContext) -> Iterator[None]:
        """Let this be the current span, of which spans that are begun in the block are a part."""
        from opentelemetry import context, trace

        current = trace.NonRecordingSpan(self._to_sdk_context(span, ""))
        token = context.attach(trace.set_span_in_context(current))
        try:
            yield
        finally:
            context.detach(token)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send the spans that wait; whether that was done in time."""
        return bool(self._provider.force_flush(round(timeout_s * 1000)))

    def close(self) -> None:
        """Send the spans that wait, and end the processors. The process's end does that too."""
        self._provider.shutdown()

    def _to_sdk_context(self, context: SpanContext, name: str) -> "SdkSpanContext":
        """The SDK's form of a context, with the caller's or the sampler's decision on its trace.

        Inner spans are sent before the outer span is known to the SDK, so it must be asked here.
        """
        from opentelemetry import trace

        sampled = context.sampled
        if not sampled:
            sampling = self._provider.sampler.should_sample(None, context.trace_id, name)
            sampled = sampling.decision.is_sampled()
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT)
        return trace.SpanContext(
            context.trace_id, context.span_id, is_remote=False, trace_flags=flags
        )


def to_sdk_spans(spans: Iterable[Span]) -> "list[ReadableSpan]":
    """These spans for the SDK's exporters; the environment's sampling settings don't apply."""
    _sdk()
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    kept = InMemorySpanExporter()
    emitter = Emitter([SimpleSpanProcessor(kept)], ALWAYS_ON)
    for span in spans:
        emitter.emit(span)
    found = list(kept.get_finished_spans())
    emitter.close()
    return found


def make_resource() -> Any:
    """The resource that sends the spans, named by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.

    Without a name there, it is the service `treadle`.
    """
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "treadle"}))
    return resource


def _sdk() -> Any:
    try:
        import opentelemetry.sdk.trace
    except ImportError:
        raise UsageError("traces need OpenTelemetry: pip install 'treadle[otel]'") from None
    return opentelemetry.sdk.trace


def _make_id_generator() -> Any:
    """An id generator that gives the ids of the next span: the SDK's only way to set them."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Ids(IdGenerator):
        next = SpanContext(1, 1)

        def generate_trace_id(self) -> int:
            return self.next.trace_id

        def generate_span_id(self) -> int:
            return self.next.span_id

        def is_trace_id_random(self) -> bool:
            return True  # a hash is as good for a sampler

    return Ids()
