"""What every engine does: jobs come to the workers of their agent, again where that is asked."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from fakes import live, loop_time
from temporal_server import free_port
from treadle.core.errors import EngineError, UsageError
from treadle.engines import Engine, Job, LocalEngine, Queue, open_engine
from treadle.engines.temporal import POLLED_S, name_activity, read_queue

PATIENCE_S = 30
NUMBERS = itertools.count(1)


@pytest.fixture(params=["local", pytest.param("temporal", marks=pytest.mark.temporal)])
def make(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    if request.param == "local":
        return LocalEngine
    address = request.getfixturevalue("temporal").address
    return lambda: open_engine(address)


@pytest.fixture
def agent() -> str:
    """A name that no other test has."""
    return f"agent {next(NUMBERS)}"


class Worker:
    """Does jobs: waits where it is told to, and says when each is to come back."""

    def __init__(self, *again_s: float | None) -> None:
        self.done: Counter[str] = Counter()
        self.at_work = 0
        self.most_at_work = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.changed = asyncio.Condition()
        self._again_s = list(again_s)

    async def do(self, job: Job) -> float | None:
        self.at_work += 1
        self.most_at_work = max(self.at_work, self.most_at_work)
        await self._tell()
        await self.may_end.wait()
        self.at_work -= 1
        self.done[job.name] += 1
        await self._tell()
        return self._again_s.pop(0) if self._again_s else None

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(holds)


def job(agent: str, name: str = "t") -> Job:
    return Job("resume", agent, name)


@pytest.mark.slow
def test_a_job_is_done_once(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        async with engine.serve([agent], worker.do, 10):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.done["t"] == 1)
        assert worker.done == {"t": 1}

    asyncio.run(whole())


@pytest.mark.slow
def test_one_that_is_submitted_while_it_is_done_is_done_once_more(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 10):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.at_work >= 1)
            await engine.submit(job(agent))
            await engine.submit(job(agent))
            await engine.offer(job(agent))
            worker.may_end.set()
            await worker.wait(lambda: worker.done["t"] == 2)
        assert worker.done == {"t": 2}

    asyncio.run(whole())


def test_one_that_is_only_offered_while_it_is_done_is_left_at_that(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 10):
            await engine.offer(job(agent))
            await worker.wait(lambda: worker.at_work >= 1)
            await engine.offer(job(agent))
            worker.may_end.set()
            await worker.wait(lambda: worker.done["t"] == 1)
            await engine.submit(job(agent, "after"))
            await worker.wait(lambda: worker.done["after"] == 1)
        assert worker.done == {"t": 1, "after": 1}

    asyncio.run(whole())


@pytest.mark.slow
def test_a_job_comes_back_when_its_worker_says_so_and_holds_no_place_till_then(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker(0.5, 0.0, 3600)
        async with engine.serve([agent], worker.do, 1):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.done["t"] == 3)
            await engine.submit(job(agent, "next"))
            await worker.wait(lambda: worker.done["next"] == 1)
        assert worker.done["t"] == 3

    asyncio.run(whole())


def test_at_most_so_many_are_done_at_once(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 2):
            for number in range(5):
                await engine.submit(job(agent, f"t{number}"))
            await worker.wait(lambda: worker.at_work == 2)
            worker.may_end.set()
            await worker.wait(lambda: worker.done.total() == 5)
        assert worker.most_at_work == 2

    asyncio.run(whole())


@pytest.mark.parametrize("kind", ["child", "sweep", "cron"])
def test_what_takes_no_place_is_done_while_turns_hold_all(make, agent, kind):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 1):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.at_work == 1)
            await engine.offer(Job(kind, agent, "aside"))
            try:
                await worker.wait(lambda: worker.at_work == 2)
            finally:
                worker.may_end.set()

    asyncio.run(whole())


def test_each_agent_has_places_of_its_own(make, agent):
    async def whole() -> None:
        engine, worker, other = make(), Worker(), f"other {agent}"
        worker.may_end.clear()
        async with engine.serve([agent, other], worker.do, 1):
            await engine.submit(job(agent))
            await engine.submit(job(other))
            try:
                await worker.wait(lambda: worker.at_work == 2)
            finally:
                worker.may_end.set()

    asyncio.run(whole())


def test_who_leaves_waits_for_what_is_under_way(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 10):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.at_work == 1)
            asyncio.get_running_loop().call_later(0.2, worker.may_end.set)
        assert worker.done == {"t": 1}

    asyncio.run(whole())


def test_who_leaves_waits_for_no_job_that_is_to_come_back_later():
    async def whole() -> float:
        engine, worker = LocalEngine(), Worker(3600)
        worker.may_end.clear()
        async with engine.serve(["a"], worker.do, 10):
            await engine.submit(job("a"))
            await worker.wait(lambda: worker.at_work == 1)
            began = loop_time()
            asyncio.get_running_loop().call_later(1, worker.may_end.set)
        assert worker.done == {"t": 1}
        return loop_time() - began

    assert live(whole()) < 10


def test_what_was_not_begun_at_the_end_is_done_by_whoever_serves_next():
    async def whole() -> None:
        engine, worker = LocalEngine(), Worker()
        async with engine.serve(["a"], worker.do, 10):
            await engine.submit(job("a"))
        async with engine.serve(["a"], worker.do, 10):
            await engine.submit(job("a"))
            await worker.wait(lambda: worker.done["t"] == 1)

    live(whole())


async def look_until(engine: Engine, agent: str, shows: Callable[[Queue], bool]) -> Queue:
    """The agent's queue, once it shows that."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            [queue] = await engine.look([agent])
            if shows(queue):
                return queue
            await asyncio.sleep(0.1)


@pytest.mark.slow
def test_the_queue_of_an_agent_is_seen(make, agent):
    async def whole() -> None:
        engine, worker = make(), Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 1):
            for number in range(3):
                await engine.submit(job(agent, f"t{number}"))
            await worker.wait(lambda: worker.at_work == 1)
            queue = await look_until(engine, agent, lambda queue: queue.waiting == 2)
            worker.may_end.set()
            await worker.wait(lambda: worker.done.total() == 3)
        assert queue.agent == agent
        assert queue.oldest_s >= 0

    asyncio.run(whole())


@pytest.mark.parametrize(
    "name", ["x/behind", "behind/x", "50%", "ü" * 60, "n" * 3000, "a b\nc", "%2F"]
)
def test_names_of_all_kinds_are_brought_as_they_are(make, agent, name):
    async def whole() -> None:
        engine, worker = make(), Worker()
        async with engine.serve([agent], worker.do, 10):
            await engine.submit(Job("resume", agent, name, tenant=name))
            await worker.wait(lambda: worker.done[name] == 1)

    asyncio.run(whole())


def test_no_two_jobs_have_one_id():
    parts = ["a", "a/b", "b", "b/c", "", "%2F", "/", "a%2Fb"]
    jobs = [Job("resume", agent, name, tenant) for agent, name, tenant in product(parts, repeat=3)]
    assert len({job.id for job in jobs}) == len(jobs)


@pytest.mark.temporal
def test_jobs_wait_for_a_worker_of_their_agent(temporal, agent):
    async def whole() -> None:
        engine: Any = open_engine(temporal.address)
        await engine.submit(job(agent))
        other, worker = Worker(), Worker()
        async with (
            engine.serve([f"not {agent}"], other.do, 1),
            engine.serve([agent], worker.do, 1),
        ):
            await worker.wait(lambda: worker.done["t"] == 1)
            queue = await look_until(engine, agent, lambda queue: len(queue.workers) == 1)
        assert not other.done
        assert len(queue.workers) == 1

    asyncio.run(whole())


@pytest.mark.temporal
def test_workers_are_those_that_ask_on_any_partition_and_the_busy_ones_too():
    """A worker whose places are all taken asks no more at the agent's own queue."""
    from temporalio.api.taskqueue.v1 import PollerInfo
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse

    now = datetime(2026, 1, 1, tzinfo=UTC)
    work, asking = DescribeTaskQueueResponse(), DescribeTaskQueueResponse()
    work.stats.approximate_backlog_count = 3
    for name, ago_s in (("two", 1), ("one", 60), ("two", 5), ("gone", POLLED_S)):
        poller = PollerInfo(identity=name)
        poller.last_access_time.FromDatetime(now - timedelta(seconds=ago_s))
        asking.versions_info[""].types_info[2].pollers.append(poller)
    queue = read_queue("a", work, asking, now)
    assert (queue.waiting, queue.workers) == (3, ("one", "two"))


@pytest.mark.slow
@pytest.mark.temporal
def test_what_a_worker_does_goes_on_though_the_engine_takes_the_job_away(temporal, agent):
    """As it does from one that was cut off: the thread's log says who may write, not the engine."""

    from temporalio.client import ActivityFailureError

    async def whole() -> None:
        engine: Any = open_engine(temporal.address)
        worker = Worker()
        worker.may_end.clear()
        async with engine.serve([agent], worker.do, 1):
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.at_work == 1)
            handle = (await engine._connect()).get_activity_handle(name_activity(job(agent)))
            await handle.cancel()
            with pytest.raises(ActivityFailureError):
                await handle.result()
            worker.may_end.set()
            await worker.wait(lambda: worker.done["t"] == 1)
            await engine.submit(job(agent))
            await worker.wait(lambda: worker.done["t"] == 2)

    asyncio.run(whole())


def test_an_engine_that_can_t_be_reached_says_so():
    async def whole() -> None:
        engine: Any = open_engine(f"temporal://127.0.0.1:{free_port()}")
        with pytest.raises(EngineError, match=r"Temporal at 127\.0\.0\.1"):
            await engine.submit(job("a"))

    pytest.importorskip("temporalio")
    asyncio.run(whole())


@pytest.mark.parametrize("address", ["", None])
def test_without_an_address_there_is_no_engine(monkeypatch, address):
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    assert open_engine(address) is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("temporal://[::1", "no address of Temporal"),
        ("temporal://[host]:7233", "no address of Temporal"),
        ("localhost:7233", "temporal://"),
        ("temporal://", "HOST:PORT"),
        ("temporal://host:x", "HOST:PORT"),
        ("temporal://host:1/a/b", "HOST:PORT"),
        (5, "no engine"),
    ],
)
def test_what_is_no_engine_is_refused_in_words(address, told):
    with pytest.raises(UsageError, match=told):
        open_engine(address)
