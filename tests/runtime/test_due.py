"""due: what somebody has to resume, and nothing else."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fakes import DyingStore, Elsewhere, agent, live, loop_time, world
from treadle import (
    Agent,
    ApprovalGiven,
    MemoryStore,
    Pending,
    ScriptedModel,
    flow,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import StoreError
from treadle.engines import LocalEngine
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.stores.store import Row


@tool(needs_approval=True)
def pay() -> str:
    return "paid"


@tool(idempotent=True)
async def look() -> str:
    await asyncio.sleep(20)
    return "17"


def worker(*script: Any, **settings: Any) -> Agent:
    return agent(ScriptedModel(script), pay, look, **settings)


def left_open(agents: Agent, thread: str) -> None:
    """Stopped while a tool is at work."""

    async def whole() -> None:
        await agents.start("go", thread=thread)
        await asyncio.sleep(1)
        await stop(0)

    live(whole())


def test_it_lists_what_was_left_open_the_oldest_first_and_starts_nothing():
    store = MemoryStore()
    for name in ("b", "a"):
        left_open(worker(calls("look"), store=store), name)
    agents = worker(says("done"), says("done"), store=store)
    before = [(info.thread_id, info.records) for info in live(store.threads())]
    assert live(agents.due()) == ["b", "a"]
    assert [(info.thread_id, info.records) for info in live(store.threads())] == before
    assert live(agents.resume("b")).answer == "done"
    assert live(agents.due()) == ["a"]


def test_what_has_ended_or_waits_or_is_driven_is_not_due():
    store = MemoryStore()
    agents = worker(says("hi"), calls("pay"), calls("look"), says("done"), store=store)

    async def whole() -> None:
        await agents.run("go", thread="ended")
        [held] = (await agents.run("go", thread="waits")).waiting
        await agents.start("go", thread="driven")
        await asyncio.sleep(1)
        assert await agents.due() == []
        assert await replace(agents, store=Elsewhere(store)).due() == []
        await agents.post("waits", ApprovalGiven(held.id, True, "ann"))
        assert await agents.due() == ["waits"]
        await agents.resume("driven")

    live(whole())


def test_a_drive_that_died_of_its_store_is_due_at_once():
    store = MemoryStore()
    dying = DyingStore(store, 3, lambda: StoreError("disk full"), False)
    with pytest.raises(StoreError):
        live(worker(calls("look"), store=dying).run("go", thread="t"))
    assert live(worker(store=store).due()) == ["t"]


def test_a_parent_whose_child_was_decided_on_is_due_and_the_child_is_not():
    store = MemoryStore()
    helper = worker(calls("pay"), says("helped"), name="helper")
    top = agent(
        ScriptedModel([calls(("helper", {"task": "x"})), says("done")]),
        helper.as_tool(),
        store=store,
    )
    [held] = live(top.run("go", thread="t")).waiting
    assert live(top.due()) == []
    live(top.post(held.thread_id, ApprovalGiven(held.id, True, "ann")))
    assert live(top.due()) == ["t"]
    assert live(replace(helper, store=store).due()) == []
    assert live(top.resume("t")).answer == "done"
    assert live(top.due()) == []


def test_threads_of_others_are_left_to_them():
    store = MemoryStore()
    left_open(worker(calls("look"), store=store, name="ann's"), "t")
    assert live(worker(store=store, name="bob's").due()) == []
    desk = worker(store=store, name="desk", handoffs=[worker(name="ann's")])
    assert live(desk.due()) == ["t"]


def test_flows_have_their_own():
    store = MemoryStore()

    async def slow() -> str:
        await asyncio.sleep(20)
        return "done"

    async def order() -> str:
        return await step.options(idempotent=True)(slow)

    orders = flow(store=store, world=world())(order)

    async def whole() -> None:
        await orders.options(thread="t").start()
        await asyncio.sleep(1)
        assert await orders.due() == []
        await stop(0)

    live(whole())
    assert live(worker(store=store).due()) == []
    assert live(orders.due()) == ["t"]
    assert live(orders.resume("t")).output == "done"
    assert live(orders.due()) == []


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_flow_that_was_killed_right_after_a_claim_is_due_where_its_step_may_run_again(
    idempotent: bool,
):
    store = MemoryStore()

    async def slow() -> str:
        await asyncio.sleep(20)
        return "done"

    async def order() -> str:
        return await step.options(idempotent=idempotent)(slow)

    orders = flow(store=store, world=world())(order)

    async def whole() -> None:
        await orders.options(thread="t").start()
        await asyncio.sleep(1)
        await stop(0)

    live(whole())
    live(live(open_log("t", store, world())).append(e.ThreadClaimed("killed", "host:1")))
    assert live(orders.due()) == (["t"] if idempotent else [])
    result = live(orders.resume("t"))
    assert (result.find_output(), result.status) == (
        ("done", "answered") if idempotent else (None, "waiting")
    )


def test_parked_imported_and_damaged_threads_are_not_due():
    store = MemoryStore()
    for name in ("parked", "imported", "damaged"):
        left_open(worker(calls("look"), store=store), name)
    for number in range(9):
        log = live(open_log("parked", store, world()))
        live(log.append(e.ThreadClaimed(f"c{number}", "host:1")))
    live(live(open_log("imported", store, world())).append(e.TrustChanged(False, "imported")))
    seq = live(store.threads())[-1].records + 1
    live(store.append("damaged", [Row(seq, 0.0, b"not JSON")]))
    assert live(worker(store=store).due()) == []


def test_a_damaged_child_hides_its_parent_alone():
    store = MemoryStore()
    helper = worker(calls("pay"), name="helper")
    script = ScriptedModel([calls(("helper", {"task": "x"}))])
    top = agent(script, helper.as_tool(), store=store)
    [held] = live(top.run("go", thread="t")).waiting
    live(top.post(held.thread_id, ApprovalGiven(held.id, True, "ann")))
    left_open(worker(calls("look"), store=store), "other")
    assert live(top.due()) == ["t", "other"]
    seq = len(live(store.read(held.thread_id))) + 1
    illegal = b'{"type":"ToolReturned","call_id":"no such call","output":"","seconds":0.1}'
    for row in (Row(seq, 0.0, illegal), Row(seq + 1, 0.0, b"not JSON")):
        live(store.append(held.thread_id, [row]))
        assert live(top.due()) == ["other"]


def test_every_cut_log_is_due_or_has_ended_or_waits():
    store = MemoryStore()
    agents = worker(calls("look"), calls("pay"), says("done"), store=store)
    [held] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", ApprovalGiven(held.id, True, "ann")))
    live(agents.resume("t"))
    rows = live(store.read("t"))
    due = []
    for cut in range(3, len(rows) + 1):
        live(store.append(f"cut {cut}", rows[:cut]))
        if live(agents.due()):
            due.append(cut)
            live(store.append(f"cut {cut}", [_ended(cut)]))
    waits = [cut for cut in range(3, len(rows)) if b'"ApprovalAsked"' in rows[cut - 1].event]
    assert due == [cut for cut in range(3, len(rows)) if cut not in waits]


def _ended(cut: int) -> Row:
    return Row(cut + 1, 0.0, b'{"type":"TurnEnded","status":"cancelled"}')


def test_the_event_loop_turns_while_many_threads_are_looked_at():
    agents = worker(*[calls("pay")] * 50)

    async def whole() -> int:
        for _ in range(50):
            result = await agents.run("go")
            allowed = ApprovalGiven(result.waiting[0].id, True, "ann")
            await agents.post(result.thread_id, allowed)
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        turning = asyncio.create_task(turn())
        assert len(await agents.due()) == 50
        turning.cancel()
        return turns

    assert live(whole()) >= 49


class Counting(MemoryStore):
    reads = 0

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        self.reads += 1
        return await super().read(thread_id, after_seq)


def test_a_thread_whose_time_has_come_is_found_without_its_log_unless_somebody_drives_it():
    store = Counting()

    @tool
    def build() -> str:
        raise Pending("job", due=60)

    builder = agent(ScriptedModel([calls("build"), says("late")]), build, store=store)

    async def whole() -> None:
        assert (await builder.run("go", thread="t")).status == "waiting"
        store.reads = 0
        assert await builder.due() == []
        await asyncio.sleep(60)
        assert await builder.due() == ["t"]
        [claim] = [info.claim for info in await store.find_waking(loop_time())]
        with store.attend(claim):
            assert await builder.due() == []
        assert store.reads == 0
        assert (await builder.resume("t")).answer == "late"

    live(whole())


def test_who_is_in_charge_after_a_hand_over_is_read_in_the_log():
    store = MemoryStore()

    @tool
    def build() -> str:
        raise Pending("job", due=60)

    boss = agent(ScriptedModel([calls("build")]), build, name="boss", store=store)
    desk = replace(boss, name="desk", model=ScriptedModel([calls("hand_to_boss")]), handoffs=[boss])

    async def whole() -> None:
        assert (await desk.run("go", thread="t")).status == "waiting"
        await asyncio.sleep(60)
        assert [info.claim for info in await store.find_waking(loop_time())] == [None]
        assert await boss.due() == await desk.due() == ["t"]

    live(whole())


def test_an_unfinished_thread_is_read_again_only_where_it_may_have_changed():
    store = Counting()
    agents = worker(calls("look"), calls("look"), says("done"), store=store)

    async def whole() -> None:
        await agents.submit("go", thread="t", engine=LocalEngine())
        assert await agents.due() == ["t"]
        store.reads = 0
        assert await agents.due() == ["t"]
        assert store.reads == 0

        running = asyncio.create_task(agents.resume("t"))
        await asyncio.sleep(1)
        assert await agents.due() == []  # read once: somebody has claimed it
        store.reads = 0
        await asyncio.sleep(20)  # it has gone on, and its driver is alive
        assert await agents.due() == []
        assert store.reads == 0
        await stop(0)
        await running
        assert await agents.due() == ["t"]

    live(whole())


class Frozen(Elsewhere):
    """As another process sees the threads of one that stands still."""

    def find_beat(self, claim: str) -> int | None:
        return None if super().find_beat(claim) is None else 17


def test_a_thread_whose_driver_stands_still_is_due_at_the_second_look():
    store = MemoryStore()
    agents = worker(calls("look"), says("done"), store=store)

    async def whole() -> None:
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        beside = replace(agents, store=Frozen(store))
        assert await beside.due() == []
        await asyncio.sleep(2)
        assert await beside.due() == []
        await asyncio.sleep(2)
        assert await beside.due() == ["t"]
        assert await replace(agents, store=Elsewhere(store)).due() == []
        assert (await beside.resume("t")).answer == "done"

    live(whole())
