"""Sends spans to a server over OTLP/HTTP, or makes OTLP JSON. Imports the exporter when used."""

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
"""How many spans one request holds; the SDK's own batches hold as many."""

_IDS = ("traceId", "spanId", "parentSpanId")


def make_exporter(endpoint: str | None = None) -> "SpanExporter":
    """An exporter to this address (PATH is added if missing), else to the standard variables' one.

    Keys come from OTEL_EXPORTER_OTLP_HEADERS. Raises UsageError without the extra.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise UsageError(
            "traces need OpenTelemetry's exporter: pip install 'treadle[otel]'"
        ) from None
    if endpoint:
        endpoint = endpoint.rstrip("/").removesuffix(PATH) + PATH
    return OTLPSpanExporter(endpoint=endpoint or None)


def send_spans(spans: Sequence[Span], endpoint: str | None = None) -> None:
    """Send these spans and wait for the answer.

    Raises UsageError if no address is given, or the server doesn't take the spans.
    """
    addresses = [endpoint, *(os.environ.get(name) for name in ENDPOINTS)]
    where = next(filter(None, addresses), "")
    if not where:
        raise UsageError(f"where to? Say --endpoint http://127.0.0.1:4318, or set {ENDPOINTS[1]}")
    exporter = make_exporter(endpoint)
    whole = to_sdk_spans(spans)
    try:
        for at in range(0, len(whole), BATCH):
            batch = whole[at : at + BATCH]
            if exporter.export(batch).name != "SUCCESS":
                raise UsageError(f"{where} did not take the spans {at + 1} to {at + len(batch)}")
    finally:
        exporter.shutdown()


def to_otlp_json(spans: Sequence[Span]) -> bytes:
    """The spans as one OTLP request in JSON.

    See https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
    """
    whole = to_sdk_spans(spans)
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    request = MessageToDict(encode_spans(whole), use_integers_for_enums=True)
    return json.dumps(_ids_to_hex(request), ensure_ascii=False).encode()


def _ids_to_hex(value: Any) -> Any:
    """The value with ids in hexadecimal, as OTLP wants them; protobuf's JSON has base64."""
    if isinstance(value, list):
        return [_ids_to_hex(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key in _IDS:
            found[key] = base64.b64decode(each).hex()
        else:
            found[key] = _ids_to_hex(each)
    return found
