"""Damage to a file is noticed and hides no other thread. So is a file that was deleted."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fakes import is_of
from treadle import SQLiteStore
from treadle.core.errors import StoreDamaged, StoreError
from treadle.notes.note_store import NoteStore
from treadle.stores.archive import find_damage
from treadle.stores.store import Row

PAGE = 4096
THREADS = ("ann", "bob", "cid", "dan", "eve", "fay")
RECORDS = 6


def event(thread: str, seq: int) -> bytes:
    text = f"{thread} {seq} " * (300 if seq == 3 else 3)
    return f'{{"type":"UserSaid","text":"{text}"}}'.encode()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file with these threads, and the rows of each."""
    path = tmp_path_factory.mktemp("whole") / "t.db"
    store = SQLiteStore(path)

    async def write() -> dict[str, list[Row]]:
        for seq in range(1, RECORDS + 1):
            for thread in THREADS:
                await store.append(thread, [Row(seq, 1.5, event(thread, seq), 0.25)])
        return {thread: await store.read(thread) for thread in THREADS}

    rows = asyncio.run(write())
    store.close()
    return path.read_bytes(), rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.db"


def change(path: Path, query: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(query).rowcount == 1


def damage_of(store: SQLiteStore, thread: str) -> str:
    with pytest.raises(StoreDamaged) as caught:
        asyncio.run(store.read(thread))
    return str(caught.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("update record set event = 'no JSON' where {}", "record 4 of thread 'bob' is damaged"),
        ("update record set at = 9.0 where {}", "record 4 of thread 'bob' is damaged"),
        ("update record set worked_s = 9.0 where {}", "record 4 of thread 'bob' is damaged"),
        ("update record set checksum = 9 where {}", "record 4 of thread 'bob' is damaged"),
        ("update record set thread_id = 'new' where {}", "record 4 of thread 'bob' is missing"),
        ("update record set seq = 9 where {}", "record 9 of thread 'bob' is damaged"),
        ("delete from record where {}", "record 4 of thread 'bob' is missing"),
        ("delete from record where thread_id = 'bob'", "record 1 of thread 'bob' is missing"),
        (
            f"delete from record where {is_of('bob')} and seq = 6",
            "record 6 of thread 'bob' is missing; it had 6",
        ),
        ("update thread set seq = 4 where thread_id = 'bob'", "goes on to record 6"),
        ("delete from thread where thread_id = 'bob'", "goes on to record 6"),
    ],
)
def test_a_record_that_is_not_what_was_written_is_named(path, whole, query, said):
    data, rows = whole
    path.write_bytes(data)
    change(path, query.format(f"{is_of('bob')} and seq = 4"))
    store = SQLiteStore(path)
    assert said in damage_of(store, "bob")
    for thread in set(THREADS) - {"bob"}:
        assert asyncio.run(store.read(thread)) == rows[thread]
    for seq in (1, 5):
        with pytest.raises(StoreError):
            asyncio.run(store.append("bob", [Row(seq, 0.0, b"{}")]))
    store.close()


def test_a_thread_that_lost_its_line_and_its_name_is_told_of(path, whole):
    data, _ = whole
    path.write_bytes(data)
    change(path, "delete from record where thread_id = 'bob'")
    change(path, "delete from thread where thread_id = 'bob'")
    store = SQLiteStore(path)
    assert store.find_file_damage() == ["records of number 2 have lost the first of their thread"]
    store.close()


def zeroed(page: bytearray) -> None:
    page[:] = bytes(len(page))


def half_zeroed(page: bytearray) -> None:
    page[len(page) // 2 :] = bytes(len(page) - len(page) // 2)


def emptied(page: bytearray) -> None:
    """Still a page by its form, with none of its rows."""
    page[3:5] = bytes(2)


def cut_short(page: bytearray) -> None:
    page[3:5] = max(0, int.from_bytes(page[3:5], "big") - 3).to_bytes(2, "big")


def renamed(page: bytearray) -> None:
    page[:] = page.replace(b"bob", b"bub", 1)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [zeroed, half_zeroed, emptied, cut_short, renamed])
def test_whatever_page_is_damaged_no_log_is_cut_short_or_begins_anew(path, whole, harm):
    """The first page is left out: without it there is no database."""
    data, rows = whole
    for start in range(PAGE, len(data), PAGE):
        page = bytearray(data[start : start + PAGE])
        harm(page)
        path.write_bytes(data[:start] + page + data[start + PAGE :])
        store = SQLiteStore(path)
        for thread in THREADS:
            assert read_or_damage(store, thread) in (rows[thread], "damaged"), f"page at {start}"
            with pytest.raises(StoreError):
                asyncio.run(store.append(thread, [Row(1, 0.0, b"{}")]))
        store.close()


def read_or_damage(store: SQLiteStore, thread: str) -> object:
    try:
        return asyncio.run(store.read(thread))
    except StoreDamaged:
        return "damaged"


@pytest.mark.slow
@pytest.mark.parametrize("harm", [zeroed, half_zeroed])
def test_a_page_that_cannot_be_read_hides_no_thread_from_the_listing(path, whole, harm):
    data, _ = whole
    for start in range(PAGE, len(data), PAGE):
        page = bytearray(data[start : start + PAGE])
        harm(page)
        path.write_bytes(data[:start] + page + data[start + PAGE :])
        store = SQLiteStore(path)
        found = asyncio.run(store.threads())
        assert sorted(info.thread_id for info in found) == sorted(THREADS), f"page at {start}"
        named = {line.split()[1].rstrip(":") for line in asyncio.run(find_damage(store))}
        assert {info.thread_id for info in found if info.damaged} <= named
        store.close()


def use(path: Path) -> Callable[[], object]:
    store = SQLiteStore(path)
    asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))
    return lambda: asyncio.run(store.append("new", [Row(1, 0.0, b"{}")]))


def use_full(path: Path) -> Callable[[], object]:
    store = SQLiteStore(path, durability="full")
    asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))
    return lambda: asyncio.run(store.append("new", [Row(1, 0.0, b"{}")]))


def use_reads(path: Path) -> Callable[[], object]:
    store = SQLiteStore(path)
    asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))
    return lambda: asyncio.run(store.read("t"))


def use_notes(path: Path) -> Callable[[], object]:
    notes = NoteStore(path)
    asyncio.run(notes.notes())
    return lambda: asyncio.run(notes.notes())


def repeat(go_on: Callable[[], object]) -> None:
    """A look at the path may be a moment old."""
    for _ in range(1000):
        go_on()


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)


def move(path: Path) -> None:
    path.rename(path.with_name("away"))


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("lose", [delete, replace, move, empty])
@pytest.mark.parametrize("begin", [use, use_full, use_reads, use_notes])
def test_a_file_that_is_gone_from_its_path_is_noticed(path, begin, lose):
    go_on = begin(path)
    lose(path)
    with pytest.raises(StoreError, match="was deleted, replaced or emptied while it was in use"):
        repeat(go_on)


def test_an_empty_file_that_was_there_before_becomes_private(tmp_path):
    path = tmp_path / "made.db"
    path.touch(0o644)
    path.chmod(0o644)
    store = SQLiteStore(path)
    asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))
    assert os.stat(path).st_mode & 0o777 == 0o600
    store.close()


def test_the_file_that_stands_there_then_is_opened_by_the_next_use(path):
    store = SQLiteStore(path)
    asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))
    path.unlink()
    with pytest.raises(StoreError):
        repeat(lambda: asyncio.run(store.read("t")))
    assert asyncio.run(store.threads()) == []
    assert os.stat(path).st_mode & 0o777 == 0o600
    store.close()
