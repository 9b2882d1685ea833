"""Temporal as the engine: one of its standalone activities for each job that is to be done.

1. A job's activity has the job's id, so that one is done at a time. Who submits a job whose
   activity runs already leaves a second one behind it: what was appended after the first had
   looked is seen by the second. Who comes then, too, is seen to by either.
2. A worker that dies stops beating; Temporal then gives the activity to another one. It knows
   nothing of what the job does: its history has one entry for each job, however long that is.
3. An activity that is to be done again fails on purpose, with the time of its next attempt.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ..core.errors import EngineError, UsageError
from .engine import Job, Queue, Work

if TYPE_CHECKING:
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
    from temporalio.client import Client

ACTIVITY = "treadle.job"
BEHIND = "behind/"
"""Begins the id of an activity that waits for another one of the same job."""
BEAT_S = 1.0
LOST_S = 4.0
"""A worker that hasn't beaten for so long is taken for dead."""
SOON_S = 1.0
"""When another worker looks at a job that was taken from this one."""
POLLED_S = 70.0
"""A worker asks for work at least once a minute."""
LONGEST = timedelta(days=365)
AGAIN = timedelta(seconds=1)
AGAIN_AT_MOST = timedelta(seconds=30)
"""When an activity is tried again whose worker has died or met a bug."""
RPC_TIMEOUT = timedelta(seconds=10)
MAX_ID, MAX_FAIRNESS_KEY = 900, 64
"""Bytes that Temporal takes, or more; a digest stands for longer ones."""


@dataclass(frozen=True)
class TemporalAddress:
    """Where a Temporal server is, and which of its namespaces is meant."""

    target: str
    namespace: str
    tls: bool

    @classmethod
    def read(cls, address: str) -> "TemporalAddress":
        """That of temporal://host:port/namespace. Raises UsageError."""
        wrong = UsageError(
            f"{address!r} is no address of Temporal; give temporal://HOST:PORT/NAMESPACE, of"
            " which port (7233) and namespace (default) may be left out"
        )
        try:
            parts = urlsplit(address)
            port = parts.port or 7233
        except ValueError:  # a bracket that isn't closed, a port that is none
            raise wrong from None
        if not parts.hostname or "/" in parts.path.strip("/"):
            raise wrong
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        namespace = parts.path.strip("/") or "default"
        return cls(f"{host}:{port}", namespace, parts.scheme == "temporals")


ASIDE_AT_ONCE = 1000
"""How many jobs that take no place a worker does at once, of each agent."""


def name_queue(agent: str, takes_place: bool = True) -> str:
    """The task queue of the jobs of this agent. Those that take no place have one of their own."""
    return f"treadle/{agent}" if takes_place else f"treadle/{agent}/aside"


class TemporalEngine:
    """Brings jobs to the workers that a Temporal server knows."""

    def __init__(self, address: str) -> None:
        import_temporal()
        self.address = TemporalAddress.read(address)
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._left: set[asyncio.Task[float | None]] = set()
        """What goes on, though its activity was given to another worker."""

    async def submit(self, job: Job) -> None:
        if not await self._start(job, name_activity(job)):
            await self._start(job, BEHIND + name_activity(job))

    async def offer(self, job: Job) -> None:
        await self._start(job, name_activity(job))

    @asynccontextmanager
    async def serve(self, agents: Collection[str], work: Work, most: int) -> AsyncIterator[None]:
        from temporalio import activity
        from temporalio.worker import Worker

        @activity.defn(name=ACTIVITY)
        async def do_job(content: str) -> None:
            again_s = await self._do(msgspec.json.decode(content, type=Job), work)
            if again_s is not None:
                raise _do_again(again_s)

        client = await self._connect()
        async with AsyncExitStack() as workers:
            queues = {name_queue(agent): most for agent in agents}
            queues |= {name_queue(agent, False): ASIDE_AT_ONCE for agent in agents}
            for queue, at_once in queues.items():
                worker = Worker(
                    client,
                    task_queue=queue,
                    activities=[do_job],
                    max_concurrent_activities=at_once,
                    graceful_shutdown_timeout=LONGEST,
                )
                await workers.enter_async_context(worker)
            yield

    async def look(self, agents: Collection[str]) -> list[Queue]:
        client = await self._connect()
        with _in_words(self.address):
            return [await self._look_at(client, agent) for agent in agents]

    async def _start(self, job: Job, activity_id: str) -> bool:
        """Start the job's activity of this id; False where it waits already, or is at work."""
        from temporalio.common import Priority, RetryPolicy
        from temporalio.exceptions import ActivityAlreadyStartedError

        client = await self._connect()
        with _in_words(self.address), suppress(ActivityAlreadyStartedError):
            await client.start_activity(
                ACTIVITY,
                msgspec.json.encode(job).decode(),
                id=activity_id,
                task_queue=name_queue(job.agent, job.takes_place),
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=timedelta(seconds=LOST_S),
                retry_policy=RetryPolicy(initial_interval=AGAIN, maximum_interval=AGAIN_AT_MOST),
                priority=Priority(fairness_key=_shorten(job.tenant, MAX_FAIRNESS_KEY) or None),
                rpc_timeout=RPC_TIMEOUT,
            )
            return True
        return False

    async def _do(self, job: Job, work: Work) -> float | None:
        """Do the job, and beat meanwhile. Where the activity is cancelled, as it was given to
        another worker, the job goes on: its thread's log says who may write."""
        from temporalio import activity

        task = asyncio.ensure_future(work(job))
        try:
            while not task.done():
                activity.heartbeat()
                await asyncio.wait({task}, timeout=BEAT_S)
        except asyncio.CancelledError:
            self._left.add(task)
            task.add_done_callback(self._left.discard)
            return SOON_S
        return task.result()

    async def _look_at(self, client: "Client", agent: str) -> Queue:
        from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueType
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

        kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        ask = client.workflow_service.describe_task_queue
        work, asking = await asyncio.gather(
            ask(
                DescribeTaskQueueRequest(
                    namespace=client.namespace,
                    task_queue=TaskQueue(name=name_queue(agent)),
                    task_queue_type=kind,
                    report_stats=True,
                ),
                timeout=RPC_TIMEOUT,
            ),
            # Which workers there are: a worker whose places are all taken asks only here. The
            # default mode knows who has asked at the first of a queue's partitions, this one all.
            ask(
                DescribeTaskQueueRequest(
                    namespace=client.namespace,
                    task_queue=TaskQueue(name=name_queue(agent, takes_place=False)),
                    api_mode=DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
                    task_queue_types=[kind],
                    report_pollers=True,
                ),
                timeout=RPC_TIMEOUT,
            ),
        )
        return read_queue(agent, work, asking, datetime.now(UTC))

    async def _connect(self) -> "Client":
        from temporalio.client import Client

        loop = asyncio.get_running_loop()
        for other in [each for each in self._clients if each.is_closed()]:
            del self._clients[other]
        if loop not in self._clients:
            with _in_words(self.address):
                self._clients[loop] = await Client.connect(
                    self.address.target,
                    namespace=self.address.namespace,
                    tls=self.address.tls,
                    api_key=os.environ.get("TEMPORAL_API_KEY") or None,
                    connect_timeout=RPC_TIMEOUT,
                    identity=name_worker(),
                )
        return self._clients[loop]


def read_queue(
    agent: str,
    work: "DescribeTaskQueueResponse",
    asking: "DescribeTaskQueueResponse",
    now: datetime,
) -> Queue:
    """The queue, from what the server says of the agent's work and of who asks for work."""
    pollers = [*work.pollers]
    for version in asking.versions_info.values():
        for kind in version.types_info.values():
            pollers += kind.pollers
    workers = {
        poller.identity
        for poller in pollers
        if now - poller.last_access_time.ToDatetime(UTC) < timedelta(seconds=POLLED_S)
    }
    age_s = work.stats.approximate_backlog_age.ToTimedelta().total_seconds()
    waiting = work.stats.approximate_backlog_count
    return Queue(agent, waiting, age_s, tuple(sorted(workers)))


def name_activity(job: Job) -> str:
    """The id of the activity that does the job."""
    return _shorten(job.id, MAX_ID)


def _shorten(text: str, most: int) -> str:
    """The text, or a digest of it where it is too long."""
    data = text.encode("utf-8", "surrogatepass")
    return text if len(data) <= most else blake2b(data, digest_size=24).hexdigest()


def name_worker() -> str:
    """This process, as lists of workers show it."""
    return f"{os.getpid()}@{socket.gethostname()}"


def _do_again(again_s: float) -> BaseException:
    """What an activity raises so that it is tried again after so many seconds."""
    from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

    return ApplicationError(
        "to be done again",
        next_retry_delay=timedelta(seconds=max(again_s, 0.001)),
        category=ApplicationErrorCategory.BENIGN,
    )


@contextmanager
def _in_words(address: TemporalAddress) -> Iterator[None]:
    """Raise EngineError where the server can't be reached, or refuses."""
    from temporalio.service import RPCError

    try:
        yield
    except (RPCError, RuntimeError, OSError) as error:
        raise EngineError(
            f"Temporal at {address.target}, namespace {address.namespace}: {error}"
        ) from error


def import_temporal() -> None:
    """Raise UsageError, which says how to install it, where temporalio is missing."""
    if find_spec("temporalio") is None:
        raise UsageError("the engine Temporal needs temporalio: pip install 'treadle[scale]'")
