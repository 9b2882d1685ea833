"""Resume brings a thread to its end, whoever does it, and gives every caller the result."""

import asyncio
from typing import Any

import pytest

from fakes import agent, live
from treadle import Agent, ApprovalGiven, MemoryStore, ScriptedModel, tool
from treadle.core.errors import Fenced, StoreError
from treadle.core.events import ThreadClaimed
from treadle.flows.flow import flow
from treadle.flows.step import step
from treadle.models.scripted import calls, says
from treadle.runtime.resume import FROZEN_S


def payer(store: Any, paid: list[int], *script: Any) -> Agent:
    @tool(timeout_s=None)
    async def pay(euros: int) -> str:
        paid.append(euros)
        await asyncio.sleep(60)
        return "paid"

    return agent(ScriptedModel(script), pay, store=store)


PAYS = (calls(("pay", {"euros": 5})), says("Paid."))


def test_a_turn_that_somebody_alive_drives_is_followed_and_both_get_the_result():
    store, paid = MemoryStore(), []

    async def whole() -> None:
        running = asyncio.create_task(payer(store, paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        followed = await payer(store, paid).resume("t")
        assert (followed.status, followed.answer) == ("answered", "Paid.")
        assert (await running).answer == "Paid."

    live(whole())
    assert paid == [5]
    claims = [row for row in live(store.read("t")) if b"ThreadClaimed" in row.event]
    assert len(claims) == 1, "who follows writes nothing"


def test_where_the_driver_dies_meanwhile_its_follower_takes_over():
    store, paid = MemoryStore(), []

    class Broken(MemoryStore):
        async def append(self, thread_id: str, rows: Any) -> None:
            if any(b"ToolReturned" in row.event for row in rows):
                raise StoreError("disk full")
            await store.append(thread_id, rows)

        async def read(self, thread_id: str, after_seq: int = 0) -> Any:
            return await store.read(thread_id, after_seq)

        def attend(self, claim: str) -> Any:
            return store.attend(claim)

    async def whole() -> None:
        running = asyncio.create_task(payer(Broken(), paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        after = await payer(store, paid, says("I can't know.")).resume("t")
        with pytest.raises(StoreError):
            await running
        assert [call.status for call in after.waiting] == ["unknown"]

    live(whole())
    assert paid == [5]


def test_take_takes_the_thread_from_a_living_driver():
    store, paid = MemoryStore(), []

    async def whole() -> None:
        running = asyncio.create_task(payer(store, paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        taken = await payer(store, paid).resume("t", take=True)
        assert [call.status for call in taken.waiting] == ["unknown"]
        with pytest.raises(Fenced):
            await running
        await asyncio.sleep(60)  # its tool goes on

    live(whole())


@pytest.mark.parametrize("gap_s", [0.0, 0.1, 1.0])
def test_a_double_click_after_an_approval_pays_once_and_both_see_that(gap_s):
    paid: list[int] = []

    @tool(needs_approval=True)
    async def pay(n: int) -> str:
        paid.append(n)
        await asyncio.sleep(0.3)
        return "paid"

    agents = agent(ScriptedModel([calls(("pay", {"n": 1})), says("ok")]), pay)

    async def click(after_s: float) -> str:
        await asyncio.sleep(after_s)
        return (await agents.resume("t")).answer

    async def whole() -> list[str]:
        [held] = (await agents.run("go", thread="t")).waiting
        await agents.post("t", ApprovalGiven(held.id, True, "ann"))
        return await asyncio.gather(click(0), click(gap_s))

    assert live(whole()) == ["ok", "ok"]
    assert paid == [1]


def test_a_driver_without_a_beat_is_replaced():
    store, paid = MemoryStore(), []

    class Frozen(MemoryStore):
        def find_beat(self, claim: str) -> int | None:
            return 7 if store.find_beat(claim) is not None else None

        async def append(self, thread_id: str, rows: Any) -> None:
            await store.append(thread_id, rows)

        async def read(self, thread_id: str, after_seq: int = 0) -> Any:
            return await store.read(thread_id, after_seq)

    async def whole() -> float:
        running = asyncio.create_task(payer(store, paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        clock = asyncio.get_running_loop().time
        began = clock()
        await payer(Frozen(), paid).resume("t")
        with pytest.raises(Fenced):
            await running
        took_s = clock() - began
        await asyncio.sleep(60)  # its tool goes on
        return took_s

    assert FROZEN_S <= live(whole()) < FROZEN_S + 1


def test_when_all_wake_that_stood_still_together_nobody_looks_dead():
    """As when a laptop sleeps, or a container is stopped: the follower may be the first to look."""
    store, paid, looks = MemoryStore(), [], []

    class Asleep(MemoryStore):
        def find_beat(self, claim: str) -> int | None:
            looks.append(claim)
            if len(looks) == 5:
                loop: Any = asyncio.get_running_loop()
                loop._jumping.now_s += 20  # nothing has run in that time
            beat = store.find_beat(claim)
            return 7 if beat is not None and len(looks) < 10 else beat

        async def append(self, thread_id: str, rows: Any) -> None:
            await store.append(thread_id, rows)

        async def read(self, thread_id: str, after_seq: int = 0) -> Any:
            return await store.read(thread_id, after_seq)

    async def whole() -> None:
        running = asyncio.create_task(payer(store, paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        assert (await payer(Asleep(), paid).resume("t")).answer == "Paid."
        assert (await running).answer == "Paid."

    live(whole())
    assert len(looks) > 10


def test_flows_are_followed_too():
    ran: list[int] = []

    async def slow() -> str:
        ran.append(1)
        await asyncio.sleep(60)
        return "done"

    async def order() -> str:
        return await step(slow)

    one = flow(store=MemoryStore())(order)

    async def whole() -> None:
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        assert (await one.resume("t")).output == "done"
        assert (await running).output == "done"

    live(whole())
    assert ran == [1]


def test_ten_that_resume_a_dead_thread_at_once_make_one_claim_and_get_one_result():
    store, paid = MemoryStore(), []

    async def whole() -> None:
        first = asyncio.create_task(payer(store, paid, *PAYS).run("go", thread="t"))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait({first})
        rows = [row for row in await store.read("t") if b"TurnEnded" not in row.event]
        await store.append("copy", rows)
        ten = [payer(store, paid, says("?")).resume("copy") for _ in range(10)]
        for result in await asyncio.gather(*ten):
            assert [call.status for call in result.waiting] == ["unknown"]

    live(whole())
    claims = [row for row in live(store.read("copy")) if b'"ThreadClaimed' in row.event]
    assert len(claims) == 2, f"one by the dead, one by a {ThreadClaimed.__name__} of the ten"


class Plain:
    """A store that can do only what every store must: it knows of no drivers."""

    def __init__(self) -> None:
        self._inner = MemoryStore()
        self.append, self.read = self._inner.append, self._inner.read
        self.threads = self._inner.threads


@pytest.mark.parametrize("fails", [False, True])
def test_within_a_process_resume_joins_the_drive_that_runs_whatever_the_store(fails: bool):
    store, paid = Plain(), []
    script = (PAYS[0], KeyError("a bug")) if fails else PAYS

    async def whole() -> list[Any]:
        one = payer(store, paid, *script)
        running = asyncio.create_task(one.run("go", thread="t"))
        await asyncio.sleep(1)
        clock = asyncio.get_running_loop().time
        joined = await asyncio.gather(*(payer(store, paid).resume("t") for _ in range(3)))
        ended_at = clock()
        await asyncio.wait({running})
        assert clock() == ended_at, "who joins is told at once"
        return joined

    status = "failed" if fails else "answered"
    assert [result.status for result in live(whole())] == [status] * 3
    assert paid == [5]
