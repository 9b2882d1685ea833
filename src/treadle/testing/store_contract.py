"""What every store promises, as tests: `stores/store.py` says it in words.

    class TestMyStore(StoreContract):
        async def make(self):
            return MyStore(self.folder / "logs.db")

The protocols beside Store are optional: the tests of one that a store doesn't offer are skipped.
"""

import asyncio
from typing import Any

import pytest

from ..core import events as e
from ..core.account import Balance, Entry
from ..core.codec import encode_event, row_checksum
from ..core.errors import AccountFull, SeqTaken
from ..core.limits import Ceiling
from ..stores.store import (
    Attended,
    Erasable,
    Queued,
    Row,
    Store,
    Timed,
    Watchable,
    with_checksum,
)
from .account_contract import TREE, AccountContract
from .contract import against, require


def row(seq: int, text: str = "x", at: float = 0.5, **more: Any) -> Row:
    return Row(seq, at, encode_event(e.UserSaid(text)), **more)


def kept(thread: str, *rows: Row) -> list[Row]:
    """The rows as they are read back."""
    return [with_checksum(thread, each) for each in rows]


def waiting(seq: int, due: float | None, status: str = "waiting") -> Row:
    return row(seq, status=status, due=due)


def noted(seq: int, handle: str) -> Row:
    return Row(seq, 0.5, encode_event(e.CallNoted("c1", handle, True)), status="waiting")


def started(agent: str = "a", parent: str = "", status: str = "", key: str = "") -> list[Row]:
    """The first rows of a thread."""
    begun = e.ThreadStarted(agent, "k", parent, "c1" if parent else "", 1 if parent else 0)
    said = e.UserSaid("hi", key=key)
    return [Row(1, 0.5, encode_event(begun)), Row(2, 0.5, encode_event(said), status=status)]


def reserve(used: int, most: int) -> Entry:
    return Entry(TREE, used, 0.0, "reserve", Ceiling(tokens=most), "claim")


async def names(store: Store, **filters: Any) -> list[str]:
    return [info.thread_id for info in await store.threads(**filters)]


async def waking(store: Timed, now: float) -> list[str]:
    return sorted(info.thread_id for info in await store.find_waking(now))


class StoreContract(AccountContract):
    """Tests of a store. Subclass it, and say how an empty one is made."""

    def make(self) -> Any:
        """An empty store; it may be async."""
        raise NotImplementedError("a StoreContract needs a method make, which gives an empty store")

    @against()
    async def test_what_is_written_is_read_back_in_order(self, store: Store) -> None:
        await store.append("t", [row(1, "ü"), row(2, at=1e9 + 0.123456)])
        await store.append("t", [row(3)])
        written = kept("t", row(1, "ü"), row(2, at=1e9 + 0.123456), row(3))
        assert await store.read("t") == written
        assert await store.read("t", 1) == written[1:]
        assert await store.read("t", 3) == await store.read("t", 99) == []

    @against()
    async def test_a_thread_that_is_not_there_has_no_rows(self, store: Store) -> None:
        assert await store.read("nowhere") == []
        assert list(await store.threads()) == []

    @against()
    async def test_a_taken_seq_or_a_gap_is_refused_and_nothing_is_written(
        self, store: Store
    ) -> None:
        await store.append("t", [row(1), row(2)])
        for seqs in ((1,), (2,), (4,), (99,), (2, 3)):
            with pytest.raises(SeqTaken):
                await store.append("t", [row(seq, "other") for seq in seqs])
            assert await store.read("t") == kept("t", row(1), row(2)), seqs

    @against()
    async def test_the_first_seq_of_a_thread_is_one(self, store: Store) -> None:
        with pytest.raises(SeqTaken):
            await store.append("t", [row(2)])
        assert list(await store.threads()) == []

    @against()
    async def test_a_record_keeps_its_seconds_of_work_and_gets_a_checksum(
        self, store: Store
    ) -> None:
        await store.append("t", [Row(1, -0.0, b"{}", 1 / 3, checksum=5)])
        checksum = row_checksum("t", 1, 0.0, 1 / 3, b"{}")
        assert await store.read("t") == [Row(1, 0.0, b"{}", 1 / 3, checksum)]
        await store.append("u", [Row(1, 0.5, b"{}"), Row(2, 0.5, b"{}", 0.0)])
        unknown, idle = await store.read("u")
        assert (unknown.worked_s, idle.worked_s) == (None, 0.0)

    @against()
    async def test_the_bytes_of_an_event_come_back_as_they_were(self, store: Store) -> None:
        events = [b"{}", b'{"a": "\xc3\xbc\\u0000"}', b'{"long":"' + b"x" * 300_000 + b'"}']
        await store.append("t", [Row(n, 0.5, event) for n, event in enumerate(events, 1)])
        assert [each.event for each in await store.read("t")] == events

    @against()
    async def test_threads_are_apart_and_listed_by_the_last_write(self, store: Store) -> None:
        odd = "a'; drop table record; --"
        await store.append("a", [row(1, at=5.0)])
        await store.append("b", [row(1, at=1.0), row(2, at=2.0)])
        await store.append(odd, [row(1, at=0.0)])
        with pytest.raises(SeqTaken):
            await store.append("a", [row(1)])
        found = await store.threads()
        assert [(info.thread_id, info.records) for info in found] == [(odd, 1), ("b", 2), ("a", 1)]
        assert found[1].updated_at == 2.0
        assert await names(store, limit=1) == [odd]
        await store.append("a", [row(2)])
        assert (await names(store))[0] == "a"

    @against()
    async def test_threads_whose_names_are_nearly_the_same_are_apart(self, store: Store) -> None:
        long = "x" * 500
        near = ["a", "A", "a ", " a", "\u00e4", "a\u0308", "a%", "a_", "\U0001f642", "\U0001f643"]
        near += [long, f"{long}y", f"{long}z"]
        for number, name in enumerate(near):
            await store.append(name, [row(1, str(number))])
        for number, name in enumerate(near):
            assert await store.read(name) == kept(name, row(1, str(number))), repr(name[-9:])
        assert await names(store) == near[::-1]

    @against()
    async def test_threads_are_found_by_their_filters_and_page_by_page(self, store: Store) -> None:
        await store.append("done", started(status="answered", key="k1"))
        await store.append("open", started(agent="b", status="unfinished"))
        await store.append("child", started(agent="b", parent="open", status="answered"))
        assert await names(store, status="answered") == ["child", "done"]
        assert await names(store, agent="b") == ["child", "open"]
        assert await names(store, parent="") == ["open", "done"]
        assert await names(store, parent="open") == ["child"]
        assert await names(store, key="k1") == ["done"]
        assert await names(store, agent="b", status="unfinished") == ["open"]
        first = (await store.threads(2))[-1]
        assert await names(store, before=first.position) == ["done"]

    @against()
    async def test_what_was_read_does_not_change_when_more_is_written(self, store: Store) -> None:
        given = [row(1)]
        await store.append("t", given)
        before = await store.read("t")
        given.append(row(9))
        await store.append("t", [row(2)])
        assert await store.read("t") == kept("t", row(1), row(2))
        assert before == kept("t", row(1))

    @against()
    async def test_of_many_writers_at_once_each_seq_has_one(self, store: Store) -> None:
        async def write(name: int) -> None:
            left = 10
            while left:
                try:
                    seq = len(await store.read("t")) + 1
                    await store.append("t", [row(seq, f"{name}-{left}")])
                    left -= 1
                except SeqTaken:
                    continue

        await asyncio.gather(*(write(name) for name in range(4)))
        rows = await store.read("t")
        assert [each.seq for each in rows] == list(range(1, 41))
        assert len({each.event for each in rows}) == 40

    @against()
    async def test_what_does_not_fit_into_an_account_is_not_written(self, store: Store) -> None:
        await store.append("a", [row(1, entries=(reserve(60, 100),))])
        with pytest.raises(AccountFull):
            await store.append("b", [row(1, entries=(reserve(41, 100),))])
        with pytest.raises(AccountFull):
            await store.append("b", [row(1), row(2, entries=(reserve(41, 100),))])
        assert await store.read("b") == [], "all of an append's rows are written, or none"
        await store.append("a", [row(2, entries=(Entry(TREE, 5, 0.0, "settle"),))])
        await store.append("b", [row(1, entries=(reserve(41, 100),))])
        with pytest.raises(SeqTaken):
            await store.append("b", [row(1, entries=(Entry(TREE, 5, 0.0),))])
        if isinstance(store, Queued):
            assert (await store.balance(TREE, 0.0)).tokens == 46
            assert await store.balance("other", 0.0) == Balance()

    @against()
    async def test_it_says_whether_anything_was_written(self, store: Any) -> None:
        require(store, Watchable)
        await store.append("t", [row(1)])
        seen = [store.version()]
        await store.read("t")
        assert store.version() == seen[0]
        await store.append("t", [row(2)])
        seen.append(store.version())
        await store.append("u", [row(1), row(2), row(3)])
        seen.append(store.version())
        assert len(set(seen)) == 3
        assert store.last_seqs(["t", "u"]) == {"t": 2, "u": 3}
        assert store.last_seqs(["nowhere"]).get("nowhere", 0) == 0

    @against()
    async def test_waiting_threads_are_found_by_their_time(self, store: Any) -> None:
        require(store, Timed)
        await store.append("soon", [waiting(1, 5.0)])
        await store.append("later", [waiting(1, 9.0)])
        await store.append("always", [waiting(1, 0.0)])
        await store.append("never", [waiting(1, None)])
        await store.append("over", [waiting(1, 5.0), waiting(2, None, "answered")])
        child = encode_event(e.ThreadStarted("a", "k", "soon", "c1", 1))
        await store.append("child", [Row(1, 0.5, child, status="waiting", due=0.0)])
        assert await waking(store, 4.9) == ["always"]
        assert await waking(store, 5.0) == ["always", "soon"]
        assert await waking(store, 99) == ["always", "later", "soon"]
        await store.append("soon", [waiting(2, 7.0)])
        await store.append("always", [waiting(2, None)])
        assert (await waking(store, 6), await waking(store, 7)) == ([], ["soon"])

    @against()
    async def test_a_thread_is_looked_at_later_unless_it_has_grown(self, store: Any) -> None:
        require(store, Timed)
        await store.append("t", [waiting(1, 5.0)])
        await store.postpone("t", 1, 8.0)
        assert (await waking(store, 7), await waking(store, 8)) == ([], ["t"])
        await store.append("t", [waiting(2, 5.0)])
        await store.postpone("t", 1, 9.0)
        assert await waking(store, 5) == ["t"]
        await store.postpone("nowhere", 1, 9.0)
        assert await waking(store, 99) == ["t"]

    @against()
    async def test_threads_are_found_by_the_handles_that_they_have_noted(self, store: Any) -> None:
        require(store, Timed)
        await store.append("a", [waiting(1, None), noted(2, '{"job":7}'), noted(3, '"x"')])
        await store.append("b", [noted(1, '{"job":7}')])
        await store.append("b", [noted(2, '{"job":7}')])
        assert await store.find_handle('{"job":7}') == ["a", "b"]
        assert await store.find_handle('"x"') == ["a"]
        assert await store.find_handle('{"job":8}') == []

    @against()
    async def test_a_driver_shows_that_it_is_alive_until_it_is_done(self, store: Any) -> None:
        require(store, Attended)
        assert store.find_beat("claim") is None
        with store.attend("claim"):
            assert store.find_beat("claim") is not None
            assert store.find_beat("other") is None
        assert store.find_beat("claim") is None

    @against()
    async def test_what_is_deleted_is_gone_and_nothing_else(self, store: Any) -> None:
        require(store, Erasable)
        await store.append("a", started(key="k1"))
        await store.append("b", started())
        with pytest.raises(SeqTaken):
            await store.delete({"b": 2, "a": 1})
        assert (len(await store.read("a")), len(await store.read("b"))) == (2, 2)
        erased = await store.delete({"a": 2})
        assert (erased.threads, erased.records) == (("a",), 2)
        assert await store.read("a") == []
        assert await names(store) == ["b"]
        assert await store.was_deleted("a", "k1")
        assert not await store.was_deleted("a", "k2")
        await store.delete({"a": 2})
