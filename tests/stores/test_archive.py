"""Logs out of one store and into another, and the check of what is in one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.core import events as e
from treadle.core.codec import decode_record, encode_event
from treadle.core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from treadle.core.state import fold
from treadle.stores.archive import (
    Copied,
    copy_threads,
    export_threads,
    find_damage,
    import_threads,
    restore_threads,
)
from treadle.stores.record_table import NUMBER_MARK
from treadle.stores.rows import from_rows
from treadle.stores.store import Row, Store

CALL = e.Call("c00004000", "send", '{"to":"Zoë","text":"a\\n\\u0000b"}')
LOG = (
    e.ThreadStarted("agent", "key"),
    e.ThreadClaimed("w", identity=e.Identity("agent", "m", "h", {"send": "d"})),
    e.UserSaid(("look \u2028 ☃", e.Image("data:image/png;base64,AAAA"))),
    e.ModelCalled("m", "hash", 10, 10),
    e.ModelReplied((CALL,), e.Usage(10, 5), 0.1, opaque={"signature": "s"}),
    e.ToolStarted(CALL.id, "k"),
    e.ToolReturned(CALL.id, "sent\n", 1 / 3),
)


def stored(
    *threads: str, log: Sequence[e.Event] = LOG, store: MemoryStore | None = None
) -> MemoryStore:
    store = store or MemoryStore()
    for name in threads:
        rows = []
        for seq, event in enumerate(log, 1):
            worked_s = None if seq == 1 else seq / 7
            rows.append(Row(seq, 1e9 + seq / 3, encode_event(event), worked_s))
        asyncio.run(store.append(name, rows))
    return store


def exported(store: Store, *threads: str) -> list[bytes]:
    async def whole() -> list[bytes]:
        return [line async for line in export_threads(store, threads)]

    return asyncio.run(whole())


def imported(store: Store, lines: Sequence[bytes]) -> Copied:
    return asyncio.run(import_threads(store, lines, by="ann", reason="from Bob", now=lambda: 2e9))


def restored(store: Store, lines: Sequence[bytes]) -> Copied:
    return asyncio.run(restore_threads(store, lines))


def records(store: Store, name: str) -> list[e.Record]:
    return from_rows(name, asyncio.run(store.read(name)))


def test_what_is_restored_exports_the_same_bytes_and_holds_the_same_rows() -> None:
    here, there = stored("one", "two"), MemoryStore()
    lines = exported(here)
    assert restored(there, lines) == Copied(("one", "two"), 2 * len(LOG))
    assert exported(there) == lines
    assert asyncio.run(there.read("two")) == asyncio.run(here.read("two"))
    worked = [decode_record(line).worked_s for line in exported(there, "two")]
    assert worked == [None, *(seq / 7 for seq in range(2, len(LOG) + 1))]


def test_a_record_is_one_line_whatever_was_said() -> None:
    assert all(len(line.split(b"\n")) == 1 for line in exported(stored("one")))


def test_only_the_threads_that_are_named_are_exported() -> None:
    here = stored("one", "two", "three")
    assert exported(here, "three", "one") == exported(stored("three", "one"))
    with pytest.raises(UnknownThread, match="no thread 'nobody'"):
        exported(here, "nobody")


def test_empty_lines_are_no_records() -> None:
    lines = [b"", *exported(stored("one")), b"\n"]
    assert restored(MemoryStore(), lines) == Copied(("one",), len(LOG))


def test_an_imported_thread_waits_to_be_adopted_and_nothing_that_it_brought_counts() -> None:
    always = e.ApprovalGiven(CALL.id, True, "eve", always=e.Always(lasts="thread"))
    log = (*LOG[:5], e.ApprovalAsked(CALL.id), always)
    there = MemoryStore()
    assert imported(there, exported(stored("one", log=log))) == Copied(("one",), len(log))
    last = records(there, "one")[-1]
    assert (last.event, last.at) == (e.TrustChanged(False, "ann", "from Bob"), 2e9)
    state = fold(records(there, "one"))
    assert (state.trusted, state.permissions) == (False, ())
    assert state.turn
    assert [call.status for call in state.turn.calls.values()] == ["asked"]


@pytest.mark.parametrize("copy", [imported, restored])
def test_a_thread_that_is_here_with_other_records_stops_it_and_nothing_is_written(
    copy: Callable[[Store, list[bytes]], Copied],
) -> None:
    there = stored("two", log=(LOG[0], e.ThreadClaimed("another"), *LOG[2:4]))
    with pytest.raises(UsageError, match="thread 'two' is already in this store"):
        copy(there, exported(stored("one", "two", "three")))
    counts = [len(records(there, name)) for name in ("one", "two", "three")]
    assert counts == [0, 4, 0]


@pytest.mark.parametrize("copy", [imported, restored])
def test_the_same_file_again_adds_what_a_crash_has_left_out(
    copy: Callable[[Store, list[bytes]], Copied],
) -> None:
    lines, there = exported(stored("one", "two")), MemoryStore()
    copy(there, lines[: len(LOG)])
    before = records(there, "one")
    assert (copy(there, lines).threads, copy(there, lines).present) == (("two",), 2)
    assert records(there, "one") == before


def test_a_backup_is_there_already_where_its_thread_has_gone_on() -> None:
    there = stored("one")
    assert restored(there, exported(stored("one", log=LOG[:3]))) == Copied((), 0, 1)
    assert len(records(there, "one")) == len(LOG)


def family(parent: str = "one", child: str = "one.c", call: str = CALL.id) -> MemoryStore:
    """A parent whose call has run in a child, and a stranger that has only a child's name."""
    store = MemoryStore()
    above = (*LOG[:6], e.ChildStarted(CALL.id, "one.c"), *LOG[6:])
    below = (e.ThreadStarted("below", "k", parent, call, 1), *LOG[1:])
    for name, log in (("one", above), (child, below), ("one.x", LOG)):
        asyncio.run(
            store.append(name, [Row(i + 1, 1e9 + i, encode_event(x)) for i, x in enumerate(log)])
        )
    return store


def test_an_export_has_the_children_each_once_and_no_thread_that_only_has_a_name_like_that() -> (
    None
):
    store = family()
    for names in (["one"], ["one", "one.c"]):
        ids = [decode_record(line).thread_id for line in exported(store, *names)]
        assert list(dict.fromkeys(ids)) == ["one", "one.c"]
        assert len(ids) == 2 * len(LOG) + 1
    there = MemoryStore()
    assert restored(there, exported(store, "one")).threads == ("one", "one.c")
    assert asyncio.run(find_damage(there)) == []


class Killed(MemoryStore):
    """Its process dies after one append."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if await self.threads():
            raise SystemExit
        await super().append(thread_id, rows)


def copied(here: Store, there: Store) -> Copied:
    return asyncio.run(copy_threads(here, there))


def brought_over(here: Store, there: Store) -> Copied:
    return restored(there, exported(here, "one"))


@pytest.mark.parametrize("copy", [copied, brought_over])
def test_a_thread_comes_after_its_children_or_whoever_resumes_it_would_begin_them_anew(
    copy: Callable[[Store, Store], Copied],
) -> None:
    store, there = family(), Killed()
    asyncio.run(store.append("one.c", [Row(8, 1e9 + 9, encode_event(e.TurnEnded("cancelled")))]))
    with pytest.raises(SystemExit):
        copy(store, there)
    assert [info.thread_id for info in asyncio.run(there.threads())] == ["one.c"]


STRANGE = {
    "a child of itself": (
        family(parent="one.c"),
        "one.c says that it is a child or a fork of itself",
    ),
    "another call": (family(call="c9"), "names thread one.c as its child, which doesn't work"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_links_that_are_no_tree_are_refused_in_words_and_found_by_check(case: str) -> None:
    store, why = STRANGE[case]
    with pytest.raises(UsageError, match=f"nothing was imported: .*{why}"):
        imported(MemoryStore(), exported(store))
    assert any(why in line for line in asyncio.run(find_damage(store)))


def test_nobody_brings_in_a_child_for_a_thread_that_is_here() -> None:
    with pytest.raises(
        UsageError, match=r"'one\.c' says that it works for thread 'one', which is in"
    ):
        imported(stored("one"), exported(family(), "one.c"))


@pytest.mark.parametrize("wrong", [b'"at":-1.0', b'"at":1e300'])
def test_a_time_that_is_none_is_refused(wrong: bytes) -> None:
    line = exported(stored("one"))[0].replace(b'"at":1000000000.3333334', wrong)
    with pytest.raises(StoreDamaged, match="line 1: a record of the time"):
        imported(MemoryStore(), [line])


def test_a_thread_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="line 1: a record of a thread without a name"):
        imported(MemoryStore(), exported(stored("")))


@pytest.mark.parametrize(
    "bad", [b"no JSON", b"{}", b'{"thread_id":"one","seq":8,"at":0.0,"event":{"type":"Nope"}}']
)
def test_a_line_that_is_no_record_is_named_and_nothing_of_its_thread_is_written(bad: bytes) -> None:
    there = MemoryStore()
    with pytest.raises(StoreDamaged, match="line 9: "):
        imported(there, [*exported(stored("one")), b"", bad])
    assert asyncio.run(there.threads()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines[:3], *lines[4:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:4], lines[5], lines[4]],
    ],
    ids=["no beginning", "a gap", "a record twice", "out of order"],
)
def test_a_log_that_cannot_be_is_refused_whole(wrong: Callable[[list[bytes]], list[bytes]]) -> None:
    there = MemoryStore()
    with pytest.raises(IllegalEvent):
        imported(there, wrong(exported(stored("one"))))
    assert asyncio.run(there.threads()) == []


def test_check_finds_nothing_wrong_with_whole_logs() -> None:
    assert asyncio.run(find_damage(stored("one", "two"))) == []
    assert asyncio.run(find_damage(MemoryStore())) == []


def test_check_names_each_thread_with_a_damaged_or_an_impossible_record() -> None:
    store = stored("fine", "torn", "impossible")
    asyncio.run(store.append("torn", [Row(len(LOG) + 1, 0.0, b'{"type":"Nope"}')]))
    asyncio.run(
        store.append(
            "impossible", [Row(len(LOG) + 1, 0.0, encode_event(e.ThreadStarted("a", "k")))]
        )
    )
    wrong = {line.partition(": ")[0]: line for line in asyncio.run(find_damage(store))}
    assert wrong.keys() == {"thread torn", "thread impossible"}
    assert "Nope" in wrong["thread torn"]
    assert f"at seq {len(LOG) + 1}" in wrong["thread impossible"]


def test_check_leaves_out_a_thread_that_was_deleted_while_it_read() -> None:
    class Shrinking(MemoryStore):
        async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
            if thread_id == "gone":
                await self.delete({"gone": len(LOG)})
            return await super().read(thread_id, after_seq)

    store = stored("one", "gone", "two", store=Shrinking())
    assert asyncio.run(find_damage(store)) == []


def test_where_one_thread_cannot_be_kept_none_is_written(tmp_path) -> None:
    lines = [*exported(stored("a")), *exported(stored(f"{NUMBER_MARK}b"))]
    with closing(SQLiteStore(tmp_path / "t.db")) as store:
        with pytest.raises(UsageError, match="marks numbers"):
            asyncio.run(restore_threads(store, lines))
        with pytest.raises(UsageError, match="marks numbers"):
            imported(store, lines)
        assert asyncio.run(store.threads()) == []
