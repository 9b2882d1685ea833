"""What every store promises. A new store is one more line in STORES."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event, row_checksum
from treadle.core.errors import SeqTaken
from treadle.stores.store import Row, Store, Timed, Watchable, with_checksum

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "t.db"),
    "sqlite-full": lambda folder: SQLiteStore(folder / "f.db", durability="full"),
}


@pytest.fixture(params=sorted(STORES))
def store(request, tmp_path):
    made = STORES[request.param](tmp_path)
    yield made
    getattr(made, "close", lambda: None)()


def row(seq: int, text: str = "x", at: float = 0.5) -> Row:
    return Row(seq, at, f'{{"type":"UserSaid","text":"{text}"}}'.encode())


def kept(thread: str, *rows: Row) -> list[Row]:
    """The rows as they are read back."""
    return [with_checksum(thread, each) for each in rows]


def append(store: Store, thread: str, *rows: Row) -> None:
    asyncio.run(store.append(thread, rows))


def read(store: Store, thread: str, after: int = 0) -> list[Row]:
    return asyncio.run(store.read(thread, after))


def test_what_is_written_is_read_back_in_order(store):
    append(store, "t", row(1, "ü"), row(2, at=1e9 + 0.123456))
    append(store, "t", row(3))
    written = kept("t", row(1, "ü"), row(2, at=1e9 + 0.123456), row(3))
    assert read(store, "t") == written
    assert read(store, "t", 1) == written[1:]
    assert read(store, "t", 3) == read(store, "t", 99) == []


def test_a_thread_that_is_not_there_has_no_rows(store):
    assert read(store, "nowhere") == []
    assert asyncio.run(store.threads()) == []


@pytest.mark.parametrize("seqs", [(1,), (2,), (4,), (99,), (2, 3)])
def test_a_taken_seq_or_a_gap_is_refused_and_nothing_is_written(store, seqs):
    append(store, "t", row(1), row(2))
    with pytest.raises(SeqTaken):
        append(store, "t", *map(row, seqs))
    assert read(store, "t") == kept("t", row(1), row(2))


def test_a_record_keeps_the_seconds_that_its_writer_worked_and_its_checksum(store):
    append(store, "t", Row(1, -0.0, b"{}", 1 / 3, checksum=5))
    assert read(store, "t") == [Row(1, 0.0, b"{}", 1 / 3, row_checksum("t", 1, 0.0, 1 / 3, b"{}"))]


def test_no_seconds_of_work_are_kept_apart_from_none_worked(store):
    append(store, "t", Row(1, 0.5, b"{}"), Row(2, 0.5, b"{}", 0.0))
    unknown, idle = read(store, "t")
    assert (unknown.worked_s, idle.worked_s) == (None, 0.0)
    assert unknown.checksum == row_checksum("t", 1, 0.5, None, b"{}")


def test_the_first_seq_of_a_thread_is_one(store):
    with pytest.raises(SeqTaken):
        append(store, "t", row(2))
    assert asyncio.run(store.threads()) == []


def test_threads_are_apart_and_listed_by_the_last_write(store):
    append(store, "a", row(1, at=5.0))
    append(store, "b", row(1, at=1.0), row(2, at=2.0))
    append(store, "a'; drop table record; --", row(1, at=0.0))
    with pytest.raises(SeqTaken):
        append(store, "a", row(1))
    found = asyncio.run(store.threads())
    assert [(info.thread_id, info.records) for info in found] == [
        ("a'; drop table record; --", 1),
        ("b", 2),
        ("a", 1),
    ]
    assert found[1].updated_at == 2.0
    assert [info.thread_id for info in asyncio.run(store.threads(limit=1))] == [
        "a'; drop table record; --"
    ]
    append(store, "a", row(2))
    assert asyncio.run(store.threads())[0].thread_id == "a"


def test_what_was_read_does_not_change_when_more_is_written(store):
    append(store, "t", row(1))
    before = read(store, "t")
    append(store, "t", row(2))
    assert before == kept("t", row(1))


def test_many_threads_of_one_process_write_without_losing_or_forking(store):
    """Four writers add twenty rows each to one log; whose seq is taken tries the next one."""
    errors: list[BaseException] = []

    def write(name: int) -> None:
        try:
            left = 20
            while left:
                try:
                    append(store, "t", row(len(read(store, "t")) + 1, f"{name}-{left}"))
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
    rows = read(store, "t")
    assert errors == []
    assert [each.seq for each in rows] == list(range(1, 81))
    assert len({each.event for each in rows}) == 80


def test_a_store_says_whether_anything_was_written_and_how_far_its_logs_go(store, tmp_path):
    assert isinstance(store, Watchable)
    append(store, "t", row(1))
    seen = [store.version()]
    assert store.version() == seen[0]
    read(store, "t")
    assert store.version() == seen[0]
    append(store, "t", row(2))
    seen.append(store.version())
    append(store, "u", row(1), row(2), row(3))
    seen.append(store.version())
    assert len(set(seen)) == 3
    assert store.last_seqs(["t", "u"]) == {"t": 2, "u": 3}
    assert store.last_seqs(["nowhere"]).get("nowhere", 0) == 0


def waiting(seq: int, due: float | None, status: str = "waiting") -> Row:
    return Row(seq, 0.5, b'{"type":"UserSaid.2","content":"hi"}', status=status, due=due)


def waking(store: Timed, now: float) -> list[str]:
    return sorted(info.thread_id for info in asyncio.run(store.find_waking(now)))


def test_waiting_threads_are_found_by_their_time(store):
    assert isinstance(store, Timed)
    append(store, "soon", waiting(1, 5.0))
    append(store, "later", waiting(1, 9.0))
    append(store, "always", waiting(1, 0.0))
    append(store, "never", waiting(1, None))
    append(store, "over", waiting(1, 5.0), waiting(2, None, "answered"))
    child = b'{"type":"ThreadStarted","agent":"a","key":"k","parent_thread_id":"soon","depth":1}'
    append(store, "child", Row(1, 0.5, child, status="waiting", due=0.0))
    assert waking(store, 4.9) == ["always"]
    assert waking(store, 5.0) == ["always", "soon"]
    assert waking(store, 99) == ["always", "later", "soon"]
    append(store, "soon", waiting(2, 7.0))
    append(store, "always", waiting(2, None))
    assert (waking(store, 6), waking(store, 7)) == ([], ["soon"])


def test_a_thread_is_looked_at_later_unless_it_has_grown(store):
    append(store, "t", waiting(1, 5.0))
    asyncio.run(store.postpone("t", 1, 8.0))
    assert (waking(store, 7), waking(store, 8)) == ([], ["t"])
    append(store, "t", waiting(2, 5.0))
    asyncio.run(store.postpone("t", 1, 9.0))
    assert waking(store, 5) == ["t"]
    asyncio.run(store.postpone("nowhere", 1, 9.0))
    assert waking(store, 99) == ["t"]


def noted(seq: int, handle: str) -> Row:
    event = e.CallNoted("c1", handle, True)
    return Row(seq, 0.5, encode_event(event), status="waiting")


def test_threads_are_found_by_the_handles_that_they_have_noted(store):
    append(store, "a", waiting(1, None), noted(2, '{"job":7}'), noted(3, '"x"'))
    append(store, "b", noted(1, '{"job":7}'))
    append(store, "b", noted(2, '{"job":7}'))
    assert asyncio.run(store.find_handle('{"job":7}')) == ["a", "b"]
    assert asyncio.run(store.find_handle('"x"')) == ["a"]
    assert asyncio.run(store.find_handle('{"job":8}')) == []
    asyncio.run(store.delete({"a": 3}))
    assert asyncio.run(store.find_handle('{"job":7}')) == ["b"]
    assert asyncio.run(store.find_handle('"x"')) == []
