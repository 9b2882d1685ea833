"""A worker's OpenTelemetry metrics: what there is to do, how soon it is begun, and how it ends.

1. What there is to do is read from the database and the engine every LOOK_S seconds, never while
   metrics are collected. Each worker tells of the whole database: of several, take the highest.
2. What is counted is of this worker alone: add up those of several.
3. Where the database can't be read, nothing is told of it, instead of what was true once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.errors import UsageError
from ..core.events import Record
from ..core.turn_events import LimitReached, TurnEnded
from ..engines import Job
from ..models.known_secrets import redact_error
from ..observe.conventions import AGENT, ERROR, LIMIT
from ..runtime.account_line import count_in_line
from ..runtime.listeners import Delta, Listener
from ..stores.open_store import open_store
from ..stores.store import Store, tenant_of
from .done import Done
from .overview import Overview, read_overview
from .worker import SHARE, Worker, logger

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

LOOK_S = 15.0
"""How often the database is looked at."""
TENANT = "treadle.tenant"
STATE = "treadle.thread.state"
KIND = "treadle.job.kind"
OUTCOME = "treadle.job.outcome"
WAITS = "treadle.waits"

THREADS = "treadle.thread.count"
OLDEST = "treadle.thread.due.age"
QUEUED = "treadle.queue.depth"
QUEUE_AGE = "treadle.queue.age"
WORKERS = "treadle.queue.workers"
IN_LINE = "treadle.account.waiting"
LAG = "treadle.worker.lag"
DURATION = "treadle.worker.job.duration"
LIMITS = "treadle.limit.reached"

_SECONDS = [0.01 * 4**power for power in range(12)]

Value = tuple[float, dict[str, Any]]
"""A measurement and its attributes."""
_BY_AGENT = {
    OLDEST: ("s", "How long the first due thread has been left alone."),
    QUEUED: ("{job}", "Jobs of the engine that no worker has begun."),
    QUEUE_AGE: ("s", "How long the first of these jobs has waited."),
    WORKERS: ("{worker}", "Workers that have asked the engine for jobs of late."),
}
"""Units and descriptions of what is one number for each agent."""


def measure(each: Overview) -> dict[str, float]:
    """What is one number for each agent, by the metric's name; no queue without an engine."""
    found: dict[str, float] = {OLDEST: each.due_s}
    if each.queue:
        found[QUEUED] = each.queue.waiting
        found[QUEUE_AGE] = each.queue.oldest_s
        if each.queue.workers:  # an engine within one process names none
            found[WORKERS] = len(each.queue.workers)
    return found


class _Seen(msgspec.Struct, frozen=True):
    """What there is to do for one tenant's agents."""

    tenant: str
    overviews: list[Overview]


class Measures:
    """The instruments of one worker, and what was seen last."""

    def __init__(self, provider: "MeterProvider | None" = None) -> None:
        """Those of this provider, else of the global one. Raises UsageError without the API."""
        try:
            from opentelemetry import metrics
        except ImportError:
            raise UsageError("metrics need OpenTelemetry: pip install 'treadle[otel]'") from None
        from ..core.version import VERSION

        meter = metrics.get_meter("treadle", VERSION, provider)
        self.seen: list[_Seen] = []
        self.is_working = True
        self._observe(meter)
        time = partial(meter.create_histogram, explicit_bucket_boundaries_advisory=_SECONDS)
        self._lag = time(LAG, "s", "From when a thread was due until a worker began with it.")
        self._duration = time(DURATION, "s", "How long a job took, and how it ended.")
        self._limits = meter.create_counter(
            LIMITS, "{turn}", "Turns that have ended at a limit, or wait at one."
        )

    def count(self, job: Job, done: Done, seconds: float) -> None:
        """Count a job that was done: a Worker's `told`."""
        labels = make_labels(job.tenant, job.agent)
        if done.lag_s is not None:
            self._lag.record(done.lag_s, labels)
        labels |= {KIND: job.kind, OUTCOME: done.outcome}
        if done.error:
            labels[ERROR] = done.error
        self._duration.record(seconds, labels)

    def listen(self, tenant: str, agent: str) -> Callable[[Record | Delta], None]:
        """A listener that counts the limits that this agent's turns meet."""
        labels = make_labels(tenant, agent)

        def hear(what: Record | Delta) -> None:
            if not isinstance(what, Record):
                return
            match what.event:  # before its end, a turn may meet its limit a second time
                case LimitReached(limit=limit, waits=True):
                    self._limits.add(1, labels | {LIMIT: limit, WAITS: True})
                case TurnEnded(status="limit", reason=limit):
                    self._limits.add(1, labels | {LIMIT: limit, WAITS: False})
                case _:
                    pass

        return hear

    def _observe(self, meter: "Meter") -> None:
        """Make the instruments that are asked for their values."""
        from opentelemetry.metrics import Observation

        def gauge(name: str, unit: str, what: str, observe: Callable[[], Iterator[Value]]) -> None:
            def answer(options: "CallbackOptions") -> "list[Observation]":
                if not self.is_working:
                    return []
                return [Observation(value, labels) for value, labels in observe()]

            meter.create_observable_gauge(name, [answer], unit, what)

        gauge(THREADS, "{thread}", "Threads that aren't at their end.", self._count_threads)
        for name, (unit, what) in _BY_AGENT.items():
            gauge(name, unit, what, partial(self._read, name))
        gauge(
            IN_LINE,
            "{thread}",
            "Threads of this process that wait for room in a budget or an account.",
            lambda: iter([(count_in_line(), {})]),
        )

    def _read(self, name: str) -> Iterator[Value]:
        for labels, each in self._lines():
            found = measure(each)
            if name in found:
                yield found[name], labels

    def _count_threads(self) -> Iterator[Value]:
        for labels, each in self._lines():
            for state, count in (
                ("due", each.due),
                ("running", each.running),
                ("waiting", each.waiting),
                ("parked", len(each.parked)),
            ):
                yield count, labels | {STATE: state}

    def _lines(self) -> Iterator[tuple[dict[str, Any], Overview]]:
        for seen in self.seen:
            for each in seen.overviews:
                yield make_labels(seen.tenant, each.agent), each


def make_labels(tenant: str, agent: str) -> dict[str, Any]:
    """The attributes that all of an agent's measurements have."""
    labels = {AGENT: agent}
    if tenant:
        labels[TENANT] = tenant
    return labels


@asynccontextmanager
async def measuring(
    worker: Worker, provider: "MeterProvider | None" = None
) -> AsyncIterator[Worker]:
    """The worker, measured until the block is left; `provider` None is the global one.

    Raises UsageError where OpenTelemetry is missing.
    """
    measures = Measures(provider)

    def listen(one: Any) -> list[Listener]:
        given = worker.listen(one) if worker.listen else ()
        return [*given, measures.listen(tenant_of(one.store), one.name)]

    looking = asyncio.create_task(_keep_looking(worker, measures))
    try:
        yield replace(worker, told=measures.count, listen=listen)
    finally:
        measures.is_working = False
        looking.cancel()


async def _keep_looking(worker: Worker, measures: Measures) -> None:
    """Read what there is to do, again and again. Never ends by itself."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            measures.seen = await _look(worker)
        except Exception as error:
            measures.seen = []
            logger.warning("what there is to do isn't measured: %s", redact_error(error))
        await asyncio.sleep(max(LOOK_S, SHARE * (clock() - began)))


async def _look(worker: Worker) -> list[_Seen]:
    """What there is to do for all whose jobs the worker does."""
    stores: dict[int, Store] = {}
    agents_of: dict[int, list[str]] = {}
    for (_, agent), runner in worker.served.items():
        store = open_store(runner.store)
        stores[id(store)] = store
        agents_of.setdefault(id(store), []).append(agent)
    seen: list[_Seen] = []
    for number, store in stores.items():
        overviews = await read_overview(store, worker.engine, agents_of[number])
        seen.append(_Seen(tenant_of(store), overviews))
    return seen
