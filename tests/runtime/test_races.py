"""What happens between two drivers, or a driver and people, at the same moment. The simulator found each."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from fakes import Died, Door, Elsewhere, SlowStore, agent, live, world
from treadle import (
    Agent,
    ApprovalGiven,
    Context,
    Flow,
    MemoryStore,
    Pending,
    ScriptedModel,
    approve,
    step,
    stop,
    tool,
)
from treadle.core.errors import Fenced, IllegalEvent, ModelUnavailable, StoreError
from treadle.core.events import OutcomeDecided, TurnEnded
from treadle.flows.flow import flow
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.stores.store import Row


def waiter(store: Any, *script: Any, seconds: float = 60.0, **settings: Any) -> Agent:
    @tool(parallel=True)
    async def wait(n: int) -> str:
        await asyncio.sleep(seconds * n)
        return f"waited {n}"

    return agent(ScriptedModel(script), wait, store=store, **settings)


WORLD = world()

WAITS = (calls(("wait", {"n": 1})), says("Waited."))


def claims_in(store: MemoryStore, thread: str = "t") -> int:
    return sum(b"ThreadClaimed" in row.event for row in live(store.read(thread)))


def test_a_turn_that_is_ended_from_elsewhere_gives_its_own_result_also_if_the_next_has_begun():
    store = MemoryStore()

    async def whole() -> None:
        running = asyncio.create_task(waiter(store, *WAITS).run("go", thread="t"))
        await asyncio.sleep(1)
        other = waiter(store, says("hello"))
        await other.post("t", TurnEnded("cancelled", "enough"))
        assert (await other.run("hi", thread="t")).answer == "hello"
        ended = await running
        assert (ended.status, ended.reason) == ("cancelled", "enough")

    live(whole())


def test_who_follows_a_turn_gets_its_result_also_if_the_next_has_begun():
    store = MemoryStore()

    async def whole() -> None:
        first = waiter(store, *WAITS, says("another"))
        running = asyncio.create_task(first.run("go", thread="t"))
        await asyncio.sleep(1)
        following = asyncio.create_task(waiter(store).resume("t"))
        assert (await running).answer == "Waited."
        assert (await first.run("hi", thread="t")).answer == "another"
        assert (await following).answer == "Waited."

    live(whole())


def test_a_decision_that_comes_while_a_flow_stops_to_wait_for_it_is_looked_at():
    @flow(store=MemoryStore(), world=world())
    async def careful() -> str:
        try:
            return f"allowed: {bool(await approve('go on?'))}"
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)  # it takes a while to stop
            raise

    async def whole() -> str:
        running = asyncio.create_task(careful.options(thread="t").run())
        await asyncio.sleep(0.05)
        await careful.post("t", ApprovalGiven("approve", True, "ann"))
        return (await running).answer

    assert live(whole()) == '"allowed: True"'


def made_flow(store: Any, seen: list[int], rows: MemoryStore, dies_in_code: bool = False) -> Flow:
    async def put(context: Context) -> str:
        if context.attempt == 1 and isinstance(store, Door):
            store.kill()
        await asyncio.sleep(0.05)
        return "put"

    async def code() -> str:
        seen.append(rows.last_seqs(["t"])["t"])
        if dies_in_code and isinstance(store, Door):
            store.kill()
        return await step.options(idempotent=True)(put)

    return Flow(code, name="code", store=store, world=WORLD)


def test_a_flow_s_code_runs_after_its_claim_is_in_the_log():
    rows, seen = SlowStore(), list[int]()
    door = Door(rows)
    live(door.life(made_flow(door, seen, rows, dies_in_code=True).options(thread="t").run()))
    before = rows.last_seqs(["t"])["t"]
    done = live(made_flow(rows, seen, rows).resume("t"))
    assert done.status == "answered"
    assert seen[-1] > before, "the code ran when nobody could know that it does"


@pytest.mark.parametrize("gap_s", [number / 200 for number in range(16)])
def test_two_that_resume_a_flow_where_nobody_sees_who_is_alive_both_get_its_result(gap_s):
    rows, seen = SlowStore(), list[int]()
    door = Door(rows)
    live(door.life(made_flow(door, seen, rows).options(thread="t").run()))

    async def later() -> Any:
        await asyncio.sleep(gap_s)
        return await made_flow(Unattended(rows), seen, rows).resume("t")

    async def whole() -> list[Any]:
        first = made_flow(Unattended(rows), seen, rows).resume("t")
        return await asyncio.gather(first, later(), return_exceptions=True)

    ended = live(whole())
    assert "unfinished" not in [getattr(each, "status", "fenced") for each in ended]
    assert ended[1].answer == '"put"', "whoever came last has it, or followed"


class Unattended(Door):
    """A store that doesn't say who drives what, as on Windows."""

    def kill(self) -> Any:
        raise Died


def test_a_person_who_decides_in_a_child_at_work_takes_nothing_from_the_parent():
    store = MemoryStore()
    clerk = waiter(None, *WAITS, name="clerk")
    lead = agent(
        ScriptedModel([calls(("clerk", {"task": "wait"})), says("All done.")]), store=store
    )

    async def whole() -> str:
        parent = Agent(
            tools=[clerk.as_tool()], model=lead.model, store=store, world=world(), name="lead"
        )
        running = asyncio.create_task(parent.run("go", thread="t"))
        await asyncio.sleep(1)
        [child] = [info.thread_id for info in await store.threads() if info.thread_id != "t"]
        [call] = [row for row in await store.read(child) if b"ToolStarted" in row.event]
        call_id = call.event.partition(b'"call_id":"')[2].partition(b'"')[0].decode()
        await parent.post(child, OutcomeDecided(call_id, "ran", "ann", "waited for you"))
        ended = await running
        await asyncio.sleep(100)  # the tool itself isn't cut off in the middle
        return ended.answer

    assert live(whole()) == "All done."


def test_a_word_that_comes_too_late_takes_the_thread_from_nobody():
    store = MemoryStore()
    both = calls(("wait", {"n": 0}), ("wait", {"n": 1}))

    async def whole() -> str:
        at_work = waiter(store, both, says("Waited."))
        running = asyncio.create_task(at_work.run("go", thread="t"))
        await asyncio.sleep(1)
        [back] = [row for row in await store.read("t") if b"ToolReturned" in row.event]
        call_id = back.event.partition(b'"call_id":"')[2].partition(b'"')[0].decode()
        with pytest.raises(IllegalEvent):
            await at_work.post("t", OutcomeDecided(call_id, "tell", "ann"))
        return (await running).answer

    assert live(whole()) == "Waited."
    assert claims_in(store) == 1


class Unreadable(Door):
    """A store whose disk can't be read when a certain thread is looked at for the n-th time."""

    def __init__(self, inner: MemoryStore, thread: str, look: int) -> None:
        super().__init__(inner)
        self.looks = {thread: look}

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        self.looks[thread_id] = self.looks.get(thread_id, 0) - 1
        if self.looks[thread_id] == 0:
            raise StoreError("the disk can't be read")
        return await super().read(thread_id, after_seq)


@pytest.mark.parametrize("look", range(1, 6))
def test_a_store_that_fails_while_a_flow_reads_its_child_is_no_failure_of_the_flow(look):
    rows = MemoryStore()

    def asks(store: Any) -> Flow:
        async def code() -> str:
            helper = agent(ScriptedModel([says("helped")]), name="helper")
            return (await helper.run("help")).answer

        return Flow(code, name="asks", store=store, world=WORLD)

    store = Unreadable(rows, "t.helper", look)
    with suppress(StoreError):
        live(asks(store).options(thread="t").run())
    assert live(asks(rows).resume("t")).output == "helped"


def test_a_child_that_begins_after_its_parent_was_ended_is_ended_by_whoever_began_it():
    rows = MemoryStore()

    class Slow(Door):
        async def append(self, thread_id: str, rows: Any) -> None:
            if thread_id != "t" and b"ThreadStarted" in rows[0].event:
                await asyncio.sleep(1.15)
            await super().append(thread_id, rows)

    clerk = waiter(None, *WAITS, name="clerk")
    model = ScriptedModel([calls(("clerk", {"task": "wait"}))])
    lead = Agent(tools=[clerk.as_tool()], model=model, store=Slow(rows), world=WORLD)

    async def whole() -> None:
        running = asyncio.create_task(lead.run("go", thread="t"))
        await asyncio.sleep(1)
        await replace(lead, store=rows).post("t", TurnEnded("cancelled", "enough"))
        assert (await running).status == "cancelled"
        await asyncio.sleep(10)
        for info in await rows.threads():
            log = await open_log(info.thread_id, rows, WORLD)
            assert log.state.phase == "idle", info.thread_id

    live(whole())


class Gated(MemoryStore):
    """Reads of the thread wait while the gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        await self.gate.wait()
        return await super().read(thread_id, after_seq)


def test_who_follows_a_turn_that_fails_and_is_reopened_gets_how_it_ended_at_last():
    store = Gated()
    down = ModelUnavailable("503")

    async def whole() -> None:
        first = waiter(store, calls(("wait", {"n": 1})), *[down] * 9, seconds=10)
        running = asyncio.create_task(first.run("go", thread="t"))
        await asyncio.sleep(1)
        slow = Elsewhere(store)
        reader = await open_log("t", slow, WORLD, turn_seq=3)
        with pytest.raises(ModelUnavailable):
            await running
        assert (await waiter(store, says("at last")).resume("t")).answer == "at last"
        assert (await waiter(store, says("hello")).run("hi", thread="t")).answer == "hello"
        await reader.refresh()
        ends = [each.event for each in reader.records if isinstance(each.event, TurnEnded)]
        assert [end.status for end in ends] == ["failed", "answered"]
        assert reader.records[-1].event == ends[-1]

    live(whole())


def test_who_goes_away_as_the_turn_comes_to_wait_has_cancelled_it():
    """Its caller has no result yet, and believes it to be over: an approval must not go on with it."""
    store = Gated()

    @tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    class Shuts(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Any:
            store.gate.clear()  # the driver's last look at the log takes its time
            return await super().reply(request, emit)

    async def whole() -> None:
        payers = agent(Shuts([calls("pay")]), pay, store=store)
        running = asyncio.create_task(payers.run("go", thread="t"))
        await asyncio.sleep(1)
        assert not running.done()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        store.gate.set()
        assert (await payers.resume("t")).status == "cancelled"

    live(whole())


def test_a_tool_whose_thread_was_taken_stops_its_driver_as_one_that_is_fenced():
    """It was told that nothing may begin; nobody has told the process to stop."""
    store = MemoryStore()

    @tool
    async def build(context: Context) -> str:
        await other.resume("t", take=True)
        await context.note("job")
        return "built"

    builder = agent(ScriptedModel([calls("build")]), build, store=store)
    other = agent(ScriptedModel([says("told")]), build, store=Elsewhere(store), unknown="tell")

    async def whole() -> None:
        with pytest.raises(Fenced, match="another process drives"):
            await builder.run("go", thread="t")

    live(whole())


def test_what_a_person_decides_while_a_tool_is_asked_about_its_work_holds():
    store = MemoryStore()

    async def ask(handle: Any, context: Context) -> str:
        await asyncio.sleep(10)
        raise Pending(handle, due=5)

    @tool(poll=ask)
    async def build(context: Context) -> str:
        await context.note("job")
        await asyncio.sleep(1000)
        return "built"

    builder = agent(ScriptedModel([calls("build"), says("told")]), build, store=store)

    async def whole() -> None:
        await builder.start("go", thread="t")
        await asyncio.sleep(1)
        await stop(0)

    async def go_on() -> None:
        going_on = asyncio.create_task(builder.resume("t"))
        await asyncio.sleep(1)
        await builder.post("t", OutcomeDecided("c00005000", "tell", "ann"))
        assert (await going_on).answer == "told"

    live(whole())
    live(go_on())
