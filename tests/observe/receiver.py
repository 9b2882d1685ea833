"""An OTLP server on loopback that keeps what it is sent, decoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Received:
    url: str
    status: int = 200
    """What it answers."""
    requests: list[Any] = field(default_factory=list)
    """Each an ExportTraceServiceRequest."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)
    """Their names."""

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    @property
    def ids(self) -> list[tuple[str, int, int]]:
        """Name, trace and span of each, sorted."""
        as_int = int.from_bytes
        return sorted(
            (span.name, as_int(span.trace_id), as_int(span.span_id)) for span in self.spans
        )

    def attributes(self, name: str) -> dict[str, Any]:
        """Of the last span of that name."""
        span = next(span for span in reversed(self.spans) if span.name == name)
        return {
            each.key: getattr(each.value, each.value.WhichOneof("value"))
            for each in span.attributes
        }


@contextmanager
def receiving() -> Iterator[Received]:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.paths.append(self.path)
            if self.path == "/v1/traces" and received.status == 200:
                received.headers.append(
                    {name.lower(): value for name, value in self.headers.items()}
                )
                received.requests.append(ExportTraceServiceRequest.FromString(body))
            elif self.path == "/v1/metrics":
                sent = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
                scopes = [each for of in sent.resource_metrics for each in of.scope_metrics]
                received.metrics |= {metric.name for each in scopes for metric in each.metrics}
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
