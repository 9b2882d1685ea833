import asyncio

import pytest

from fakes import SlowStore, live, world
from treadle import MemoryStore, SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.core.errors import Fenced, IllegalEvent, SeqTaken, StoreDamaged
from treadle.runtime.log import Log, open_log
from treadle.stores.store import Row

OPENING = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w1"), e.UserSaid("go"))
CALLED = e.ModelCalled("m", "h", 1, 1)


async def begun(store: MemoryStore) -> Log:
    log = await open_log("t", store, world())
    await log.append(*OPENING)
    return log


def test_an_append_is_checked_stored_and_told_in_that_order():
    async def whole():
        store, told = MemoryStore(), []
        log = await begun(store)
        log.listeners = (lambda record: told.append((record.seq, store.last_seqs(["t"])["t"])),)
        await log.append(CALLED)
        assert told == [(4, 4)]
        with pytest.raises(IllegalEvent):
            await log.append(CALLED)
        assert (len(await store.read("t")), log.state.seq, len(told)) == (4, 4, 1)

    live(whole())


def test_facts_that_cannot_all_be_written_are_none_of_them():
    async def whole():
        log = await begun(MemoryStore())
        with pytest.raises(IllegalEvent):
            await log.append(CALLED, e.ModelReplied("x", e.Usage(), 0.0), e.ToolStarted("a", "k"))
        assert (log.state.seq, len(log.records)) == (3, 3)

    live(whole())


def test_a_reader_that_opens_the_log_sees_the_same():
    async def whole():
        store = MemoryStore()
        log = await begun(store)
        await log.append(CALLED)
        again = await open_log("t", store, world())
        assert (again.records, again.state) == (log.records, log.state)
        assert again.prompt.messages("s") == log.prompt.messages("s")

    live(whole())


def test_the_seconds_that_its_driver_worked_are_read_back_from_the_file(tmp_path):
    async def whole():
        store = SQLiteStore(tmp_path / "t.db")
        log = await open_log("t", store, world())
        await log.append(*OPENING)
        await asyncio.sleep(2.5)
        await log.append(CALLED)
        again = await open_log("t", SQLiteStore(store.path), world())
        assert [record.worked_s for record in again.records] == [0.0, 0.0, 0.0, 2.5]
        assert (again.records, again.state) == (log.records, log.state)

    live(whole())


def test_a_log_that_was_overtaken_takes_in_what_came_and_goes_on():
    async def whole():
        store, told = MemoryStore(), []
        log = await begun(store)
        log.listeners = (told.append,)
        call = e.ModelReplied((e.Call("a", "x", "{}"), e.Call("b", "x", "{}")), e.Usage(), 0.0)
        await log.append(CALLED, call, e.ApprovalAsked("a"), e.ToolStarted("b", "k"))
        other = await open_log("t", store, world())
        await other.append(e.ApprovalGiven("a", True, "ada"))
        await log.append(e.ToolReturned("b", "x", 0.0))
        assert [record.seq for record in log.records] == list(range(1, 10))
        assert [record.seq for record in told] == list(range(4, 10)), (
            "listeners hear of what others wrote, too"
        )

    live(whole())


@pytest.mark.parametrize("event", [e.ThreadClaimed("w2"), e.TurnEnded("cancelled")])
def test_a_driver_that_lost_its_thread_or_turn_is_fenced_and_stays_so(event):
    async def whole():
        store = MemoryStore()
        log = await begun(store)
        await (await open_log("t", store, world())).append(event)
        for _ in range(2):
            with pytest.raises(Fenced):
                await log.append(CALLED)
        assert len(await store.read("t")) == 4

    live(whole())


def test_a_store_that_has_lost_records_is_reported_and_not_asked_for_ever():
    class Forgetful(MemoryStore):
        async def append(self, thread_id, rows):
            raise SeqTaken("no")

    with pytest.raises(StoreDamaged, match="lost records"):
        live(begun(Forgetful()))


def test_appends_of_several_tasks_over_a_slow_store_keep_their_order():
    async def whole():
        log = await begun(SlowStore())
        wanted = tuple(e.Call(f"c{number}", "x", "{}") for number in range(6))
        await log.append(CALLED, e.ModelReplied(wanted, e.Usage(), 0.0))
        await asyncio.gather(
            *(log.append(e.ToolStarted(call.id, "k")) for call in wanted), log.refresh()
        )
        assert [record.seq for record in log.records] == list(range(1, 12))

    live(whole())


@pytest.mark.parametrize("row", [Row(1, 0.0, b"{"), Row(1, 0.0, b'{"type":"New"}')])
def test_rows_that_cannot_be_read_are_damage(row):
    async def whole():
        store = MemoryStore()
        await store.append("t", [row])
        await open_log("t", store, world())

    with pytest.raises(StoreDamaged):
        live(whole())


def test_records_in_an_impossible_order_are_refused():
    async def whole():
        store = MemoryStore()
        await store.append("t", [Row(1, 0.0, encode_event(CALLED))])
        await open_log("t", store, world())

    with pytest.raises(IllegalEvent, match="thread t can't be read"):
        live(whole())


class Detained(MemoryStore):
    """Holds each append back until the test lets it go; a cancellation waits, as stores promise."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def append(self, thread_id, rows):
        self.begun.set()
        cancelled = False
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                cancelled = True
        await super().append(thread_id, rows)
        if cancelled:
            raise asyncio.CancelledError


def test_a_cancelled_append_that_was_written_is_known_and_its_claim_is_ours():
    async def whole() -> None:
        store = Detained()
        store.go.set()
        log = await open_log("t", store, world())
        await log.append(e.ThreadStarted("a", "k"), e.ThreadClaimed("old"), e.UserSaid("hi"))
        store.go.clear()
        store.begun.clear()
        log.claim_with_next_append(e.ThreadClaimed("mine"))
        writing = asyncio.create_task(log.append(e.ModelCalled("m", "h", 1, 1)))
        await store.begun.wait()
        writing.cancel()
        await asyncio.sleep(0)
        store.go.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (log.state.seq, log.state.claim) == (5, "mine")
        assert log.is_ours
        assert log.has_claimed
        await log.append(e.TurnEnded("cancelled"))
        assert [row.seq for row in await store.read("t")] == [1, 2, 3, 4, 5, 6]

    live(whole())


class Cut(MemoryStore):
    """Is cancelled before it writes anything, as a store that keeps no promise is."""

    cut = False

    async def append(self, thread_id, rows):
        if self.cut:
            raise asyncio.CancelledError
        await super().append(thread_id, rows)


def test_a_cancelled_append_that_was_not_written_changes_nothing():
    async def whole() -> None:
        store = Cut()
        log = await open_log("t", store, world())
        await log.append(e.ThreadStarted("a", "k"), e.ThreadClaimed("c"), e.UserSaid("hi"))
        store.cut = True
        with pytest.raises(asyncio.CancelledError):
            await log.append(e.TurnEnded("answered"))
        store.cut = False
        assert log.state.seq == 3
        await log.append(e.TurnEnded("cancelled"))
        assert len(await store.read("t")) == 4

    live(whole())


def test_two_that_claim_at_once_write_one_claim():
    async def whole() -> None:
        log = await open_log("t", MemoryStore(), world())
        await log.append(e.ThreadStarted("a", "k"), e.ThreadClaimed("old"), e.UserSaid("go"))
        log.claim_with_next_append(e.ThreadClaimed("new"))
        await asyncio.gather(log.claim_now(), log.claim_now())
        assert [
            each.event.claim for each in log.records if isinstance(each.event, e.ThreadClaimed)
        ] == [
            "old",
            "new",
        ]

    asyncio.run(whole())
