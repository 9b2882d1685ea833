"""Our own stores keep what every store promises, and offer all that a store may offer beside."""

import asyncio
import threading
from contextlib import closing
from typing import Any

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.core.errors import SeqTaken
from treadle.stores.store import Attended, Erasable, Queued, Timed, Watchable
from treadle.testing.store_contract import StoreContract, row


class TestMemoryStore(StoreContract):
    def make(self):
        return MemoryStore()


class TestSQLiteStore(StoreContract):
    def make(self):
        return SQLiteStore(self.folder / "t.db")


class TestSQLiteStoreThatSyncs(StoreContract):
    def make(self):
        return SQLiteStore(self.folder / "f.db", durability="full")


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path) -> Any:
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SQLiteStore(tmp_path / "t.db")) as made:
        yield made


def test_our_stores_offer_all_that_a_store_may_offer(store):
    for protocol in (Attended, Erasable, Queued, Timed, Watchable):
        assert isinstance(store, protocol), protocol


def test_many_threads_of_one_process_write_without_losing_or_forking(store):
    """Four writers add twenty rows each to one log; whose seq is taken tries the next one."""
    errors: list[BaseException] = []

    async def add(name: int, left: int) -> None:
        rows = await store.read("t")
        await store.append("t", [row(len(rows) + 1, f"{name}-{left}")])

    def write(name: int) -> None:
        try:
            left = 20
            while left:
                try:
                    asyncio.run(add(name, left))
                    left -= 1
                except SeqTaken:
                    continue
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = asyncio.run(store.read("t"))
    assert errors == []
    assert [each.seq for each in rows] == list(range(1, 81))
    assert len({each.event for each in rows}) == 80
