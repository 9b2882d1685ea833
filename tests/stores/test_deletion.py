"""A deletion that is cut off, at each of its steps: all of it or nothing, and the next finishes."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes import is_of
from treadle import SQLiteStore
from treadle.core.errors import SeqTaken, StoreDamaged
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore
from treadle.runtime.delete import delete_threads
from treadle.stores import deletion
from treadle.stores.sqlite_file import connect
from treadle.stores.store import Row

SECRET = "Zarathustra-4711"
DIED = 9


def fill(path: Path) -> None:
    async def whole() -> None:
        store, notes = SQLiteStore(path), NoteStore(path)
        for number in range(8):
            text = f"{SECRET if number % 2 else 'plain'} " * 60
            rows = [
                Row(seq, 1.0, f'{{"type":"UserSaid.2","content":"{text}"}}'.encode())
                for seq in range(1, 6)
            ]
            await store.append(f"{number}-{SECRET if number % 2 else 'x'}", rows)
        note = Note("", f"{SECRET} likes tea", "user", thread_id=f"1-{SECRET}")
        await notes.write(note, key="k", now=1.0)
        store.close()
        notes.close()

    asyncio.run(whole())


def ends() -> dict[str, int]:
    return {f"{number}-{SECRET}": 5 for number in (1, 3, 5, 7)}


def die_at(path: Path, step: int) -> int:
    """Delete in another process, which dies before its statement number `step`; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        left = [step]

        def count(_: str) -> None:
            left[0] -= 1
            if not left[0]:
                os._exit(DIED)

        db = connect(path)
        db.set_trace_callback(count)
        deletion.delete_rows(db, ends(), True)
        deletion.finish(db)
        os._exit(0)
    finally:
        os._exit(1)


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if text.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_wherever_a_deletion_is_killed_all_of_it_is_there_or_nothing(tmp_path):
    whole = tmp_path / "whole.db"
    fill(whole)
    seen: set[int] = set()
    step, code = 0, DIED
    while code == DIED:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "t.db"
        path.write_bytes(whole.read_bytes())
        code = die_at(path, step)
        assert code in (0, DIED)
        with closing(SQLiteStore(path)) as store:
            there = {info.thread_id: info.records for info in asyncio.run(store.threads())}
            gone = set(ends()) - set(there)
            assert gone in (set(), set(ends()))
            assert set(there.values()) == {5}
            if gone:  # opening the file has finished it
                assert files_with(folder, SECRET) == []
            seen.add(len(gone))
            asyncio.run(store.delete(ends(), notes=True))
            assert files_with(folder, SECRET) == []
            assert len(asyncio.run(store.threads())) == 4
            assert store.select("pragma integrity_check") == [("ok",)]
    assert seen == {0, len(ends())}
    assert step > 20


def test_a_deletion_that_others_keep_from_the_file_is_finished_by_the_next(tmp_path):
    path = tmp_path / "t.db"
    fill(path)
    with closing(SQLiteStore(path)) as store, closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from record").fetchone()
        with closing(connect(path, busy_timeout_s=0)) as db:
            deletion.delete_rows(db, ends(), True)
            with pytest.raises(sqlite3.OperationalError, match="others read on"):
                deletion.finish(db)
            assert deletion.is_unfinished(db)
        assert files_with(tmp_path, SECRET)
        reader.execute("rollback")
        assert asyncio.run(store.delete({})).threads == ()
        assert files_with(tmp_path, SECRET) == []


def test_what_has_been_written_meanwhile_keeps_all_from_being_deleted(tmp_path):
    path = tmp_path / "t.db"
    fill(path)
    with closing(SQLiteStore(path)) as store:
        asyncio.run(store.append(f"5-{SECRET}", [Row(6, 1.0, b"{}")]))
        with pytest.raises(SeqTaken, match="has 6 records by now, and not 5; nothing was deleted"):
            asyncio.run(store.delete(ends(), notes=True))
        assert len(asyncio.run(store.threads())) == 8
        [(notes,)] = store.select("select count(*) from note")
        assert notes == 1


@pytest.mark.parametrize(
    "harm",
    [
        "delete from record where {} and seq = 3",
        "delete from record where {} and seq = 2",
        "delete from record where {} and seq = 1",
        "update record set checksum = 9 where {} and seq = 2",
        "delete from thread where thread_id = 't'",
        "update thread set seq = 2 where thread_id = 't'",
    ],
)
def test_a_damaged_thread_is_deleted_whatever_it_has_lost(tmp_path, harm):
    path = tmp_path / "t.db"
    with closing(SQLiteStore(path)) as store:
        rows = [Row(seq, 1.0, b'{"type":"UserSaid.2","content":"x"}') for seq in (1, 2, 3)]
        asyncio.run(store.append("t", rows))
        asyncio.run(store.append("other", rows))
        with closing(sqlite3.connect(path)) as db, db:
            assert db.execute(harm.format(is_of("t"))).rowcount == 1
        with pytest.raises(StoreDamaged) as kept:  # an error that is kept keeps no lock of the file
            asyncio.run(store.read("t"))
        deleted = asyncio.run(asyncio.wait_for(delete_threads(store, ["t"]), 60))
        assert (deleted.threads, deleted.left) == (("t",), "")
        assert kept.value
        assert store.count_records() == 3
        assert [each.thread_id for each in asyncio.run(store.threads())] == ["other"]
        assert len(asyncio.run(store.read("other"))) == 3


def test_a_line_that_names_the_record_of_another_thread_takes_none_of_it_along(tmp_path):
    path = tmp_path / "t.db"
    with closing(SQLiteStore(path)) as store:
        for name in ("t", "other"):
            asyncio.run(store.append(name, [Row(seq, 1.0, b"{}") for seq in (1, 2)]))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(f"delete from record where {is_of('t')} and seq = 1")
            db.execute("update thread set record_id = 4 where thread_id = 't'")
        asyncio.run(store.delete({"t": 2}))
        assert len(asyncio.run(store.read("other"))) == 2
