"""Who waits for room in an account, for how long, and what becomes of those who can't get any."""

import asyncio
import contextlib
import gc
import weakref
from dataclasses import replace

import pytest

from fakes import live, loop_time
from treadle import Agent, Budget, Flow, Limits, MemoryStore, Stopped, TurnFailed, flow, step, tool
from treadle.core import events as e
from treadle.core.account import name_of_turn
from treadle.core.model import Reply
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.drives import find_drive
from treadle.runtime.log import open_log
from treadle.runtime.world import World

MIDNIGHT = 1_767_225_600.0


class Ten:
    """Uses ten tokens for each call."""

    name, context_tokens, max_output_tokens = "ten", 8000, 1000

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def cost_usd(self, usage: e.Usage) -> float:
        return 0.0

    async def reply(self, request, emit) -> Reply:
        await asyncio.sleep(self.seconds)
        return Reply("fine", e.Usage(8, 2))


@tool(needs_approval=True)
async def refund(amount: int) -> str:
    """Refund."""
    return "ok"


def test_one_that_is_stopped_while_it_waits_has_not_worked_meanwhile():
    store, now = MemoryStore(), [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        await asyncio.sleep(0)

    world = World(monotonic=lambda: now[0], sleep=sleep, now=lambda: MIDNIGHT + now[0])
    budget = Budget("team", requests_a_minute=1)
    one = Agent(name="one", model=Ten(), store=store, world=world, budgets=[budget])

    async def whole() -> float:
        await one.run("x", thread="a")
        waiting = asyncio.ensure_future(one.run("x", thread="b"))
        while now[0] < 40:  # noqa: ASYNC110 -- the clock is ours
            await asyncio.sleep(0)
        drive = find_drive(store, "b")
        assert drive
        drive.ask_to_stop()
        with contextlib.suppress(Stopped):
            await waiting
        log = await open_log("b", store, world)
        assert isinstance(log.records[-1].event, e.ThreadClaimed)
        assert log.records[-1].event.releases
        assert log.state.turn
        return log.state.turn.active_s

    assert live(whole()) < 1


def test_an_account_stays_open_where_the_turn_has_lost_its_limits():
    store = MemoryStore()
    helper = Agent(name="helper", model=Ten(), store=store)
    task = ("helper", {"task": "x"})
    first = Agent(
        name="boss",
        model=ScriptedModel([calls(task), calls(("refund", {"amount": 5}))]),
        tools=[helper.as_tool(), refund],
        store=store,
        limits=Limits(tokens=50_000),
    )
    waiting = live(first.run("go", thread="t"))
    live(first.post("t", e.ApprovalGiven(waiting.waiting[0].id, True, by="ann")))
    model = ScriptedModel([calls(task), says("done")])
    second = replace(first, model=model, limits=Limits(tokens=None))
    result = live(second.resume("t"))
    assert result.status == "answered"
    assert live(store.balance(name_of_turn("t", 3), 0.0)).tokens == result.usage.total_tokens


def test_a_budget_that_is_higher_now_is_taken_by_the_next_resume():
    store = MemoryStore()
    world = World(now=lambda: MIDNIGHT)
    one = Agent(name="one", model=Ten(), store=store, world=world)

    def daily(**most):
        @flow(name="daily", store=store, world=world, budgets=[Budget("team", **most)])
        async def work() -> list[str]:
            return [(await one.run(str(number))).answer for number in range(12)]

        return work

    assert live(daily(tokens_a_day=300).options(thread="t").run()).status == "waiting"
    before = live(store.read("t"))
    assert live(daily(tokens_a_day=300).resume("t")).status == "waiting"
    assert live(store.read("t")) == before
    assert live(daily(tokens_a_day=5000).resume("t")).output == ["fine"] * 12


def test_what_a_driver_tells_late_gives_room_to_those_who_were_refused():
    store = MemoryStore()
    one = Agent(name="one", model=Ten(), store=store)

    @flow(store=store, limits=Limits(tokens=1200))
    async def whole() -> str:
        return (await one.run("x")).answer

    async def begin() -> None:
        log = await open_log("t", store, World())
        await log.append(e.ThreadStarted("whole", "k"), e.ThreadClaimed("dead"), e.UserSaid("{}"))
        other = await open_log("other", store, World())
        called = e.ModelCalled("m", "h", 500, 690, accounts=(name_of_turn("t", 3),))
        await other.append(
            e.ThreadStarted("x", "k"), e.ThreadClaimed("gone"), e.UserSaid("go"), called
        )
        await other.append(e.ThreadClaimed("new"))

    live(begin())
    assert live(whole.resume("t")).status == "waiting"
    other = live(open_log("other", store, World()))
    live(other.append(e.ModelFailed("late", "came", usage=e.Usage(20, 5), claim="gone")))
    assert live(whole.resume("t")).output == "fine"


def test_a_replay_comes_to_the_limit_of_others_in_the_place_of_the_call():
    store = MemoryStore()
    helper = Agent(
        name="helper",
        model=ScriptedModel([calls(("refund", {"amount": 5}))] * 9),
        tools=[refund],
        store=store,
        limits=Limits(last_word=False),
    )
    boss = Agent(
        name="boss",
        model=ScriptedModel([calls(("helper", {"task": "x"})), says("so far")]),
        tools=[helper.as_tool()],
        limits=Limits(tokens=900, last_word=False),
        store=store,
    )
    result = live(boss.run("go", thread="t"))
    while result.status == "waiting":
        [one] = result.waiting
        live(boss.post(one.thread_id, e.ApprovalGiven(one.id, False, by="ann")))
        result = live(boss.resume("t"))
    [child] = live(store.threads(parent="t"))
    records = live(open_log(child.thread_id, store, World())).records
    assert any(isinstance(each.event, e.LimitReached) and each.event.account for each in records)
    assert live(helper.replay(child.thread_id)) is None


@pytest.mark.slow
def test_those_who_wait_in_line_are_served_in_the_order_in_which_they_came():
    store = MemoryStore()
    served: list[str] = []

    class Told(Ten):
        async def reply(self, request, emit) -> Reply:
            served.append(request.messages[-1].text)
            return await super().reply(request, emit)

    one = Agent(name="one", model=Told(1.0), store=store)

    @flow(store=store, limits=Limits(tokens=1500, tool_calls=None))
    async def whole() -> int:
        async def each(number: int) -> str:
            await step.options(id=f"wait-{number}", idempotent=True)(wait, number / 10)
            return (await one.run(str(number))).answer

        return len(await asyncio.gather(*map(each, range(30))))

    assert live(whole.options(thread="t").run()).output == 30
    assert served == [str(number) for number in range(30)]


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pytest.mark.parametrize("most", ["tokens_a_day", "tokens_a_minute"])
def test_what_is_too_much_for_a_whole_budget_waits_for_nothing(most):
    store = MemoryStore()
    one = Agent(name="one", model=Ten(), store=store)

    @flow(store=store, budgets=[Budget("team", **{most: 20})])
    async def daily() -> str:
        return (await one.run("x")).status

    with pytest.raises(TurnFailed, match=f"limit, {most}"):
        live(daily.options(thread="t").run())


@pytest.mark.parametrize("depth", [1, 2])
def test_a_turn_whose_children_all_wait_does_not_work_meanwhile(depth):
    store, world_s = MemoryStore(), loop_time
    world = World(now=lambda: MIDNIGHT + world_s(), monotonic=world_s)
    budget = Budget("team", requests_a_minute=1)
    one = Agent(name="one", model=Ten(), store=store, world=world, budgets=[budget])

    async def below() -> str:
        return (await one.run("x")).answer

    parts = [Flow(below, name=f"part-{n}", store=store, world=world) for n in range(3)]

    async def whole() -> list[str]:
        if depth == 1:
            found = await asyncio.gather(*(one.run(str(n)) for n in range(3)))
            return [each.answer for each in found]
        return [each.output for each in await asyncio.gather(*(part.run() for part in parts))]

    top = Flow(whole, name="top", store=store, world=world, limits=Limits(seconds=10))
    result = live(top.options(thread="t").run())
    assert result.output == ["fine"] * 3
    assert result.seconds < 1


def test_whoever_has_waited_leaves_no_event_loop_behind():
    loops = []

    async def whole() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        team = Budget("team", requests_a_minute=1)
        asks = Agent(model=Ten(), store=MemoryStore(), budgets=[team], world=World(now=loop_time))
        await asyncio.gather(asks.run("one"), asks.run("two"))

    live(whole())
    gc.collect()
    assert loops[0]() is None
