"""Start, follow, let go: a turn goes on whoever looks on, and whoever looks on sees all of it."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes import Elsewhere, agent, live, names, world
from treadle import (
    Agent,
    ApprovalGiven,
    Delta,
    Limits,
    MemoryStore,
    Record,
    Result,
    ScriptedModel,
    TurnEnded,
    TurnFailed,
    TurnOpen,
    UnknownThread,
    UsageError,
    flow,
    iterate_sync,
    run_sync,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import ModelDenied, StoreError
from treadle.core.model import Reply
from treadle.models.scripted import calls, says
from treadle.runtime.drives import find_drive
from treadle.runtime.follow import LEFT, LOST_S
from treadle.runtime.given import Given
from treadle.runtime.log import open_log

PAYS = (calls("pay", text="I pay"), says("all paid"))
ALL = [
    *("ThreadStarted", "ThreadClaimed", "UserSaid", "AgentDescribed", "ModelCalled"),
    *("ModelReplied", "ToolStarted", "ToolReturned", "ModelCalled", "ModelReplied", "TurnEnded"),
]


def payer(paid: list[str], *script: Any, **settings: Any) -> Agent:
    @tool
    async def pay() -> str:
        await asyncio.sleep(40)
        paid.append("paid")
        return "paid"

    return agent(ScriptedModel(script or PAYS), pay, **settings)


def split(items: list[Any]) -> tuple[list[Record], str, list[Result]]:
    return (
        [each for each in items if isinstance(each, Record)],
        "".join(each.text for each in items if isinstance(each, Delta)),
        [each for each in items if isinstance(each, Result)],
    )


async def all_of(items: AsyncGenerator[Any, None]) -> list[Any]:
    return [item async for item in items]


def test_start_returns_once_the_message_is_in_the_log_and_the_turn_goes_on():
    paid: list[str] = []
    payers = payer(paid)

    async def whole() -> None:
        assert await payers.start("go", thread="t") == "t"
        assert paid == []
        assert names((await open_log("t", payers._store, world())).records)[2] == "UserSaid"
        assert (await payers.resume("t")).answer == "all paid"

    live(whole())
    assert paid == ["paid"]


def test_what_keeps_a_turn_from_beginning_is_raised_by_start():
    payers = payer([])

    async def whole() -> None:
        await payers.start("go", thread="t")
        with pytest.raises(UsageError, match="unfinished turn"):
            await payers.start("again", thread="t")
        with pytest.raises(UsageError, match="empty"):
            await payers.start(" ")
        unpriced = ScriptedModel([], price_usd=None)
        with pytest.raises(UsageError, match="price"):
            await agent(unpriced, limits=Limits(cost_usd=1.0)).start("go")
        await payers.resume("t")

    live(whole())


@pytest.mark.parametrize("of", [lambda store: store, Elsewhere], ids=["here", "elsewhere"])
def test_follow_gives_all_records_and_the_result_last(of: Callable[[MemoryStore], Any]):
    store = MemoryStore()
    payers = payer([], store=store)
    onlooker = replace(payers, store=of(store))

    async def whole() -> list[Any]:
        await payers.start("go", thread="t")
        return await all_of(onlooker.follow("t"))

    records, text, results = split(live(whole()))
    assert names(records) == ALL
    assert [record.seq for record in records] == list(range(1, len(ALL) + 1))
    assert [result.answer for result in results] == ["all paid"]
    assert text == ("" if onlooker.store is not store else "I payall paid")


def test_stream_is_start_and_follow_with_every_piece_of_text():
    records, text, results = split(live(all_of(payer([]).stream("go"))))
    assert names(records) == ALL
    assert text == "I payall paid"
    assert [result.answer for result in results] == ["all paid"]


def test_who_comes_in_the_middle_of_a_reply_gets_its_text_so_far():
    class Halting(ScriptedModel):
        """Writes on after five seconds."""

        async def reply(self, request: Any, emit: Any) -> Reply:
            emit("So ")
            emit("far ")
            await asyncio.sleep(5)
            return await super().reply(request, emit)

    @tool
    def look() -> str:
        return "17"

    agents = agent(Halting([calls("look"), says("it is.")]), look)

    async def whole() -> list[Any]:
        await agents.start("go", thread="t")
        await asyncio.sleep(6)
        return await all_of(agents.follow("t", after=6))

    told = live(whole())
    assert names([item for item in told[:3] if isinstance(item, Record)]) == [
        *("ToolStarted", "ToolReturned", "ModelCalled")
    ]
    assert [item.text for item in told if isinstance(item, Delta)][:2] == ["So far ", "it"]
    assert [type(item) for item in told[-3:]] == [Record, Record, Result]


@pytest.mark.parametrize("after", range(len(ALL) + 1))
@pytest.mark.parametrize("of", [lambda store: store, Elsewhere], ids=["here", "elsewhere"])
def test_who_comes_back_gets_what_is_new_to_them_at_every_record(of: Any, after: int):
    store = MemoryStore()
    payers = payer([], store=store)
    onlooker = replace(payers, store=of(store))

    async def whole() -> list[Any]:
        await payers.start("go", thread="t")
        await asyncio.sleep(30)
        items = onlooker.follow("t", after=after)
        return await all_of(items)

    records, _, [result] = split(live(whole()))
    assert [record.seq for record in records] == list(range(after + 1, len(ALL) + 1))
    assert result.answer == "all paid"


def test_children_are_followed_too_from_here_and_from_elsewhere():
    store = MemoryStore()

    @tool
    async def look() -> str:
        await asyncio.sleep(40)
        return "17"

    def team(of: Any) -> Agent:
        inner = agent(ScriptedModel([calls("look"), says("found 17")]), look, name="inner")
        middle = agent(
            ScriptedModel([calls(("inner", {"task": "look"})), says("17, it says")]),
            inner.as_tool(),
            name="middle",
        )
        script = [calls(("middle", {"task": "ask"})), says("there are 17")]
        return agent(ScriptedModel(script), middle.as_tool(), store=of)

    async def whole() -> list[list[Any]]:
        await team(store).start("go", thread="t")
        await asyncio.sleep(30)  # the innermost tool is at work
        here, there = team(store).follow("t"), team(Elsewhere(store)).follow("t")
        return await asyncio.gather(all_of(here), all_of(there))

    for items in live(whole()):
        records, _, [result] = split(items)
        assert result.answer == "there are 17"
        found = {record.thread_id for record in records}
        assert len(found) == 3
        for name in found:
            seqs = [record.seq for record in records if record.thread_id == name]
            stored = live(store.read(name))
            assert seqs == [row.seq for row in stored]
        order = [(record.thread_id.count("."), type(record.event).__name__) for record in records]
        assert order.index((1, "TurnEnded")) < order.index((0, "ToolReturned"))


def test_a_turn_that_is_over_is_given_at_once_and_an_older_one_is_left_out():
    payers = payer([], *PAYS, says("you are welcome"))

    async def whole() -> None:
        await payers.run("go", thread="t")
        await payers.run("thanks", thread="t")
        records, _, [result] = split(await all_of(payers.follow("t")))
        assert names(records)[:2] == ["ThreadClaimed", "UserSaid"]
        assert result.answer == "you are welcome"
        assert len(await all_of(payers.follow("t", after=0))) > len(ALL)
        [only] = await all_of(payers.follow("t", after=100))
        assert isinstance(only, Result)

    live(whole())


def test_the_result_is_that_of_the_turn_that_was_followed():
    """A next turn begins before the follower has looked again."""
    store = MemoryStore()
    payers = payer([], *PAYS, says("the second"), store=store)

    async def whole() -> list[Any]:
        await payers.start("go", thread="t")
        following = asyncio.create_task(all_of(replace(payers, store=Elsewhere(store)).follow("t")))
        await payers.resume("t")
        await payers.run("next", thread="t")
        return await following

    _, _, [result] = split(live(whole()))
    assert result.answer == "all paid"


def test_a_stream_that_lags_behind_gives_its_own_turn_and_nothing_of_the_next():
    one = agent(ScriptedModel([says("first"), says("second")]))

    async def both() -> list[Any]:
        begun = await one.runs.start("one", "t", None, Given())
        await one.resume("t")
        await one.run("two", thread="t")
        return [item async for item in one.runs.follow("t", None, begun)]

    records, _, [result] = split(live(both()))
    assert result.answer == "first"
    assert records[-1].event == TurnEnded("answered")
    assert names(records).count("UserSaid") == 1


def test_a_turn_that_waits_is_given_as_waiting_and_can_be_followed_on():
    @tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    payers = agent(ScriptedModel([calls("pay"), says("ok")]), pay)

    async def whole() -> None:
        await payers.start("go", thread="t")
        records, _, [waits] = split(await all_of(payers.follow("t")))
        assert waits.status == "waiting"
        await payers.post("t", ApprovalGiven(waits.waiting[0].id, True, "ann"))
        going_on = asyncio.create_task(payers.resume("t"))
        more, _, [result] = split(await all_of(payers.follow("t", after=records[-1].seq)))
        assert result.answer == "ok"
        assert names(more)[0] == "ApprovalGiven"
        await going_on

    live(whole())


def test_a_turn_that_nobody_drives_is_given_as_unfinished():
    store = MemoryStore()
    payers = payer([], store=store)

    async def whole() -> float:
        await payers.start("go", thread="t")
        await asyncio.sleep(30)
        rows = [row for row in await store.read("t") if b"ToolStarted" not in row.event]
        await store.append("dead", rows)
        await (await open_log("dead", store, world())).append(e.ThreadClaimed("dead", "host:1"))
        clock = asyncio.get_running_loop().time
        began = clock()
        *_, last = await all_of(payers.follow("dead"))
        took_s = clock() - began
        await payers.resume("t")
        assert last.status == "unfinished"
        return took_s

    assert LOST_S <= live(whole()) < LOST_S + 1


def test_a_follower_that_stood_still_itself_gives_whoever_takes_over_their_time():
    """As when a laptop wakes: the driver is gone, and all others have had no time to notice."""
    store, paid = MemoryStore(), []

    async def whole() -> Result:
        await payer(paid, store=store).start("go", thread="t")
        await asyncio.sleep(30)
        rows = [row for row in await store.read("t") if b"ToolStarted" not in row.event]
        await store.append("dead", rows)
        await payer(paid, store=store).resume("t")
        following = asyncio.create_task(all_of(payer(paid, store=store).follow("dead")))
        await asyncio.sleep(1)
        loop: Any = asyncio.get_running_loop()
        loop._jumping.now_s += 20  # nothing has run in that time
        await asyncio.sleep(1)
        await payer(paid, says("taken over"), store=store).resume("dead")
        *_, result = await following
        return result

    assert live(whole()).answer == "taken over"


def test_who_follows_a_dead_driver_sees_the_one_who_takes_over():
    store, paid = MemoryStore(), []

    async def whole() -> Result:
        await payer(paid, store=store).start("go", thread="t")
        await asyncio.sleep(30)
        rows = [row for row in await store.read("t") if b"ToolStarted" not in row.event]
        await store.append("dead", rows)
        following = asyncio.create_task(all_of(payer(paid, store=store).follow("dead")))
        await asyncio.sleep(1)
        await payer(paid, says("taken over"), store=store).resume("dead")
        *_, result = await following
        await payer(paid, store=store).resume("t")
        return result

    assert live(whole()).answer == "taken over"


# Failures


def test_a_turn_that_fails_raises_for_every_follower_here_and_elsewhere():
    store = MemoryStore()
    failing = payer([], calls("pay"), ModelDenied("no such key"), store=store)

    async def whole() -> list[Any]:
        await failing.start("go", thread="t")
        places = (store, Elsewhere(store))
        followers = [all_of(replace(failing, store=place).follow("t")) for place in places]
        found = await asyncio.gather(*followers, return_exceptions=True)
        return [*found, *await asyncio.gather(all_of(failing.follow("t")), return_exceptions=True)]

    for error in live(whole()):
        assert isinstance(error, ModelDenied)
        assert error.result
        assert error.result.status == "failed"


class Full(MemoryStore):
    """The disk is full as soon as a tool has returned."""

    async def append(self, thread_id: str, rows: Any) -> None:
        if any(b"ToolReturned" in row.event for row in rows):
            raise StoreError("disk full")
        await super().append(thread_id, rows)


def test_what_the_thread_can_t_say_of_a_background_drive_is_told_and_logged(
    caplog: pytest.LogCaptureFixture,
):
    store = Full()
    payers = payer([], store=store)

    async def whole() -> None:
        await payers.start("go", thread="t")
        with pytest.raises(StoreError, match="disk full"):
            await all_of(payers.follow("t"))

    with caplog.at_level(logging.ERROR, "treadle"):
        live(whole())
    [line] = [each.message for each in caplog.records]
    assert line.startswith("thread t is driven no longer; resume it")
    assert "disk full" in line


def test_a_bug_is_raised_as_it_is_by_the_stream_and_as_a_failed_turn_later():
    buggy = agent(ScriptedModel([KeyError("bug")]))

    async def whole() -> None:
        with pytest.raises(KeyError):
            await all_of(buggy.stream("go", thread="t"))
        with pytest.raises(TurnFailed, match="a bug"):
            await all_of(buggy.follow("t"))

    live(whole())


def test_a_thread_that_isn_t_there_or_has_no_turn_can_t_be_followed():
    payers = payer([])
    with pytest.raises(UnknownThread):
        live(all_of(payers.follow("nowhere")))
    with pytest.raises(UsageError, match="after"):
        live(all_of(payers.follow("t", after=-1)))


# Leaving


class Left(Exception):
    pass


async def by_break(stream: AsyncGenerator[Any, None]) -> Any:
    async for item in stream:
        if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
            break
    return stream  # it is still referenced


async def by_return(stream: AsyncGenerator[Any, None]) -> Any:
    async for item in stream:
        if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
            return None


async def by_exception(stream: AsyncGenerator[Any, None]) -> Any:
    try:
        async for item in stream:
            if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
                raise Left
    except Left:
        return None


async def by_aclose(stream: AsyncGenerator[Any, None]) -> Any:
    await by_break(stream)
    await stream.aclose()


async def by_garbage(stream: AsyncGenerator[Any, None]) -> Any:
    await by_break(stream)
    del stream
    gc.collect()


async def by_cancelling_the_consumer(stream: AsyncGenerator[Any, None]) -> Any:
    consumer = asyncio.create_task(all_of(stream))
    await asyncio.sleep(30)
    consumer.cancel()
    await asyncio.wait({consumer})
    assert consumer.cancelled()


async def by_a_timeout(stream: AsyncGenerator[Any, None]) -> Any:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(all_of(stream), 30)


@pytest.mark.parametrize(
    "leave",
    [
        by_break,
        by_return,
        by_exception,
        by_aclose,
        by_garbage,
        by_cancelling_the_consumer,
        by_a_timeout,
    ],
)
@pytest.mark.parametrize("how", ["stream", "follow", "flow"])
def test_leaving_stops_nothing_however_it_is_left(leave: Any, how: str):
    paid: list[str] = []
    payers = payer(paid)

    async def pay() -> str:
        await asyncio.sleep(40)
        paid.append("paid")
        return "all paid"

    async def order() -> str:
        return await step(pay)

    orders = flow(store=MemoryStore(), world=world())(order)

    async def whole() -> str:
        if how == "stream":
            stream = payers.stream("go", thread="t")
        elif how == "flow":
            stream = orders.options(thread="t").stream()
        else:
            await payers.start("go", thread="t")
            stream = payers.follow("t")
        held = await leave(stream)
        del stream
        assert find_drive((orders if how == "flow" else payers)._store, "t")
        result = await (orders if how == "flow" else payers).resume("t")
        del held
        await asyncio.sleep(1)  # asyncio closes what was left
        return str(result.output or result.answer)

    assert live(whole()) == "all paid"
    assert paid == ["paid"]


def test_a_person_ends_what_was_let_go():
    paid: list[str] = []
    payers = payer(paid)

    async def whole() -> Result:
        async for item in payers.stream("go", thread="t"):
            if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
                break
        await payers.post("t", TurnEnded("cancelled", "enough"))
        *_, result = await all_of(payers.follow("t"))
        await asyncio.sleep(1)  # its driver has seen it by then
        return result

    assert live(whole()).status == "cancelled"
    assert paid == []


def test_where_the_loop_ends_first_the_turn_stays_open_and_goes_on_in_the_next():
    paid: list[str] = []
    payers = payer(paid)

    async def whole() -> None:
        async for item in payers.stream("go", thread="t"):
            if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
                break

    asyncio.run(whole())
    log = live(open_log("t", payers._store, world()))
    assert log.records[-1].event.releases  # type: ignore[union-attr]
    [held] = live(payers.resume("t")).waiting
    assert held.status == "unknown"
    assert paid == []


async def begin_again(agents: Agent) -> None:
    await agents.start("go", thread="t", key="k")


async def steer_from_afar(agents: Agent) -> None:
    await agents.start("more", thread="t", when_busy="steer")


async def resume_behind(agents: Agent) -> None:
    agents.resume_in_background("t")


async def submit_more(agents: Agent) -> None:
    await agents.submit("more", thread="t")


@pytest.mark.parametrize("act", [begin_again, steer_from_afar, resume_behind, submit_more])
def test_so_does_a_turn_that_was_open_already_however_it_goes_on_in_the_background(act):
    payers = payer([], PAYS[0], PAYS[0])

    async def begins() -> None:
        await payers.start("go", thread="t", key="k")

    async def goes_on() -> None:
        await act(payers)
        async for item in payers.follow("t"):
            if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
                break

    asyncio.run(begins())
    asyncio.run(goes_on())
    log = live(open_log("t", payers._store, world()))
    assert log.state.is_open
    assert log.records[-1].event.releases  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_background_drive_is_held_while_nobody_else_does():
    paid: list[str] = []
    payers = payer(paid)

    async def whole() -> None:
        await payers.start("go", thread="t")
        for _ in range(5):
            await asyncio.sleep(15)
            gc.collect()

    live(whole())
    assert paid == ["paid"]


# From code that isn't async


def test_the_sync_facade_starts_follows_and_lets_go():
    @tool
    async def pay() -> str:
        await asyncio.sleep(0.05)
        return "paid"

    payers = Agent(tools=[pay], model=ScriptedModel([*PAYS, *PAYS]), store=MemoryStore())
    thread = run_sync(payers.start("go"))
    records, _, [result] = split(list(iterate_sync(payers.follow(thread, after=0))))
    assert (names(records), result.answer) == (ALL, "all paid")
    for item in iterate_sync(payers.stream("go", thread="left")):
        if isinstance(item, Record) and isinstance(item.event, e.ToolStarted):
            break
    assert run_sync(payers.resume("left")).answer == "all paid"


class Meeting(MemoryStore):
    """The first two reads of the thread end at the same moment: nobody has written by then."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 2
        self._both = asyncio.Event()

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Any]:
        rows = await super().read(thread_id, after_seq)
        if self._left > 0:
            self._left -= 1
            if self._left == 0:
                self._both.set()
            await self._both.wait()
        return rows


def test_a_stream_shows_the_turn_of_its_own_message_not_that_of_one_who_was_faster():
    payers = payer([], store=Meeting())

    async def whole() -> None:
        streaming = asyncio.create_task(all_of(payers.stream("mine", thread="t")))
        await asyncio.sleep(0.01)
        assert (await payers.run("first", thread="t")).answer == "all paid"
        with pytest.raises(TurnOpen, match="another caller was first"):
            await streaming

    live(whole())


class FailingStore(MemoryStore):
    """Fails at these appends, counted from 1; reads take their time."""

    def __init__(self, *fails: int) -> None:
        super().__init__()
        self._fails = fails
        self._appends = 0

    async def append(self, thread_id: str, rows: Any) -> None:
        self._appends += 1
        if self._appends in self._fails:
            raise StoreError("the disk is full")
        await super().append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Any]:
        rows = await super().read(thread_id, after_seq)
        await asyncio.sleep(0.05)
        return rows


def test_a_stream_raises_what_has_ended_its_drive_though_that_was_before_it_looked():
    async def whole() -> None:
        with pytest.raises(StoreError, match="the disk is full"):
            await all_of(payer([], store=FailingStore(2)).stream("go", thread="t"))

    live(whole())


def test_whoever_has_written_since_a_follower_looked_was_alive_then():
    store = MemoryStore()
    payers = payer([], store=store)

    async def whole() -> float:
        opening = [e.ThreadStarted("agent", "k"), e.ThreadClaimed("a", "h:1"), e.UserSaid("go")]
        log = await open_log("t", store, world())
        await log.append(*opening)
        clock = asyncio.get_running_loop().time
        began = clock()
        following = asyncio.create_task(all_of(payers.follow("t")))
        for number in range(3):  # processes that die at once
            await asyncio.sleep(2)
            await log.append(e.ThreadClaimed(f"b{number}", "h:2"))
        *_, last = await following
        assert (last.status, last.reason) == ("unfinished", LEFT)
        return clock() - began

    assert 6 + LOST_S <= live(whole()) < 7 + LOST_S
