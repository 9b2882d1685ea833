"""What there is to do, by agent: read from the list of threads, and from the engine."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from ..core.errors import EngineError
from ..engines import Engine, Queue
from ..runtime.due import find_due
from ..runtime.world import World
from ..stores.archive import ALL_THREADS
from ..stores.store import Store


class Overview(msgspec.Struct, frozen=True):
    """The threads that one agent or flow has begun and that aren't at their end. No children: they
    go on with their parents."""

    agent: str
    due: int
    """Somebody has to resume them: they are unfinished, wait for nobody and have no driver."""
    due_s: float
    """How long the first of them has been left alone, in seconds."""
    running: int
    """A living process drives them."""
    waiting: int
    """They wait for people, for work elsewhere, or for a time."""
    parked: tuple[str, ...]
    """Several processes died at the same place of them: a person must look at them. Their names."""
    queue: Queue | None = None
    """What the engine says; None without an engine, or where it can't be reached."""


async def read_overview(
    store: Store, engine: Engine | None = None, agents: Sequence[str] = ()
) -> list[Overview]:
    """One for each of these agents, or of those that have threads. Raises StoreErrors."""
    due_ids = {each.thread_id for each in await find_due(store, World())}
    left_at: dict[str, list[float]] = defaultdict(list)
    running, waiting = Counter[str](), Counter[str]()
    parked: dict[str, list[str]] = defaultdict(list)
    for status, others in (("unfinished", running), ("waiting", waiting)):
        for info in await store.threads(ALL_THREADS, status=status, parent=""):
            if info.thread_id in due_ids:
                left_at[info.agent].append(info.updated_at)
            else:
                others[info.agent] += 1
    for info in await store.threads(ALL_THREADS, status="parked", parent=""):
        parked[info.agent].append(info.thread_id)
    names = agents or sorted({*left_at, *running, *waiting, *parked})
    queues = await _look(engine, names)
    now = World().now()
    return [
        Overview(
            name,
            len(left_at[name]),
            max(0.0, now - min(left_at[name], default=now)),
            running[name],
            waiting[name],
            tuple(parked[name]),
            queues.get(name),
        )
        for name in names
    ]


async def _look(engine: Engine | None, agents: Sequence[str]) -> dict[str, Queue]:
    if engine is None:
        return {}
    try:
        return {queue.agent: queue for queue in await engine.look(agents)}
    except EngineError:
        return {}
