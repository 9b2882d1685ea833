"""Traces from the command line: sent while a turn runs, or exported later."""

import functools
import os
from collections.abc import Hashable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from ..core import events as e
from ..core.errors import UsageError
from ..core.redact import find_secrets
from ..flows.flow import Flow
from ..observe.amounts import format_count
from ..observe.content import Content
from ..observe.span import Span
from ..observe.spans import build_spans
from ..observe.visible import make_visible
from ..runtime.agent import Agent
from ..runtime.listeners import Listener
from ..stores.open_store import open_store
from ..stores.store import Store
from .agents import choose_database
from .atomic_file import write_atomically
from .observe_options import ExportTracesOptions
from .terminal import Screen, print_json
from .threads import read_thread

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..stores.open_store import Database


def trace_listeners(agent: Agent | Flow) -> Sequence[Listener]:
    """A Tracing, if the standard variables name a server and the extra `otel` is installed."""
    from ..observe.otlp import ENDPOINTS

    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not wanted or disabled or find_spec("opentelemetry") is None:
        return []
    try:
        return [_make_tracing(cast(Hashable, open_store(agent.store)))]
    except UsageError:  # only the API is installed, as some libraries bring it along
        return []


@functools.cache
def _make_tracing(store: Hashable) -> Listener:
    """One Tracing for all turns of a chat."""
    from ..observe.tracing import Tracing

    return Tracing(store=cast(Store | None, store), meter_provider=_make_meters())


def _make_meters() -> "MeterProvider | None":
    """Metrics are sent only if wanted: many servers that take traces take no metrics."""
    if os.environ.get("OTEL_METRICS_EXPORTER", "").strip() != "otlp":
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    from ..observe.emitter import make_resource

    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], make_resource())


def export_traces(settings: ExportTracesOptions) -> int:
    """Send a thread's spans to an OpenTelemetry server (OTLP/HTTP), or write them to a file."""
    from ..observe.otlp import send_spans, to_otlp_json

    store = choose_database(settings)
    content = None
    if settings.content:
        content = Content(find_secrets(os.environ))
    spans: list[Span] = []
    for records in _read_threads(store, settings):
        spans += build_spans(records, content)
    if settings.output is None:
        send_spans(spans, settings.endpoint)
        where = "sent"
    elif str(settings.output) == "-":
        print_json(to_otlp_json(spans))
        where = "on standard output"
    else:
        data = to_otlp_json(spans)
        with write_atomically(settings.output) as out:
            out.write(data)
        where = f"in {make_visible(str(settings.output))}"
    traces = len({span.context.trace_id for span in spans})
    Screen().note(f"{format_count(len(spans), 'span')} in {format_count(traces, 'trace')} {where}")
    return 0


def _read_threads(store: "Database", settings: ExportTracesOptions) -> Iterator[Sequence[e.Record]]:
    """The records of the thread, and with --tree of all its children, each thread once."""
    waiting = [settings.thread]
    seen: set[str] = set()
    while waiting:
        records = read_thread(store, waiting.pop())
        thread_id = records[0].thread_id
        if thread_id in seen:
            continue
        seen.add(thread_id)
        yield records
        if settings.tree:
            waiting += store.list_children(thread_id)
