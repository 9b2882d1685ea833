"""Logs out of one store and into another, and the check of what is in one."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from treadle import MemoryStore
from treadle.core import events as e
from treadle.core.codec import decode_record, encode_event
from treadle.core.errors import IllegalEvent, StoreDamaged, UnknownThread, UsageError
from treadle.stores.archive import Imported, export_threads, find_damage, import_threads
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


def stored(*threads: str, log: Sequence[e.Event] = LOG) -> MemoryStore:
    store = MemoryStore()
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


def imported(store: Store, lines: Sequence[bytes]) -> Imported:
    return asyncio.run(import_threads(store, lines))


def test_what_is_imported_exports_the_same_bytes_and_holds_the_same_rows() -> None:
    here, there = stored("one", "two"), MemoryStore()
    lines = exported(here)
    assert imported(there, lines) == Imported(2, 2 * len(LOG))
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
    assert imported(MemoryStore(), [b"", *exported(stored("one")), b"\n"]) == Imported(1, len(LOG))


def test_a_thread_that_is_here_stops_it_and_is_left_as_it_is() -> None:
    there = stored("two", log=LOG[:3])
    with pytest.raises(UsageError, match="thread 'two' is already in this store"):
        imported(there, exported(stored("one", "two", "three")))
    assert [len(asyncio.run(there.read(name))) for name in ("one", "two", "three")] == [
        len(LOG),
        3,
        0,
    ]


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
