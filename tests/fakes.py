"""What the tests of the core share: a loop whose clock jumps, a repeatable world, stores that are slow or die."""

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from treadle import Agent, MemoryStore, Record, Result
from treadle import events as e
from treadle.stores.store import Row, ThreadInfo
from treadle.world import World

T = TypeVar("T")


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer it moves the clock there; a tool that runs in a thread gets real time first."""

    def __init__(self, in_threads: Callable[[], bool]) -> None:
        super().__init__()
        self.now_s = 1000.0
        self._in_threads = in_threads

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        ready = super().select(5 if timeout is None else 0.3) if self._in_threads() or timeout is None else []
        assert ready or timeout is not None, "nothing is scheduled and nothing happens: it would wait for ever"
        if not ready:
            self.now_s += max(0.0, timeout or 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector(self._in_threads)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def _in_threads(self) -> bool:
        """Whether a task waits for a thread, by the names of the coroutines that do."""
        for task in asyncio.all_tasks(self):
            inner: Any = task.get_coro()
            while inner is not None:
                if getattr(inner, "__name__", "") in ("_in_thread", "to_thread", "caught_up"):
                    return True
                inner = getattr(inner, "cr_await", None)
        return False


def live(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in virtual time. Fails if it leaves a task running."""

    async def whole() -> T:
        result = await work
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        return result

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(whole())


def loop_time() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def world(now: Callable[[], float] = loop_time, chance: float = 0.0) -> World:
    """The same names and chances every time; the clock is the loop's."""
    names = (f"id{number}" for number in itertools.count(1))
    return World(now=now, chance=lambda: chance, new_id=lambda: next(names))


def agent(model: Any, *tools: Any, **settings: Any) -> Agent:
    """One with a store in memory and a repeatable world."""
    return Agent(**{"model": model, "tools": tools, "store": MemoryStore(), "world": world(), **settings})


def names(records: Sequence[Record]) -> list[str]:
    return [type(record.event).__name__ for record in records]


def found(result: Result, kind: type[T]) -> list[T]:
    return [record.event for record in result.records if isinstance(record.event, kind)]


def timeless(records: Sequence[Record]) -> list[e.Event]:
    """The events without what a clock put into them."""
    clocked = {"latency_s", "first_token_s", "duration_s"}
    return [
        msgspec.structs.replace(record.event, **{key: 0.0 for key in clocked & set(record.event.__struct_fields__)})
        for record in records
    ]


class SlowStore(MemoryStore):
    """Really waits in every operation, before it and after it, as a database across a network does."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await asyncio.sleep(0.01)
        await super().append(thread_id, rows)
        await asyncio.sleep(0.01)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        await asyncio.sleep(0.01)
        found = await super().read(thread_id, after_seq)
        await asyncio.sleep(0.01)
        return found


class Died(BaseException):
    """The process is gone: nothing catches it, nothing is written after it."""


class DyingStore:
    """Keeps the first `appends` appends. The next one dies, before it is written or after; so does all that follows."""

    def __init__(self, inner: MemoryStore, appends: int, error: Callable[[], BaseException], written: bool) -> None:
        self.inner = inner
        self.left = appends
        self._error = error
        self._written = written

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        self.left -= 1
        if self.left >= 0 or (self.left == -1 and self._written):
            await self.inner.append(thread_id, rows)
        if self.left < 0:
            raise self._error()

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100) -> list[ThreadInfo]:
        return await self.inner.threads(limit)
