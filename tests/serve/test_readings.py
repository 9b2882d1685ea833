"""A thread is read and folded once for all who ask: what is kept is what the log says, whatever became of it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import legal_log
from serve.serving import Shop, events_of, serving, wait_for_result
from treadle import MemoryStore
from treadle.core import events as e
from treadle.core.count_thread import count_thread
from treadle.core.errors import IllegalEvent
from treadle.models.scripted import calls, says
from treadle.observe.folded import Folded, fold_thread
from treadle.serve import readings as module
from treadle.serve.readings import Readings
from treadle.stores.rows import to_rows


class CountingStore(MemoryStore):
    """Counts the rows that it has given."""

    def __init__(self):
        super().__init__()
        self.given = 0

    async def read(self, thread_id, after_seq=0):
        rows = await super().read(thread_id, after_seq)
        self.given += len(rows)
        return rows


def log(*events, name="t", at=100.0):
    return [e.Record(name, seq, at + seq, event, 0.0) for seq, event in enumerate(events, 1)]


def turn(text, answer="yes"):
    return (
        e.UserSaid(text),
        e.ModelCalled("m", "h", 10, 10),
        e.ModelReplied(answer, e.Usage(2, 1), 0.1, cost_usd=0.5),
        e.TurnEnded("answered"),
    )


OPENING = (e.ThreadStarted("a", "key"), e.ThreadClaimed("claim"))


def first_said(found: Folded) -> str:
    return next(each.event.text for each in found.records if isinstance(each.event, e.UserSaid))


def test_all_that_a_page_asks_of_a_thread_reads_it_once_and_later_only_what_is_new():
    script = [calls(("stock", {"item": f"lamp {number}"})) for number in range(9)]
    store = CountingStore()
    with serving(Shop(*script, says("17."), store=store).agent) as client:
        client.post("/api/threads", json={"text": "how many?", "thread": "t"})
        wait_for_result(client, "t")
        records = len(client.get("/api/threads/t/records").json())
        assert records > 30

    with serving(Shop(says("Yes."), store=store).agent) as client:
        store.given = 0
        for path in ("", "/records?last=5", "/records"):
            assert client.get(f"/api/threads/t{path}").status_code == 200
        assert len(events_of(client, "/api/threads/t/stream?until=result")) == records + 1
        assert client.get("/api/threads").json()["threads"][0]["title"] == "how many?"
        assert store.given < 1.5 * records
        client.post("/api/threads/t/messages", json={"text": "sure?"})
        wait_for_result(client, "t")
        store.given = 0
        thread = client.get("/api/threads/t").json()
        assert (thread["answer"], thread["totals"]["steps"]) == ("Yes.", 11)
        assert store.given < 15


@given(st.lists(st.integers(0, 10**6), max_size=60), st.integers(0, 60))
def test_who_goes_on_from_any_record_has_what_the_whole_log_says(choices, cut):
    whole = legal_log(choices)
    cut = min(cut, len(whole))
    if not cut:
        return

    async def go():
        store = MemoryStore()
        readings = Readings(store)
        await store.append("t", to_rows(whole[:cut]))
        assert await readings.read("t") == fold_thread(whole[:cut])
        if whole[cut:]:
            await store.append("t", to_rows(whole)[cut:])
        assert await readings.read("t") == fold_thread(whole)
        assert await readings.count("t") == count_thread(whole)

    asyncio.run(go())


def test_a_thread_that_was_deleted_and_made_anew_is_the_new_one():
    async def go():
        store = MemoryStore()
        readings = Readings(store)
        await store.append("t", to_rows(log(*OPENING, *turn("first"))))
        assert first_said(await readings.read("t")) == "first"
        await store.delete({"t": 6})
        assert (await readings.read("t")).records == []
        assert await readings.count("t") is None
        await store.append("t", to_rows(log(*OPENING, *turn("second"), at=200.0)))
        assert first_said(await readings.read("t")) == "second"
        await store.delete({"t": 6})
        await store.append("t", to_rows(log(*OPENING, *turn("third", "no"), *turn("more"))))
        assert first_said(await readings.read("t")) == "third"

    asyncio.run(go())


def test_an_imported_thread_may_begin_otherwise_though_its_end_is_the_same():
    async def go():
        store = MemoryStore()
        readings = Readings(store)
        await store.append("t", to_rows(log(*OPENING, *turn("mine"))))
        await readings.read("t")
        await store.delete({"t": 6})
        theirs = log(*OPENING, *turn("theirs"), e.TrustChanged(False, "ann"))
        await store.append("t", to_rows(theirs))
        found = await readings.read("t")
        assert (first_said(found), found.state.trusted) == ("theirs", False)

    asyncio.run(go())


def test_a_log_that_cannot_be_read_on_says_so_each_time_and_a_good_one_in_its_place_is_read():
    async def go():
        store = MemoryStore()
        readings = Readings(store)
        await store.append("t", to_rows(log(*OPENING)))
        await readings.read("t")
        wrong = e.Record("t", 3, 103.0, e.TurnEnded("answered"), 0.0)
        await store.append("t", to_rows([wrong]))
        for _ in range(2):
            with pytest.raises(IllegalEvent, match="thread t can't be read on"):
                await readings.read("t")
        await store.delete({"t": 3})
        await store.append("t", to_rows(log(*OPENING, *turn("good"))))
        assert first_said(await readings.read("t")) == "good"

    asyncio.run(go())


@pytest.mark.parametrize("bound", [{"max_bytes": 100}, {"max_threads": 1}])
def test_what_is_kept_has_a_bound_and_the_thread_that_was_asked_for_last_stays(bound):
    async def go():
        store = CountingStore()
        for name in ("a", "b"):
            await store.append(name, to_rows(log(*OPENING, *turn(name), name=name)))
        readings = Readings(store, **bound)
        for name, rows in (("a", 6), ("b", 6), ("b", 1), ("a", 6)):
            store.given = 0
            assert first_said(await readings.read(name)) == name
            assert store.given == rows

    asyncio.run(go())


def test_a_long_log_is_read_once_by_all_who_ask_and_lets_others_in_between():
    whole = log(*OPENING, *(event for number in range(1000) for event in turn(str(number))))

    async def go():
        store = CountingStore()
        await store.append("t", to_rows(whole))
        readings = Readings(store)
        asked = [asyncio.ensure_future(readings.read("t")) for _ in range(3)]
        others = 0
        while not all(each.done() for each in asked):
            await asyncio.sleep(0)
            others += 1
        assert [len(each.result().records) for each in asked] == [len(whole)] * 3
        assert others >= len(whole) // module.PIECE
        assert store.given < 1.1 * len(whole)

    asyncio.run(go())
