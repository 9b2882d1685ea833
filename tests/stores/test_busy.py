"""A file in which another process is at work: whoever needs it waits, and the event loop goes on."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fakes import live
from treadle import Agent, ScriptedModel, SQLiteStore
from treadle.core.errors import StoreError
from treadle.models.scripted import says
from treadle.stores import sqlite_file
from treadle.stores.busy import describe_writer, find_writer
from treadle.stores.store import Row

ROW = Row(1, 0.0, b"{}")


@contextmanager
def held(path: Path, how: str = "begin immediate") -> Iterator[None]:
    """The file, locked by another connection, as by another process."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(how)
        yield
        db.execute("rollback")


async def turn_the_loop() -> None:
    """As long as the loop turns, this ends; a loop that waits for the file never gets here."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.mark.parametrize("durability", ["process", "full"])
def test_an_append_waits_and_the_event_loop_goes_on(tmp_path, durability):
    path = tmp_path / "logs.db"

    async def whole() -> list[Row]:
        with closing(SQLiteStore(path, durability=durability)) as store:
            await store.append("warm", [ROW])
            with held(path):
                waiting = asyncio.create_task(store.append("t", [ROW]))
                other = asyncio.create_task(store.append("u", [ROW]))
                await turn_the_loop()
                assert not waiting.done()
                assert await store.read("warm"), "reading needn't wait"
            await asyncio.gather(waiting, other)
            await store.append("t", [Row(2, 0.0, b"{}")])
            return await store.read("t")

    assert [row.seq for row in asyncio.run(whole())] == [1, 2]


def test_a_cancelled_append_ends_before_the_cancellation_is_raised(tmp_path):
    path = tmp_path / "logs.db"

    async def whole() -> int:
        with closing(SQLiteStore(path)) as store:
            await store.append("warm", [ROW])
            with held(path):
                waiting = asyncio.create_task(store.append("t", [ROW]))
                await turn_the_loop()
                waiting.cancel()
                await turn_the_loop()
                assert not waiting.done(), "its outcome isn't known yet"
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return len(await store.read("t"))

    assert asyncio.run(whole()) == 1


@pytest.mark.parametrize("how", ["begin immediate", "begin exclusive"])
def test_a_file_that_is_busy_when_it_is_opened_is_waited_for_too(tmp_path, how):
    path = tmp_path / "logs.db"
    with closing(SQLiteStore(path)) as first:
        asyncio.run(first.append("t", [ROW]))

    async def whole() -> list[Row]:
        with closing(SQLiteStore(path)) as store:
            with held(path, how):
                reading = asyncio.create_task(store.read("t"))
                writing = asyncio.create_task(store.append("t", [Row(2, 0.0, b"{}")]))
                await turn_the_loop()
                assert not writing.done()
            await asyncio.gather(reading, writing)
            return await store.read("t")

    assert [row.seq for row in asyncio.run(whole())] == [1, 2]


def test_a_new_file_that_another_process_is_creating_is_waited_for(tmp_path):
    path = tmp_path / "logs.db"
    sqlite3.connect(path).close()

    async def whole() -> list[Row]:
        with closing(SQLiteStore(path)) as store:
            with held(path, "begin exclusive"):
                writing = asyncio.create_task(store.append("t", [ROW]))
                await turn_the_loop()
                assert not writing.done()
            await writing
            return await store.read("t")

    assert len(asyncio.run(whole())) == 1


def test_others_of_a_server_go_on_while_one_thread_waits_for_the_file(tmp_path):
    path = tmp_path / "logs.db"

    async def whole() -> str:
        with closing(SQLiteStore(path)) as store:
            agent = Agent(model=ScriptedModel([says("hi")] * 2), store=store)
            await agent.run("warm up")
            with held(path):
                waiting = asyncio.create_task(agent.run("hello"))
                await turn_the_loop()
                assert not waiting.done()
            return (await waiting).answer

    assert asyncio.run(whole()) == "hi"


@pytest.mark.parametrize("durability", ["process", "full"])
def test_a_wait_of_two_seconds_is_told_and_goes_on(tmp_path, caplog, durability):
    path = tmp_path / "logs.db"

    async def whole() -> None:
        with closing(SQLiteStore(path, durability=durability)) as store:
            await store.append("warm", [ROW])
            caplog.clear()
            with held(path):
                waiting = asyncio.create_task(store.append("t", [ROW]))
                await asyncio.sleep(1.9)  # in virtual time
                assert not caplog.records
                await asyncio.sleep(0.2)
            await waiting

    live(whole())
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"{path} is busy: another ")
    assert told.endswith(" is writing to it; waiting for that, at most 30 s")


def test_reading_is_told_of_too(tmp_path, caplog):
    path = tmp_path / "logs.db"
    with closing(SQLiteStore(path)) as first:
        asyncio.run(first.append("t", [ROW]))

    async def whole() -> int:
        with closing(SQLiteStore(path)) as store:
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("pragma locking_mode = exclusive")  # keeps readers out too
                other.execute("begin exclusive")
                reading = asyncio.create_task(store.threads())
                await asyncio.sleep(2.1)  # in virtual time
            return len(await reading)

    assert live(whole()) == 1
    assert "waiting for that, at most 30 s" in caplog.text


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux lists locks")
@pytest.mark.parametrize("how", ["begin immediate", "begin exclusive"])
def test_the_process_that_writes_is_named(tmp_path, how):
    path = tmp_path / "logs.db"
    with closing(sqlite_file.connect(path)):
        assert find_writer(path) is None
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute(sys.argv[2]); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdin
        other.stdout.readline()
        assert find_writer(path) == other.pid
        assert re.fullmatch(rf"process {other.pid} \(.+\) is writing to it", describe_writer(path))
        other.stdin.close()
    assert find_writer(path) is None
    with held(path, how):
        assert describe_writer(path) == "another connection of this process is writing to it"


def test_a_file_that_stays_busy_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "logs.db"
    with closing(sqlite_file.connect(path, busy_timeout_s=0)) as db, held(path):
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("begin immediate")
        assert sqlite_file.is_busy(caught.value)
        said = sqlite_file.describe(path, caught.value)
        assert said.startswith(f"{path} is busy: another ")
        assert said.endswith(" is writing to it, and hasn't finished within 30 s")
    with pytest.raises(StoreError) as refused:
        sqlite_file.connect(tmp_path)
    assert not sqlite_file.is_busy(refused.value)
