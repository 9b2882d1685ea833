"""A driver that has lost its thread writes what its calls did, where nobody knows that yet."""

import asyncio
import contextlib
import json
import logging
import threading
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from fakes import agent, live, names
from treadle import Agent, MemoryStore, Record, ScriptedModel, ToolRetry, tool
from treadle.core import events as e
from treadle.core.codec import name_of
from treadle.core.errors import Fenced, IllegalEvent, StoreError
from treadle.core.state import fold
from treadle.flows.flow import flow
from treadle.flows.step import step
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.observe.timeline import Timeline
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.world import World

PAYS = (calls(("pay", {"euros": 5})), says("Paid."))


async def read(store: Any, thread: str = "t") -> list[Record]:
    return (await open_log(thread, store, World())).records


async def taken(store: Any, thread: str = "t") -> None:
    """Another process takes the thread, and waits."""
    await (await open_log(thread, store, World())).append(e.ThreadClaimed("other", "elsewhere"))


class Noticing(MemoryStore):
    """Lets a test wait until an event of a kind is written."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def append(self, thread_id: str, rows: Any) -> None:
        await super().append(thread_id, rows)
        for row in rows:
            self._seen[name_of(json.loads(row.event)["type"])].set()

    async def until(self, kind: str) -> None:
        await self._seen[kind].wait()


class Payer:
    """An agent whose tool pays within a second, and another process's, whose tool never should."""

    def __init__(self, pay: Any = None, *, settings: Any = None, **more: Any) -> None:
        self.store = Noticing()
        self.ended = 0

        async def pays(euros: int) -> str:
            await asyncio.sleep(1)
            self.ended += 1
            return f"paid {euros}"

        made = tool(name="pay", **(settings or {}))(pay or pays)
        self.first = agent(ScriptedModel(PAYS), made, store=self.store, **more)
        self.other = agent(ScriptedModel(PAYS[1:]), made, store=self.store, **more)

    async def run_until_taken(self) -> list[Record]:
        """The log once the second process has taken the thread, and the first one's tool ended."""
        running = asyncio.create_task(self.first.run("go", thread="t"))
        await asyncio.sleep(0.5)
        waiting = await self.other.resume("t", take=True)
        assert [each.status for each in waiting.waiting] == ["unknown"]
        with pytest.raises(Fenced):
            await running
        await asyncio.sleep(2)
        return await read(self.store)


def test_what_a_fenced_driver_s_tool_returned_is_its_result_and_the_turn_goes_on():
    payer = Payer()

    async def whole() -> None:
        records = await payer.run_until_taken()
        assert isinstance(records[-1].event, e.ToolReturned)
        assert records[-1].event.content == "paid 5"
        claims = [r.event.claim for r in records if isinstance(r.event, e.ThreadClaimed)]
        assert records[-1].event.claim == claims[0]
        assert records[-1].worked_s == 0.0, "it costs the driver of today no time"
        assert (await payer.other.resume("t")).answer == "Paid."
        assert await replay(await read(payer.store), payer.first.run_settings) is None

    live(whole())
    assert payer.ended == 1


def test_so_is_what_it_raised():
    async def pay(euros: int) -> str:
        await asyncio.sleep(1)
        raise ValueError("no money")

    payer = Payer(pay)

    async def whole() -> None:
        records = await payer.run_until_taken()
        assert isinstance(records[-1].event, e.ToolFailed)
        assert "no money" in records[-1].event.message
        assert (await payer.other.resume("t")).answer == "Paid."

    live(whole())


def test_a_failure_without_effect_is_tried_again_by_whoever_goes_on():
    tries: list[int] = []

    async def pay(euros: int) -> str:
        tries.append(euros)
        await asyncio.sleep(1)
        if len(tries) == 1:
            raise ToolRetry("busy")
        return "paid"

    payer = Payer(pay)

    async def whole() -> None:
        records = await payer.run_until_taken()
        assert isinstance(records[-1].event, e.ToolFailed)
        assert records[-1].event.retry_after_s is not None
        assert (await payer.other.resume("t")).answer == "Paid."

    live(whole())
    assert len(tries) == 2


def test_so_is_what_a_thread_of_the_operating_system_did_that_nothing_can_stop():
    goes_on = threading.Event()

    def pay(euros: int) -> str:
        goes_on.wait(10)
        return "paid"

    payer = Payer(pay)

    async def whole() -> None:
        running = asyncio.create_task(payer.first.run("go", thread="t"))
        await payer.store.until("ToolStarted")
        await payer.other.resume("t", take=True)
        with pytest.raises(Fenced):
            await running
        goes_on.set()
        await payer.store.until("ToolReturned")

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_a_frozen_driver_that_comes_back_writes_what_it_knows():
    """Its watch sees nothing: it finds out when it appends."""
    payer = Payer()

    class Blind(MemoryStore):
        async def append(self, thread_id: str, rows: Any) -> None:
            await payer.store.append(thread_id, rows)

        async def read(self, thread_id: str, after_seq: int = 0) -> Any:
            return await payer.store.read(thread_id, after_seq)

    async def whole() -> None:
        first = replace(payer.first, store=Blind())
        running = asyncio.create_task(first.run("go", thread="t"))
        await asyncio.sleep(0.5)
        await taken(payer.store)
        with pytest.raises(Fenced):
            await running
        assert names(await read(payer.store))[-2:] == ["ThreadClaimed", "ToolReturned"]

    live(whole())


@pytest.mark.parametrize("outcome", ["ran", "tell", "not_run"])
def test_a_person_who_was_first_wins(outcome: Any, caplog: pytest.LogCaptureFixture):
    payer = Payer()

    async def whole() -> None:
        running = asyncio.create_task(payer.first.run("go", thread="t"))
        await asyncio.sleep(0.5)
        [held] = (await payer.other.resume("t", take=True)).waiting
        await payer.other.post("t", e.OutcomeDecided(held.id, outcome, "ann", "it did"))
        with pytest.raises(Fenced):
            await running
        await asyncio.sleep(2)
        assert names(await read(payer.store))[-1] == "OutcomeDecided"

    live(whole())
    [warning] = caplog.messages
    assert warning.startswith("pay, call c00005000, has returned, which came too late")
    assert "by ann at" in warning


def test_a_person_who_comes_after_it_is_told():
    payer = Payer()

    async def whole() -> None:
        records = await payer.run_until_taken()
        call = next(r.event.call_id for r in records if isinstance(r.event, e.ToolStarted))
        with pytest.raises(IllegalEvent, match="its own driver learned it, and wrote it at"):
            await payer.other.post("t", e.OutcomeDecided(call, "tell", "ann"))

    live(whole())


def test_where_the_call_runs_again_its_first_attempt_counts_no_more(caplog):
    ran: list[int] = []

    async def pay(euros: int) -> str:
        ran.append(euros)
        if len(ran) > 1:
            return "paid again"
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(5)  # it doesn't stop
        return "paid at first"

    payer = Payer(pay, settings={"idempotent": True})

    async def whole() -> None:
        running = asyncio.create_task(payer.first.run("go", thread="t"))
        await asyncio.sleep(0.5)
        assert (await payer.other.resume("t", take=True)).answer == "Paid."
        with pytest.raises(Fenced):
            await running
        before = await read(payer.store)
        await asyncio.sleep(10)
        assert await read(payer.store) == before

    live(whole())
    assert "too late" not in caplog.text, "the second attempt had the same key: nobody need know"


class Signal(logging.Handler):
    """Sets an asyncio.Event at each line that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.logged = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.set()


def test_a_cancelled_turn_stops_the_tool_and_what_a_thread_then_did_is_only_warned_of(caplog):
    goes_on = threading.Event()

    def pay(euros: int) -> str:
        goes_on.wait(10)
        return "paid"

    payer = Payer(pay)

    async def whole() -> None:
        running = asyncio.create_task(payer.first.run("go", thread="t"))
        await payer.store.until("ToolStarted")
        await payer.first.post("t", e.TurnEnded("cancelled", "by ann"))
        await running
        signal, logger = Signal(), logging.getLogger("treadle")
        logger.addHandler(signal)
        goes_on.set()
        await signal.logged.wait()
        logger.removeHandler(signal)
        assert names(await read(payer.store))[-1] == "TurnEnded"

    asyncio.run(asyncio.wait_for(whole(), 60))
    assert "nothing waits in thread t: its last turn was ended at" in caplog.text
    assert "(by ann)" in caplog.text


@pytest.mark.parametrize("as_step", [False, True])
def test_a_tool_that_comes_to_its_end_just_as_its_time_is_up_has_that_end(as_step: bool):
    """Two write what came of it then: who waited for it, and who learned of it. One is enough."""

    async def pay(euros: int) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
        return f"paid {euros}"

    payer = Payer(pay, settings={"timeout_s": 5})

    @flow(name="pays", store=payer.store)
    async def pays() -> str:
        return await step.options(timeout_s=5)(pay, 5)

    async def whole() -> None:
        if as_step:
            ended = await pays.options(thread="t").run()
        else:
            ended = await payer.first.run("go", thread="t")
        assert ended.status == "answered", ended.reason
        returned = [each.event for each in ended.records if isinstance(each.event, e.ToolReturned)]
        assert [each.content.strip('"') for each in returned] == ["paid 5"]
        assert not any(isinstance(each.event, e.ToolFailed) for each in ended.records)

    live(whole())


def test_a_result_that_the_store_refused_at_first_is_written_once_it_can_be():
    payer = Payer()
    refused: list[int] = []

    class Full(MemoryStore):
        async def append(self, thread_id: str, rows: Any) -> None:
            if any(b"ToolReturned" in row.event for row in rows) and not refused:
                refused.append(1)
                raise StoreError("disk full")
            await payer.store.append(thread_id, rows)

        async def read(self, thread_id: str, after_seq: int = 0) -> Any:
            return await payer.store.read(thread_id, after_seq)

    async def whole() -> None:
        first = replace(payer.first, store=Full())
        with pytest.raises(StoreError, match="disk full"):
            await first.run("go", thread="t")
        assert (await payer.other.resume("t")).answer == "Paid."

    live(whole())
    assert payer.ended == 1


def test_a_tool_in_a_child_of_a_thread_that_was_taken_goes_on_and_counts_there():
    ended: list[int] = []

    @tool
    async def pay(euros: int) -> str:
        await asyncio.sleep(1)
        ended.append(euros)
        return "paid"

    store = MemoryStore()

    def boss(*script: Any, below: Any = ()) -> Agent:
        helper = Agent(model=ScriptedModel(below), name="helper", tools=[pay])
        return agent(ScriptedModel(script), helper.as_tool("ask"), store=store, name="boss")

    async def whole() -> None:
        first = boss(calls(("ask", {"task": "pay"})), below=PAYS[:1])
        running = asyncio.create_task(first.run("go", thread="t"))
        await asyncio.sleep(0.5)
        await taken(store)  # who takes the parent has not come to the child yet
        with pytest.raises(Fenced):
            await running
        await asyncio.sleep(2)
        child = next(info.thread_id for info in await store.threads() if info.thread_id != "t")
        assert names(await read(store, child))[-1] == "ToolReturned"
        assert (await boss(says("Done."), below=PAYS[1:]).resume("t")).answer == "Done."

    live(whole())
    assert ended == [5]


def test_a_step_of_a_flow_counts_alike():
    store, ended = MemoryStore(), []

    async def pay(euros: int) -> str:
        await asyncio.sleep(1)
        ended.append(euros)
        return "paid"

    @flow(store=store)
    async def buying() -> str:
        return await step(pay, 5)

    async def whole() -> None:
        running = asyncio.create_task(buying.options(thread="t").run())
        await asyncio.sleep(0.5)
        assert (await buying.resume("t", take=True)).status == "waiting"
        with pytest.raises(Fenced):
            await running
        await asyncio.sleep(2)
        assert (await buying.resume("t")).output == "paid"

    live(whole())
    assert ended == [5]


def test_explain_and_show_say_in_words_who_knew_it():
    payer = Payer()
    records = live(payer.run_until_taken())
    done = explain(records, payer.other.run_settings)
    assert done.unknown == ()
    assert done.waits_for == ()
    assert done.next == "ask scripted (step)"
    [line] = done.done
    assert "returned paid 5 (learned late, by the driver of claim" in line
    timeline = Timeline()
    assert "learned late" in [str(timeline.line(record)) for record in records][-1]
    before = explain(records[:-1], payer.other.run_settings)
    assert "its own process writes it, if it is alive and learns it" in before.waits_for[0]


def lost_reply(*later: e.Event) -> list[Record]:
    events = (
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed("first"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 100, 400, reserved_usd=0.5),
        e.ThreadClaimed("second"),
        *later,
    )
    return [Record("t", seq, float(seq), event, 0.0) for seq, event in enumerate(events, 1)]


LATE = e.ModelFailed("late", "came", usage=e.Usage(90, 30), cost_usd=0.1, claim="first")


@pytest.mark.parametrize(
    "between",
    [
        (),
        (e.ModelCalled("m", "h", 100, 400, reserved_usd=0.5),),
        (e.ModelCalled("m", "h", 10, 40), e.ModelReplied("Hi.", e.Usage(), 0.1, cost_usd=0.0)),
        (e.TurnEnded("cancelled"),),
    ],
)
def test_what_a_lost_model_call_used_counts_in_the_place_of_its_worst_case(between):
    before = fold(lost_reply(*between)).spent
    after = fold(lost_reply(*between, LATE)).spent
    assert before.tokens - after.tokens == 500 - 120
    assert before.cost_usd - after.cost_usd == pytest.approx(0.4)
    with pytest.raises(IllegalEvent):
        fold(lost_reply(*between, LATE, LATE))


def test_it_may_be_more_than_the_worst_case_and_then_counts_in_full():
    more = e.ModelFailed("late", "came", usage=e.Usage(900, 30), cost_usd=None, claim="first")
    spent = fold(lost_reply(more)).spent
    assert (spent.tokens, spent.cost_usd) == (930, 0.5), "without a price, the worst case stays"


def test_a_reply_that_a_fenced_driver_has_paid_for_is_counted():
    store = MemoryStore()

    class Slow(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Any:
            reply = await super().reply(request, emit)
            await taken(store)
            return reply

    async def whole() -> None:
        first = agent(Slow([says("Too late.")]), store=store)
        with pytest.raises(Fenced):
            await first.run("go", thread="t")
        late = (await read(store))[-1].event
        assert isinstance(late, e.ModelFailed)
        assert (late.kind, late.usage.total_tokens > 0) == ("late", True)
        other = agent(ScriptedModel([says("Mine.")]), store=store)
        result = await other.resume("t")
        assert result.answer == "Mine."
        assert result.usage.total_tokens > late.usage.total_tokens
        summary = await other.summary("t")
        assert (summary.lost_calls, summary.lost_tokens) == (1, 0)
        assert summary.tokens == result.usage.total_tokens

    live(whole())
