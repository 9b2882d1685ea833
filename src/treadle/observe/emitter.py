"""Our spans, given to OpenTelemetry's SDK under their own ids and times. Knows the SDK; imports it when it is used."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .span import Span, SpanContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import SpanContext as Place


class Emitter:
    """Hands spans to processors, as a tracer of OpenTelemetry's does with those that it has timed itself.

    Not to be called by two threads at once. Raises UsageError where the SDK isn't installed.
    """

    def __init__(
        self, processors: Sequence["SpanProcessor"], sampler: "Sampler | None" = None
    ) -> None:
        sdk = _sdk()
        from ..core.version import VERSION

        self._ids = _ids()
        self._provider = sdk.TracerProvider(
            sampler=sampler, resource=make_resource(), id_generator=self._ids
        )
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("treadle", VERSION)

    def emit(self, span: Span) -> None:
        """Never waits, unless a processor does."""
        from opentelemetry import trace
        from opentelemetry.context import Context

        inner = trace.set_span_in_context(
            trace.NonRecordingSpan(self._place(span.parent, span)), Context()
        )
        self._ids.next = span.context
        made = self._tracer.start_span(
            span.name,
            inner if span.parent else Context(),
            trace.SpanKind.CLIENT if span.kind == "client" else trace.SpanKind.INTERNAL,
            _plain(span.attributes),
            [
                trace.Link(self._place(link.to, span), {"treadle.link": link.reason})
                for link in span.links
            ],
            span.start_ns,
        )
        for event in span.events:
            made.add_event(event.name, _plain(event.attributes), event.at_ns)
        if span.error is not None:
            made.set_status(trace.Status(trace.StatusCode.ERROR, span.error or None))
        made.end(span.end_ns)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send what is waiting; whether that was done in time."""
        return bool(self._provider.force_flush(round(timeout_s * 1000)))

    def close(self) -> None:
        """Send what is waiting, and end the processors. The end of the process does that too."""
        self._provider.shutdown()

    def _place(self, context: SpanContext | None, span: Span) -> "Place":
        """Where a span is, with the sampler's word on that trace: inner spans are sent before the whole is begun."""
        from opentelemetry import trace

        at = context or span.context
        decided = self._provider.sampler.should_sample(
            None, at.trace_id, span.name
        ).decision.is_sampled()
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if decided else trace.TraceFlags.DEFAULT)
        return trace.SpanContext(at.trace_id, at.span_id, is_remote=False, trace_flags=flags)


def to_sdk_spans(spans: Iterable[Span]) -> "list[ReadableSpan]":
    """All of these as the SDK's exporters take them, whatever the environment says of sampling."""
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
    """Who speaks: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else the service `treadle`."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    said = Resource.create()
    unnamed = str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return said.merge(Resource({SERVICE_NAME: "treadle"})) if unnamed else said


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in attributes.items()
    }


def _sdk() -> Any:
    try:
        import opentelemetry.sdk.trace
    except ImportError:
        raise UsageError("traces need OpenTelemetry: pip install 'treadle[otel]'") from None
    return opentelemetry.sdk.trace


def _ids() -> Any:
    """A source of ids that gives those of the next span. The SDK has no other door for ids of one's own."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Ids(IdGenerator):
        next = SpanContext(1, 1)

        def generate_trace_id(self) -> int:
            return self.next.trace_id

        def generate_span_id(self) -> int:
            return self.next.span_id

        def is_trace_id_random(self) -> bool:
            return True  # a hash is as good as chance to a sampler

    return Ids()
