"""Traces from the command line: sent while a turn runs, where the environment says so, and exported afterwards."""

import functools
import os
from collections.abc import Hashable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core import events as e
from ..core.errors import UsageError
from ..flows.flow import Flow
from ..observe.content import Content
from ..observe.redact import find_secrets
from ..observe.span import Span, SpanContext
from ..observe.spans import Spans, build_spans
from ..observe.visible import make_visible
from ..runtime.agent import Agent
from ..runtime.listeners import Listener
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .agents import choose_store
from .atomic_file import write_atomically
from .observe_options import ExportTraces
from .terminal import Screen, print_json
from .threads import list_thread_ids, read_thread

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_CHILDREN = """
select thread_id from record
where seq = 1 and json_extract(case when json_valid(event) then event end, '$.parent_thread_id') = ?
order by id
"""


def trace_listeners(agent: Agent | Flow) -> Sequence[Listener]:
    """A Tracing where the standard variables name a server and the extra `otel` is there; else nothing."""
    from ..observe.otlp import ENDPOINTS

    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not wanted or disabled or find_spec("opentelemetry") is None:
        return []
    try:
        return [_tracing(cast(Hashable, agent.store))]
    except UsageError:  # only the API is installed, as some libraries bring it along
        return []


@functools.cache
def _tracing(store: Hashable) -> Listener:
    """One for all turns of a chat."""
    from ..observe.tracing import Tracing

    return Tracing(store=cast(Store | None, store), meter_provider=_meters())


def _meters() -> "MeterProvider | None":
    """Metrics go out only if they are asked for: many servers that take traces take no metrics."""
    if os.environ.get("OTEL_METRICS_EXPORTER", "").strip() != "otlp":
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    from ..observe.emitter import make_resource

    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], make_resource())


def export_traces(settings: ExportTraces) -> int:
    """Send a thread's spans to an OpenTelemetry server (OTLP over HTTP), or write them into a file."""
    from ..observe.otlp import send_spans, to_otlp_json

    store = choose_store(settings)
    assert isinstance(store, SQLiteStore)
    content = Content(find_secrets(os.environ)) if settings.content else None
    found = [
        span
        for log in _logs(store, settings)
        for span in build_spans(log, content, _parent(store, log))
    ]
    traces = len({span.context.trace_id for span in found})
    if settings.output is None:
        send_spans(found, settings.endpoint)
        where = ""
    elif str(settings.output) == "-":
        print_json(to_otlp_json(found))
        where = " on standard output"
    else:
        _write(settings.output, found)
        where = f" in {make_visible(str(settings.output))}"
    Screen().note(f"{len(found):,} spans in {traces:,} traces{where or ' sent'}")
    return 0


def _write(file: Path, found: Sequence[Span]) -> None:
    from ..observe.otlp import to_otlp_json

    data = to_otlp_json(found)
    with write_atomically(file) as out:
        out.write(data)


def _logs(store: SQLiteStore, settings: ExportTraces) -> Iterator[Sequence[e.Record]]:
    """The thread's, and with --tree those of all below it, each once."""
    waiting, seen = [settings.thread], set[str]()
    while waiting:
        log = read_thread(store, waiting.pop())
        name = log[0].thread_id
        if name not in seen:
            seen.add(name)
            yield log
            waiting += (
                [child for (child,) in store.select(_CHILDREN, (name,))] if settings.tree else []
            )


def _parent(store: SQLiteStore, log: Sequence[e.Record]) -> SpanContext | None:
    """The call that began this thread, where another thread did, and that one is here."""
    started = log[0].event
    if not isinstance(started, e.ThreadStarted) or started.parent_thread_id not in list_thread_ids(
        store
    ):
        return None
    fold = Spans()
    for record in read_thread(store, started.parent_thread_id):
        fold.add(record)
    return fold.of_call(started.parent_call_id)
