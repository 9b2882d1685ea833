"""Traces from the command line: sent while a turn runs, or exported later; a worker's metrics."""

import functools
import os
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core import events as e
from ..core.errors import UsageError
from ..core.visible import make_visible
from ..flows.flow import Flow
from ..models.known_secrets import known_secrets
from ..observe.amounts import format_count
from ..observe.content import Content
from ..observe.span import Span
from ..observe.spans import build_spans
from ..runtime.agent import Agent
from ..runtime.listeners import Listener
from ..stores.open_store import open_store
from ..stores.store import Store
from ..workers.metrics import measuring
from ..workers.worker import Worker
from .agents import choose_database
from .atomic_file import write_atomically
from .options import StoreOptions, name_thread
from .parameters import make_flag, make_option
from .terminal import Screen, print_json
from .threads import read_thread

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..stores.open_store import Database


@dataclass(frozen=True, kw_only=True)
class ExportTracesOptions(StoreOptions):
    thread: str = name_thread()
    endpoint: str | None = make_option(
        "URL", "An OTLP/HTTP server, as http://127.0.0.1:4318; else OTEL_EXPORTER_OTLP_ENDPOINT."
    )
    output: Path | None = make_option(
        "FILE", "As OTLP JSON into this file instead; - : out.", short="-o"
    )
    tree: bool = make_flag("With the threads that it began, and those that they began.")
    content: bool = make_flag("With what was said, but for secrets; else names and numbers alone.")


def trace_listeners(agent: Agent | Flow) -> Sequence[Listener]:
    """A Tracing, if the standard variables name a server and the extra `otel` is installed."""
    from ..observe.otlp import ENDPOINTS

    if not any(os.environ.get(name) for name in ENDPOINTS) or not _is_there():
        return []
    try:
        return [_make_tracing(cast(Hashable, open_store(agent.store)))]
    except UsageError:  # only the API is installed, as some libraries bring it along
        return []


@asynccontextmanager
async def watching(worker: Worker) -> AsyncIterator[Worker]:
    """The worker, traced and measured until the block is left, as the standard variables say."""
    worker = replace(worker, listen=trace_listeners)  # each over its tenant's store
    meters = _make_meters()
    if meters is None:
        yield worker
        return
    async with measuring(worker, meters) as measured:
        yield measured


@functools.cache
def _make_tracing(store: Hashable) -> Listener:
    """One Tracing for all turns of a chat."""
    from ..observe.tracing import Tracing

    return Tracing(store=cast(Store | None, store), meter_provider=_make_meters())


@functools.cache
def _make_meters() -> "MeterProvider | None":
    """Metrics are sent only if wanted: many servers that take traces take no metrics."""
    if os.environ.get("OTEL_METRICS_EXPORTER", "").strip() != "otlp" or not _is_there():
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    except ImportError:  # only the API is installed
        return None
    from ..observe.emitter import make_resource

    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], make_resource())


def _is_there() -> bool:
    """Whether OpenTelemetry is installed, and not switched off."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not disabled and find_spec("opentelemetry") is not None


def export_traces(settings: ExportTracesOptions) -> int:
    """Send a thread's spans to an OpenTelemetry server (OTLP/HTTP), or write them to a file."""
    from ..observe.otlp import send_spans, to_otlp_json

    store = choose_database(settings)
    content = None
    if settings.content:
        content = Content(known_secrets)
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
