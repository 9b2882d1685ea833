"""A worker's metrics: what there is to do, how soon it is begun, how it ends, which limits are met."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import agent, live
from treadle import Agent, Budget, Limits, MemoryStore, ScriptedModel, flow, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent, ModelDenied, StoreError
from treadle.core.model import Reply
from treadle.engines import Job, LocalEngine, Queue
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.store import ThreadInfo
from treadle.workers import metrics as m
from treadle.workers.worker import Worker

pytest.importorskip("opentelemetry.sdk.metrics", reason="needs the extra otel")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

PAGE = (Path(__file__).parents[2] / "docs" / "observe.md").read_text("utf8")
OPENING = (e.ThreadStarted("shop", "k"), e.ThreadClaimed("gone", "gone"), e.UserSaid("go"))
LAGS_S = 5.0
"""How long a test may take at most between two looks at the clock."""


@tool(needs_approval=True)
def pay() -> str:
    return "paid"


async def ask_the_shop() -> str:
    return (await shop(says("Yes.")).run("go")).answer


def shop(*script: Any, **settings: Any) -> Agent:
    settings = {"store": MemoryStore(), "name": "shop", "world": World(), **settings}
    return agent(ScriptedModel(script), pay, **settings)


async def left(store: MemoryStore, thread: str, ago_s: float, *more: e.Event) -> None:
    """A thread that was left open so many seconds ago."""
    log = await open_log(thread, store, World(now=lambda: time.time() - ago_s))
    await log.append(*OPENING, *more)


Found = dict[str, dict[tuple[str, ...], float]]
Collect = Callable[[], Found]


def collect(reader: InMemoryMetricReader) -> Found:
    """By metric and the values of its attributes: the value, of a histogram the sum."""
    found: Found = {}
    data = reader.get_metrics_data()
    for of_resource in data.resource_metrics if data else ():
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for point in metric.data.data_points:
                    value = getattr(point, "sum", None)
                    value = point.value if value is None else value
                    labels = tuple(str(each) for each in (point.attributes or {}).values())
                    found.setdefault(metric.name, {})[labels] = value
    return found


def measured(worker: Worker, work: Callable[[Worker, Collect], Coroutine[Any, Any, None]]) -> Found:
    """What is measured while this is done with the worker; asserts that nothing is, after it."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    collected: Found = {}

    async def whole() -> None:
        async with m.measuring(worker, provider) as watched:
            await asyncio.sleep(0.01)  # virtual: the first look is over
            await work(watched, lambda: collect(reader))
            await asyncio.sleep(m.LOOK_S)
            collected.update(collect(reader))
        assert m.THREADS not in collect(reader)

    live(whole())
    provider.shutdown()
    return collected


async def nothing(worker: Worker, collect: Collect) -> None:
    pass


def test_what_there_is_to_do_is_told_by_agent_and_state():
    store = MemoryStore()
    one = shop(calls("pay"), store=store)

    async def prepare() -> None:
        await left(store, "oldest", 100.0)
        await left(store, "newest", 50.0)
        claims = [e.ThreadClaimed(f"c{number}") for number in range(9)]
        await left(store, "dead", 9.0, *claims)
        await one.run("go", thread="asks")

    live(prepare())
    worker = Worker([one, shop(name="other", store=store)])
    found = measured(worker, nothing)
    states = {labels[1]: n for labels, n in found[m.THREADS].items() if labels[0] == "shop"}
    assert states == {"due": 2, "running": 0, "waiting": 1, "parked": 1}
    assert 100 <= found[m.OLDEST]["shop",] < 100 + LAGS_S
    assert found[m.OLDEST]["other",] == 0
    assert found[m.QUEUED] == {("shop",): 0, ("other",): 0}
    assert m.WORKERS not in found


class Elsewhere(LocalEngine):
    """An engine that many processes share."""

    async def look(self, agents: Any) -> list[Queue]:
        return [Queue(each, 7, 2.5, ("a", "b")) for each in agents]


def test_the_engine_s_queue_and_workers_are_told():
    found = measured(Worker([shop()], Elsewhere()), nothing)
    assert found[m.QUEUED] == {("shop",): 7}
    assert found[m.QUEUE_AGE] == {("shop",): 2.5}
    assert found[m.WORKERS] == {("shop",): 2}


def test_jobs_are_counted_by_how_they_end_and_how_late_they_began():
    store = MemoryStore()
    one = shop(says("Yes."), ModelDenied("no"), calls("pay"), store=store)
    worker = Worker([one])

    async def work(worker: Worker, collect: Collect) -> None:
        for number in range(3):
            await left(store, f"t{number}", 30.0)
            assert await worker.do(Job("resume", "shop", f"t{number}")) is None
        await worker.do(Job("resume", "shop", "t0"))
        await worker.do(Job("resume", "nobody", "t0"))
        await worker.do(Job("sweep", "shop"))

    found = measured(worker, work)
    assert {labels[1:] for labels in found[m.DURATION]} == {
        ("resume", "answered"),
        ("resume", "failed", "ModelDenied"),
        ("resume", "waiting"),
        ("resume", "idle"),
        ("resume", "unfit"),
        ("sweep", "swept"),
    }
    assert 90 <= found[m.LAG]["shop",] < 90 + 3 * LAGS_S


def test_a_thread_whose_time_has_come_was_not_late_before():
    store = MemoryStore()

    async def work(worker: Worker, collect: Collect) -> None:
        until = time.time() - 20
        held = e.LimitReached("tokens_a_day", 1, 1, "day:2026-01-01:team", True, until)
        await left(store, "t", 1000.0, held)
        await worker.do(Job("resume", "shop", "t"))

    found = measured(Worker([shop(says("Yes."), store=store)]), work)
    assert 20 <= found[m.LAG]["shop",] < 20 + LAGS_S


def test_a_turn_that_meets_a_limit_is_counted():
    store = MemoryStore()
    ends = shop(says("Yes."), store=store, budgets=[Budget("team", tokens_a_day=10)])
    reads = flow(limits=Limits(tokens=10))(ask_the_shop)
    waits = replace(reads, name="waits", store=store)

    async def work(worker: Worker, collect: Collect) -> None:
        await left(store, "t", 1.0)
        await worker.do(Job("resume", "shop", "t"))
        [runner] = [each for each in worker.served.values() if each.name == "waits"]
        runner: Any = runner
        assert (await runner.run()).status == "waiting"

    found = measured(Worker([ends, waits]), work)
    assert found[m.LIMITS] == {
        ("shop", "tokens_a_day", "False"): 1,
        ("waits", "tokens", "True"): 1,
    }


class Slow(ScriptedModel):
    """Takes five seconds for each reply."""

    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(5)
        return await super().reply(request, emit)


def test_a_turn_that_waits_for_room_in_a_budget_is_told_while_it_waits():
    team = Budget("team", tokens_a_day=150)
    one = replace(
        shop(budgets=[team]),
        model=Slow([says("Yes."), says("No.")]),
        settings=replace(shop().settings, max_output_tokens=80),
    )
    seen: list[Found] = []

    async def work(worker: Worker, collect: Collect) -> None:
        both = [asyncio.create_task(one.run("go")) for _ in range(2)]
        await asyncio.sleep(2)
        seen.append(collect())
        await asyncio.gather(*both)

    found = measured(Worker([one]), work)
    assert seen[0][m.IN_LINE] == {(): 1}
    assert found[m.IN_LINE] == {(): 0}


class Gone(MemoryStore):
    """A database that can't be reached any more."""

    gone = False
    error: Exception = StoreError("the server has gone")

    async def threads(self, *given: Any, **more: Any) -> list[ThreadInfo]:
        if self.gone:
            raise self.error
        return await super().threads(*given, **more)


def test_where_the_database_can_t_be_read_nothing_is_told_of_it():
    store = Gone()
    worker = Worker([shop(store=store)])
    seen: list[Found] = []

    async def work(worker: Worker, collect: Collect) -> None:
        seen.append(collect())
        store.gone = True

    found = measured(worker, work)
    assert m.THREADS in seen[0]
    assert m.THREADS not in found
    assert m.IN_LINE in found


@pytest.mark.parametrize("error", [StoreError("busy"), IllegalEvent("no such call"), OSError()])
def test_what_there_is_to_do_is_told_again_once_it_can_be_read(error: Exception):
    store = Gone()
    store.error = error

    async def work(worker: Worker, collect: Collect) -> None:
        store.gone = True
        await asyncio.sleep(2 * m.LOOK_S)
        assert m.THREADS not in collect()
        store.gone = False

    assert m.THREADS in measured(Worker([shop(store=store)]), work)


def test_a_job_that_the_database_holds_up_says_why():
    store = Gone()
    store.gone = True

    async def work(worker: Worker, collect: Collect) -> None:
        await worker.do(Job("sweep", "shop"))

    found = measured(Worker([shop(store=store)]), work)
    assert set(found[m.DURATION]) == {("shop", "sweep", "unavailable", "StoreError")}


def test_the_page_has_every_metric_with_its_unit():
    """Those of the whole database are read, the others counted."""
    store, reader = MemoryStore(), InMemoryMetricReader()
    found: dict[str, str] = {}

    async def whole() -> None:
        await left(store, "t", 1.0)
        one = shop(says("Yes."), store=store, budgets=[Budget("team", tokens_a_day=10)])
        worker = Worker([one], Elsewhere())
        async with m.measuring(worker, MeterProvider([reader])) as watched:
            await asyncio.sleep(0.01)
            await watched.do(Job("resume", "shop", "t"))
            data = reader.get_metrics_data()
            assert data
            for metric in data.resource_metrics[0].scope_metrics[0].metrics:
                assert metric.description
                found[metric.name] = metric.unit

    live(whole())
    assert dict(re.findall(r"^\| `(treadle\.[a-z.]+)` \| `(.*?)` \|", PAGE, re.M)) == found
