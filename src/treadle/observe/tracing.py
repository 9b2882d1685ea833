"""Tracing: a listener that sends each span as it ends.

It folds what it is told as spans.py folds a whole log, so that live spans and a later export have the same ids.
"""

import logging
import os
import threading
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from ..core.codec import decode_event
from ..core.events import Record, ThreadStarted
from ..runtime.listeners import Delta
from ..runtime.sync import run_sync
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .content import Content
from .emitter import Emitter
from .metrics import Instruments
from .redact import find_secrets
from .span import SpanContext
from .spans import Spans

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import SpanProcessor

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own switch for what was said: SPAN_ONLY and SPAN_AND_EVENT turn it on here."""
KEPT = 1000
"""Threads without an open turn whose fold is kept, for their next one."""

_log = logging.getLogger("treadle")


class Tracing:
    """A listener that gives the spans of every thread it hears of to OpenTelemetry. Serves any number of agents.

    Without `processors`, spans go out in batches over OTLP/HTTP, as the standard OTEL_EXPORTER_OTLP_* variables say.
    `content` adds what was said, redacted; None leaves that to OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT.
    `secrets` are redacted by value; None: those in the environment. `store` is the agent's, and None is what it is for
    an agent: a thread that another process began, or that something was posted to, is read there. Metrics go to
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
        self._emitter = Emitter(_batches() if processors is None else processors)
        self._instruments = Instruments(meter_provider)
        wanted = (
            os.environ.get(CAPTURE, "").upper() in ("SPAN_ONLY", "SPAN_AND_EVENT")
            if content is None
            else content
        )
        known = find_secrets(os.environ) if secrets is None else secrets
        self._content = Content(known) if wanted else None
        self._store = store
        self._folds: dict[str, Spans] = {}
        self._strange: dict[str, None] = {}
        """Threads whose beginning can't be had; each was named once."""
        self._lock = threading.Lock()
        """Each turn has a thread of its own that tells its listeners."""

    def __call__(self, what: Record | Delta) -> None:
        if not isinstance(what, Record):
            return
        with self._lock:
            fold = self._fold_before(what)
            if fold is None:
                return
            for span in fold.add(what):
                self._emitter.emit(span)
                self._instruments.record(span)
            if fold.idle:
                self._forget()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send what is waiting; whether that was done in time."""
        return self._emitter.flush(timeout_s)

    def close(self) -> None:
        """Send what is waiting, and stop. The end of the process does that too."""
        self._emitter.close()

    def _fold_before(self, record: Record) -> Spans | None:
        """What to add this record to; None where it was heard before, or its thread's beginning can't be had."""
        fold = self._folds.get(record.thread_id)
        again = (
            fold and record.seq <= fold.seq and (record.seq > 1 or record == fold.first)
        )  # another agent's listener
        if again or (record.seq > 1 and record.thread_id in self._strange):
            return None
        if fold is None or fold.seq != record.seq - 1:
            past = self._read(record.thread_id, record.seq - 1) if record.seq > 1 else []
            if len(past) != record.seq - 1:
                self._strange[record.thread_id] = None
                _log.warning(
                    "thread %s isn't traced: Tracing(store=...) must be where it is kept",
                    record.thread_id,
                )
                return None
            first = (past[0] if past else record).event
            fold = Spans(
                self._content, self._call(first) if isinstance(first, ThreadStarted) else None
            )
            for each in past:
                fold.add(each)
        self._folds.pop(record.thread_id, None)
        self._folds[record.thread_id] = fold  # what was heard of last comes last
        return fold

    def _call(self, started: ThreadStarted) -> SpanContext | None:
        """The call that began a thread, where another thread did."""
        if not started.parent_thread_id:
            return None
        fold = self._folds.get(started.parent_thread_id)
        found = fold.of_call(started.parent_call_id) if fold else None
        if found is None:  # nobody has told of that call, or not yet
            fold = Spans()
            for record in self._read(started.parent_thread_id):
                fold.add(record)
            found = fold.of_call(started.parent_call_id)
        return found

    def _read(self, thread_id: str, upto_seq: int | None = None) -> list[Record]:
        self._store = self._store or SQLiteStore()
        if isinstance(self._store, SQLiteStore) and not self._store.path.exists():
            return []  # and none is made
        rows = run_sync(self._store.read(thread_id))
        return [
            Record(thread_id, row.seq, row.at, decode_event(row.event)) for row in rows[:upto_seq]
        ]

    def _forget(self) -> None:
        for name in [*self._strange][:-KEPT]:
            del self._strange[name]
        for name in [name for name, fold in self._folds.items() if fold.idle][:-KEPT]:
            del self._folds[name]


def _batches() -> "list[SpanProcessor]":
    from .otlp import make_exporter

    to = make_exporter()
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return [BatchSpanProcessor(to)]
