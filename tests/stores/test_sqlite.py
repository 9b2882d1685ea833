import asyncio
import gc
import multiprocessing
import os
import sqlite3
import stat
import weakref
from contextlib import closing
from pathlib import Path

import pytest

import writers
from treadle import SQLiteStore
from treadle.core.account import Entry
from treadle.core.errors import SeqTaken, StoreDamaged, StoreError, UnknownThread, UsageError
from treadle.notes.note_store import NoteStore
from treadle.runtime.delete import delete_threads
from treadle.stores.record_table import NUMBER_MARK
from treadle.stores.sqlite_file import default_path
from treadle.stores.store import Row


def row(seq: int) -> Row:
    return Row(seq, 0.0, b'{"type":"UserSaid","text":"x"}')


def append(store: SQLiteStore, thread: str, *rows: Row) -> None:
    asyncio.run(store.append(thread, rows))


def read(store: SQLiteStore, thread: str, after_seq: int = 0) -> list[Row]:
    return asyncio.run(store.read(thread, after_seq))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "er" / "treadle.db"


@pytest.fixture
def opened(path):
    made: list[SQLiteStore] = []

    def open_store(where: Path = path) -> SQLiteStore:
        made.append(SQLiteStore(where))
        return made[-1]

    yield open_store
    for store in made:
        store.close()


def test_nothing_is_touched_before_the_first_use(path):
    SQLiteStore(path)
    assert not path.parent.exists()


def test_a_file_is_made_with_its_folders_for_its_owner_only(opened, path):
    append(opened(), "t", row(1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert "treadle.db-wal" in modes
    assert set(modes.values()) == {0o600}


def test_another_store_on_the_same_file_goes_on_where_the_first_stopped(opened):
    first, second = opened(), opened()
    append(first, "t", row(1))
    append(second, "t", row(2))
    with pytest.raises(SeqTaken):
        append(first, "t", row(2))
    first.close()
    assert [each.seq for each in read(first, "t")] == [1, 2]


def whole(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def foreign(path: Path, *, wal: bool = False, application: int = 0, version: int = 0) -> None:
    db = sqlite3.connect(path)
    if wal:
        db.execute("pragma journal_mode = wal")
    db.execute(f"pragma application_id = {application}")
    db.execute(f"pragma user_version = {version}")
    db.execute("create table mine (a)")
    db.execute("insert into mine values (1)")
    db.commit()
    db.close()


BAD = {
    "text": lambda path: path.write_text("my diary\n" * 200),
    "short text": lambda path: path.write_text("hi"),
    "foreign": foreign,
    "foreign with a version": lambda path: foreign(path, version=1),
    "foreign in wal mode": lambda path: foreign(path, wal=True),
    "foreign with an id": lambda path: foreign(path, application=1234),
    "newer": lambda path: foreign(path, application=0x54524144, version=99),
}


@pytest.mark.parametrize("kind", sorted(BAD))
@pytest.mark.parametrize("use", ["append", "read"])
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(opened, path, kind, use):
    path.parent.mkdir(parents=True)
    BAD[kind](path)
    before = whole(path)
    store = opened()
    with pytest.raises(StoreDamaged, match="left as it is"):
        append(store, "t", row(1)) if use == "append" else read(store, "t")
    assert whole(path)[path.name] == before[path.name]


def test_a_foreign_log_that_was_not_yet_moved_into_its_file_is_left_alone(opened, path, tmp_path):
    """A killed program leaves a -wal file; opening and closing its database would move it."""
    path.parent.mkdir(parents=True)
    away = tmp_path / "away"
    away.mkdir()
    db = sqlite3.connect(away / path.name)
    db.execute("pragma journal_mode = wal")
    db.execute("create table mine (a)")
    db.commit()
    for file in away.iterdir():
        (path.parent / file.name).write_bytes(file.read_bytes())
    db.close()
    before = whole(path)
    store = opened()
    with pytest.raises(StoreDamaged):
        read(store, "t")
    store.close()
    after = whole(path)
    assert {name: after.get(name) for name in (path.name, f"{path.name}-wal")} == {
        name: before[name] for name in (path.name, f"{path.name}-wal")
    }


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_torn_file_is_reported_and_left_as_it_is(opened, path, keep):
    store = opened()
    append(
        store,
        "t",
        *(Row(seq, 0.0, b'{"type":"UserSaid","text":"%s"}' % (b"x" * 900)) for seq in range(1, 40)),
    )
    store.close()
    torn = path.read_bytes()[: int(path.stat().st_size * keep)]
    path.write_bytes(torn)
    for use in (lambda: append(opened(), "t", row(40)), lambda: read(opened(), "t")):
        with pytest.raises(StoreDamaged):
            use()
        assert path.read_bytes() == torn


def test_a_refused_file_leaves_no_connection_behind(path):
    path.parent.mkdir(parents=True)
    foreign(path)
    with pytest.raises(
        StoreDamaged
    ) as caught:  # it holds the frames, and so whatever they left open
        read(SQLiteStore(path), "t")
    links = [Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd")]
    assert str(path) not in [os.readlink(link) for link in links if link.is_symlink()]
    assert caught.value.__traceback__


def test_a_place_that_cannot_be_written_says_where_to_go_instead(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TREADLE_DB"):
        append(SQLiteStore(tmp_path / "file" / "t.db"), "t", row(1))


def test_a_time_that_is_no_number_is_refused_and_nothing_is_written(opened):
    store = opened()
    with pytest.raises(StoreError, match="nothing was written"):
        append(store, "t", row(1), Row(2, float("nan"), b"{}"))
    assert read(store, "t") == []


def test_a_memory_name_is_refused_because_it_would_keep_nothing():
    with pytest.raises(UsageError, match="MemoryStore"):
        SQLiteStore(":memory:")


def test_the_file_is_where_the_environment_says_else_in_the_user_s_data(monkeypatch, tmp_path):
    monkeypatch.setenv("TREADLE_DB", str(tmp_path / "x.db"))
    assert default_path() == tmp_path / "x.db"
    assert SQLiteStore().path == tmp_path / "x.db"
    assert SQLiteStore(tmp_path / "y.db").path == tmp_path / "y.db"
    monkeypatch.setenv("TREADLE_DB", "~/x.db")
    assert default_path() == Path.home() / "x.db"
    monkeypatch.setenv("TREADLE_DB", "")
    assert default_path().name == "treadle.db"


def run_processes(*arguments: tuple[object, ...]) -> None:
    """Fresh interpreters: a fork of this one would inherit whatever locks its threads hold."""
    workers = [
        multiprocessing.get_context("spawn").Process(target=each[0], args=each[1:])
        for each in arguments
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


@pytest.mark.slow
def test_processes_that_start_at_once_on_a_new_file_share_it(path, opened):
    run_processes(*((writers.share, str(path), f"w{number}", 15) for number in range(2)))
    rows = read(opened(), "shared")
    assert [each.seq for each in rows] == list(range(1, 31))
    assert len({each.event for each in rows}) == 30
    assert [len(read(opened(), f"w{number}")) for number in range(2)] == [15, 15]


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "full"])
def test_what_a_child_writes_after_a_fork_stays_there_when_its_parent_closes_the_file(
    path, opened, durability
):
    run_processes((writers.fork, str(path), durability))
    assert [each.seq for each in read(opened(), "t")] == [1, 2, 3, 4]


def test_a_store_that_nobody_holds_leaves_no_file_open(path, tmp_path):
    stores = (
        SQLiteStore(path),
        SQLiteStore(tmp_path / "full.db", durability="full"),
        NoteStore(path),
    )
    append(stores[0], "t", row(1))
    asyncio.run(stores[2].notes())
    gone = [weakref.ref(store) for store in stores]
    gc.disable()
    try:
        del stores
        assert [each() for each in gone] == [None] * 3, (
            "they hold themselves, until the garbage collector comes"
        )
    finally:
        gc.enable()


def test_what_another_connection_writes_changes_the_version_also_while_this_one_was_closed(
    tmp_path,
):
    mine, other = SQLiteStore(tmp_path / "t.db"), SQLiteStore(tmp_path / "t.db")
    asyncio.run(mine.append("t", [Row(1, 0.0, b"{}")]))
    seen = [mine.version()]
    asyncio.run(other.append("t", [Row(2, 0.0, b"{}")]))
    seen.append(mine.version())
    mine.close()
    asyncio.run(other.append("t", [Row(3, 0.0, b"{}")]))
    seen.append(mine.version())
    assert len(set(seen)) == 3
    assert mine.last_seqs(["t"]) == {"t": 3}


def test_a_name_that_could_be_a_number_of_the_file_is_refused(opened):
    store = opened()
    with pytest.raises(UsageError, match="marks numbers"):
        append(store, f"{NUMBER_MARK}1", row(1))
    assert read(store, f"{NUMBER_MARK}1") == []


def test_only_the_first_record_has_the_name_and_older_ones_that_have_it_are_read(opened):
    """As a file is that an older version has written, and that goes on."""
    store = opened()
    append(store, "t", row(1), row(2))
    with closing(sqlite3.connect(store.path)) as db, db:
        names = db.execute("select thread_id from record order by id").fetchall()
        assert names == [("t",), (f"{NUMBER_MARK}1",)]
        db.execute("update record set thread_id = 't'")
    append(store, "t", row(3))
    assert [each.seq for each in read(store, "t")] == [1, 2, 3]
    assert [each.seq for each in read(store, "t", 1)] == [2, 3]
    assert store.find_file_damage() == []
    erased = asyncio.run(store.delete({"t": 3}))
    assert (erased.records, store.count_records()) == (3, 0)


HUGE = Row(1, 0.0, b"{}", entries=(Entry("turn:huge#1", "use", 2**63, 0.0),))


@pytest.mark.parametrize(
    ("thread", "bad", "error"),
    [
        (f"{NUMBER_MARK}1", row(1), UsageError),
        ("huge", HUGE, OverflowError),
        ("timeless", Row(1, float("nan"), b"{}"), StoreError),
    ],
)
def test_an_append_that_cannot_be_written_keeps_no_other_from_the_disk(path, thread, bad, error):
    async def write(store: SQLiteStore) -> list[BaseException | None]:
        whole = [
            store.append("a", [row(1)]),
            store.append(thread, [bad]),
            store.append("b", [row(1)]),
        ]
        return await asyncio.wait_for(asyncio.gather(*whole, return_exceptions=True), 10)

    with closing(SQLiteStore(path, durability="full")) as store:
        first, refused, last = asyncio.run(write(store))
        assert (first, last) == (None, None)
        assert isinstance(refused, error)
        asyncio.run(asyncio.wait_for(store.append("a", [row(2)]), 10))
        assert [len(read(store, name)) for name in ("a", "b", thread)] == [2, 1, 0]


def test_a_number_of_the_file_is_the_name_of_no_thread_whoever_reads_or_deletes_it(opened):
    store = opened()
    append(store, "t", row(1), row(2), row(3))
    assert store.select("select thread_id from record where seq = 2") == [(f"{NUMBER_MARK}1",)]
    assert read(store, f"{NUMBER_MARK}1") == []
    assert asyncio.run(store.delete({f"{NUMBER_MARK}1": 0})).threads == ()
    with pytest.raises(UnknownThread):
        asyncio.run(delete_threads(store, [f"{NUMBER_MARK}1"]))
    assert [each.seq for each in read(store, "t")] == [1, 2, 3]
