"""A driver notices what others write to its log, and costs next to nothing while nobody does."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fakes import live
from treadle import Agent, Fenced, MemoryStore, ScriptedModel, SQLiteStore
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.watch import WATCH_S, watching
from treadle.runtime.world import World
from treadle.stores.store import Row, ThreadInfo


class Hangs(ScriptedModel):
    async def reply(self, request: Any, emit: Any) -> Any:
        await asyncio.sleep(1e6)


class Counting(SQLiteStore):
    reads = 0

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        self.reads += 1
        return await super().read(thread_id, after_seq)


class Plain:
    """A store that offers only what it must."""

    def __init__(self) -> None:
        self._inner = MemoryStore()

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await self._inner.append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self._inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        return await self._inner.threads(limit, **filters)


async def drive(store: Any, thread: str) -> "asyncio.Task[Any]":
    driver = Agent(model=Hangs([]), store=store, world=World())
    return asyncio.create_task(driver.run("go", thread=thread))


@pytest.mark.parametrize("kind", ["memory", "sqlite", "another connection", "plain"])
def test_a_driver_stops_a_tenth_of_a_second_after_its_thread_is_taken(kind, tmp_path):
    async def whole() -> float:
        stores = {"memory": MemoryStore(), "plain": Plain()}
        store: Any = stores.get(kind) or SQLiteStore(tmp_path / "t.db")
        other = SQLiteStore(tmp_path / "t.db") if kind == "another connection" else store
        first, second = await drive(store, "taken"), await drive(store, "kept")
        await asyncio.sleep(5)
        log = await open_log("taken", other, World())
        await log.append(e.ThreadClaimed("another"))
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(Fenced):
            await first
        took = clock() - began
        await asyncio.sleep(1)
        assert not second.done()
        second.cancel()
        await asyncio.wait([second])
        return took

    assert live(whole()) <= 0.25


def test_what_was_written_between_the_opening_and_the_watch_is_noticed_too(tmp_path):
    class Meddled(SQLiteStore):
        async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
            await super().append(thread_id, rows)
            if rows[-1].seq == 3:
                taken = Row(4, 0.0, b'{"type":"ThreadClaimed","worker":"another"}')
                await SQLiteStore(self.path).append(thread_id, [taken])

    async def whole() -> None:
        with pytest.raises(Fenced):
            await asyncio.wait_for(await drive(Meddled(tmp_path / "t.db"), "t"), 60)

    live(whole())


def test_turns_that_wait_read_nothing(tmp_path):
    async def whole() -> int:
        store = Counting(tmp_path / "t.db")
        drivers = [await drive(store, f"t{number}") for number in range(20)]
        await asyncio.sleep(1)
        before = store.reads
        await asyncio.sleep(60)
        for each in drivers:
            each.cancel()
        after = store.reads
        await asyncio.wait(drivers)
        return after - before

    assert live(whole()) == 0


def test_what_was_written_just_before_a_watch_began_is_seen():
    """Another log of the store is watched already, and by that the store's version is known."""

    async def main() -> None:
        store = MemoryStore()
        stale, other = [await open_log(name, store, World()) for name in ("t", "u")]
        with watching(other):
            writer = await open_log("t", store, World())
            await writer.append(e.ThreadStarted("a", "k"))
            await asyncio.sleep(10 * WATCH_S)
            with watching(stale) as grown:
                await asyncio.sleep(10 * WATCH_S)
                assert grown.is_set()

    live(main())
