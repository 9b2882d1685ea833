"""Tracing: a listener that sends each span to OpenTelemetry as it ends.

It builds spans with the class that also exports a whole log (spans.py), so both have the same ids.
"""

import logging
import os
import threading
from collections.abc import Sequence, Set
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ..core.events import (
    Event,
    Record,
    ThreadClaimed,
    ThreadForked,
    ToolFailed,
    ToolReturned,
    TurnEnded,
)
from ..core.trace_context import SpanContext
from ..models.known_secrets import known_secrets
from ..runtime.listeners import Delta
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..stores.rows import from_rows
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .content import Content
from .emitter import Emitter
from .metrics import Instruments
from .span import Span
from .spans import Spans

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import SpanProcessor

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own switch for texts in spans: SPAN_ONLY and SPAN_AND_EVENT turn them on here."""
KEPT = 1000
"""How many threads are remembered whose turn has ended or waits. It may go on in another process,
where it goes on; if it does here, its records are read again."""

_log = logging.getLogger("treadle")


class Tracing:
    """A listener that sends the spans of all threads to OpenTelemetry. Serves any number of agents.

    Without `processors`, spans go out in batches over OTLP/HTTP, as the standard
    OTEL_EXPORTER_OTLP_* variables say. `content` adds prompts, answers and results, redacted; None
    leaves that to OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT. `secrets` are redacted by
    value; None: those in the environment and of models. `store` is the agents' store (None: the
    default one); the records that another process wrote are read there. Metrics go to
    `meter_provider`, else to the global one. Raises UsageError without the extra `otel`.
    """

    def __init__(
        self,
        *,
        processors: Sequence["SpanProcessor"] | None = None,
        content: bool | None = None,
        secrets: Set[str] | None = None,
        store: Store | None = None,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        if processors is None:
            processors = _batch_processors()
        self._emitter = Emitter(processors)
        self._instruments = Instruments(meter_provider)
        if content is None:
            content = os.environ.get(CAPTURE, "").upper() in ("SPAN_ONLY", "SPAN_AND_EVENT")
        self._content: Content | None = None
        if content:
            self._content = Content(known_secrets if secrets is None else secrets)
        self._store = store
        self._folds: dict[str, Spans] = {}
        self._unreadable: dict[str, None] = {}
        """Threads whose earlier records aren't in the store; each was warned of once."""
        self._lock = threading.Lock()
        """Each turn calls its listeners in an operating-system thread of its own."""

    def __call__(self, what: Record | Delta) -> None:
        if not isinstance(what, Record):
            return
        with self._lock:
            fold = self._fold_for(what)
            if fold is None:
                return
            self._send(fold.add(what))
            if fold.rests:
                self._forget()

    def _send(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._emitter.emit(span)
            self._instruments.record(span)

    def enter_call(self, span: SpanContext) -> AbstractContextManager[object]:
        """A context in which spans that a tool makes by itself are below its call's span."""
        return self._emitter.within(span)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send the spans that wait; whether that was done in time."""
        return self._emitter.flush(timeout_s)

    def close(self) -> None:
        """Send the spans that wait, and stop. The end of the process does that too."""
        self._emitter.close()

    def _fold_for(self, record: Record) -> Spans | None:
        """The fold to add this record to.

        None if the record was seen before, or if the thread's earlier records can't be read.
        """
        fold = self._folds.get(record.thread_id)
        if fold and record.seq <= fold.seq and (record.seq > 1 or record == fold.first):
            return None  # seen before, from another agent's listener
        if record.seq > 1 and record.thread_id in self._unreadable:
            return None
        if fold is None or fold.seq != record.seq - 1:
            fold = self._read_past(record)
        if fold is None:
            self._unreadable[record.thread_id] = None
            _log.warning(
                "thread %s isn't traced: Tracing(store=...) must be where it is kept",
                record.thread_id,
            )
            return None
        self._folds.pop(record.thread_id, None)
        self._folds[record.thread_id] = fold  # the most recent thread is the last
        return fold

    def _read_past(self, record: Record) -> Spans | None:
        """A fold of the records before this one; None if the store doesn't have them.

        Where this one begins a drive, spans that ended by posts since the last one are sent:
        nobody drove the thread then, so nobody has heard of them.
        """
        past: list[Record] = []
        if record.seq > 1:
            past = self._read(record.thread_id, record.seq - 1)
        if len(past) != record.seq - 1:
            return None
        fold = Spans(self._content)
        posted: list[Span] = []
        is_driven = True
        for each in past:
            ended = fold.add(each)
            if isinstance(each.event, ThreadClaimed | ThreadForked):  # the fork's source sends it
                posted, is_driven = [], isinstance(each.event, ThreadClaimed)
            elif not is_driven and _is_posted(each.event):
                posted += ended
            elif ended and fold.rests:
                is_driven = False
        if isinstance(record.event, ThreadClaimed):
            self._send(posted)
        return fold

    def _read(self, thread_id: str, upto_seq: int | None = None) -> list[Record]:
        self._store = self._store or open_store(None)
        if isinstance(self._store, SQLiteStore) and not self._store.path.exists():
            return []  # reading would create the file
        rows = run_sync(self._store.read(thread_id))
        return from_rows(thread_id, rows[:upto_seq])

    def _forget(self) -> None:
        for name in [*self._unreadable][:-KEPT]:
            del self._unreadable[name]
        resting = [name for name, fold in self._folds.items() if fold.rests]
        for name in resting[:-KEPT]:
            del self._folds[name]


def _is_posted(event: Event) -> bool:
    """Whether it may have been written by somebody who doesn't drive the thread."""
    match event:
        case ToolReturned(by=by) | ToolFailed(by=by):
            return by != ""
        case TurnEnded(status=status):
            return status == "cancelled"
        case _:
            return False


def _batch_processors() -> "list[SpanProcessor]":
    from .otlp import make_exporter

    exporter = make_exporter()  # raises UsageError without the extra, so it comes first
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return [BatchSpanProcessor(exporter)]
