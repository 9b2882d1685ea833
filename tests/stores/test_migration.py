"""A file of an older format is brought to today's: all of it, or nothing."""

import asyncio
import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import writers
from treadle import SQLiteStore
from treadle.core.codec import decode_record
from treadle.core.errors import StoreDamaged
from treadle.core.events import Record
from treadle.stores.archive import find_damage
from treadle.stores.migrations import MIGRATIONS
from treadle.stores.rows import from_rows
from treadle.stores.store import Row

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = {"one": "format-1.jsonl", "team": "format-1-team.jsonl"}
"""What the golden file holds: by thread, the golden log whose records those are."""


@pytest.fixture
def path(tmp_path):
    return Path(shutil.copy(GOLDEN / "format-1.db", tmp_path))


def records_of(thread: str) -> list[Record]:
    """The golden log's records, but under the name that its thread has in the golden file."""
    lines = (GOLDEN / LOGS[thread]).read_bytes().splitlines()
    return [msgspec.structs.replace(decode_record(line), thread_id=thread) for line in lines]


def read(store: SQLiteStore, thread: str) -> list[Record]:
    return from_rows(thread, asyncio.run(store.read(thread)))


def test_a_file_of_format_1_is_read_and_goes_on(path):
    store = SQLiteStore(path)
    for thread in LOGS:
        assert read(store, thread) == records_of(thread)
    listed = asyncio.run(store.threads())
    assert [(info.thread_id, info.records, info.updated_at) for info in listed] == [
        (thread, len(records_of(thread)), records_of(thread)[-1].at) for thread in ("team", "one")
    ]
    assert asyncio.run(find_damage(store)) == []
    assert {record.worked_s for record in read(store, "one")} == {None}
    after = len(records_of("one")) + 1
    asyncio.run(store.append("one", [Row(after, 2e9, b"{}", 0.5)]))
    assert asyncio.run(store.read("one", after - 1))[0].worked_s == 0.5
    assert asyncio.run(store.threads())[0].thread_id == "one"
    assert store.select("pragma integrity_check") == [("ok",)]
    assert store.select("pragma user_version") == [(len(MIGRATIONS),)]
    store.close()


@pytest.mark.slow
def test_processes_that_open_it_at_once_bring_it_over_once(path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=writers.share, args=(str(path), f"w{number}", 5))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    store = SQLiteStore(path)
    assert read(store, "one") == records_of("one")
    assert len(asyncio.run(store.read("shared"))) == 15
    store.close()


def test_what_an_older_treadle_writes_into_it_meanwhile_is_refused(path):
    """It has the file open since before; its statement names the columns that it knew."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        add = "insert into record (thread_id, seq, at, event) values ('one', ?, 1.0, '{}')"
        old.execute(add, (len(records_of("one")) + 1,))
        store = SQLiteStore(path)
        assert len(asyncio.run(store.read("one"))) == len(records_of("one")) + 1
        with pytest.raises(sqlite3.IntegrityError):
            old.execute(add, (len(records_of("one")) + 2,))
        store.close()


def test_a_damaged_file_of_format_1_is_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as db:
        [(page,)] = db.execute("select rootpage from sqlite_master where name = 'record'")
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)
    path.write_bytes(data)
    store = SQLiteStore(path)
    with pytest.raises(StoreDamaged, match="left as it is"):
        asyncio.run(store.read("one"))
    assert path.read_bytes() == data
