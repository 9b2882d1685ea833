"""Spans over OTLP: to a server by HTTP, or as OTLP JSON. Knows OpenTelemetry's exporter; imports it when it is used."""

import base64
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .emitter import to_sdk_spans
from .span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PATH = "/v1/traces"
BATCH = 512
"""Spans of one request, as many as the SDK's own batches have."""

_IDS = ("traceId", "spanId", "parentSpanId")


def make_exporter(endpoint: str | None = None) -> "SpanExporter":
    """To that address, PATH added unless it is there, else where the standard variables say; keys come from
    OTEL_EXPORTER_OTLP_HEADERS. Raises UsageError without the extra.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise UsageError(
            "traces need OpenTelemetry's exporter: pip install 'treadle[otel]'"
        ) from None
    return OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/').removesuffix(PATH)}{PATH}" if endpoint else None
    )


def send_spans(spans: Sequence[Span], endpoint: str | None = None) -> None:
    """Send these and wait for the answer. Raises UsageError where nobody takes them, or no address is given."""
    if not endpoint and not any(os.environ.get(name) for name in ENDPOINTS):
        raise UsageError(f"where to? Say --endpoint http://127.0.0.1:4318, or set {ENDPOINTS[1]}")
    to, whole = make_exporter(endpoint), to_sdk_spans(spans)
    try:
        for at in range(0, len(whole), BATCH):
            if to.export(whole[at : at + BATCH]).name != "SUCCESS":
                where = endpoint or next(
                    os.environ[name] for name in ENDPOINTS if os.environ.get(name)
                )
                raise UsageError(
                    f"{where} did not take the spans {at + 1} to {min(at + BATCH, len(whole))}"
                )
    finally:
        to.shutdown()


def to_otlp_json(spans: Sequence[Span]) -> bytes:
    """One request of OTLP, in its JSON form (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)."""
    whole = to_sdk_spans(spans)
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    request = MessageToDict(encode_spans(whole), use_integers_for_enums=True)
    return json.dumps(_hexed(request), ensure_ascii=False).encode()


def _hexed(value: Any) -> Any:
    """With ids in hexadecimal: there OTLP departs from protobuf's JSON, which has base64."""
    match value:
        case dict():
            return {
                key: base64.b64decode(each).hex() if key in _IDS else _hexed(each)
                for key, each in value.items()
            }
        case list():
            return [_hexed(each) for each in value]
        case _:
            return value
