"""Parents and children, cut at every append of any of them: all come to an end, and the parent knows what was used."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from crash.scripts import Ordered, add_up
from fakes import found, live, names, run_in
from treadle import Agent, Limits, ScriptedModel, ToolRetry, Usage, flow, sleep, step, tool
from treadle.core import events as e
from treadle.core.errors import Fenced, IllegalEvent, TreadleError
from treadle.core.model import Reply
from treadle.core.state import fold
from treadle.graphs import END, START, Choice, Edge, Graph, Node
from treadle.models.scripted import calls, says
from treadle.runtime.end_turn import end_turn
from treadle.runtime.log import open_log
from treadle.runtime.world import World

UNLIMITED = Limits(steps=None, tool_calls=None, tokens=None, seconds=None)


class ByPlace(ScriptedModel):
    """Answers by how many answers the prompt has, so that any process can go on with it."""

    def __init__(self, *script: Reply, pause_s: float = 0.0) -> None:
        super().__init__([])
        self._script = script
        self._pause_s = pause_s

    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(self._pause_s)
        place = sum(message.role == "assistant" for message in request.messages)
        answer = self._script[place] if place < len(self._script) else says("the end")
        return Reply((e.Text(answer.text), *answer.calls), Usage(request.tokens, 7))


@tool(idempotent=True)
async def slow(number: int) -> str:
    """Takes two seconds."""
    await asyncio.sleep(2.0)
    return f"done with {number}"


@tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    return "paid"


THREE = calls(*(("slow", {"number": number}) for number in range(3)))
PAY = calls(("pay", {"amount": 1}))


def clock() -> float:
    return asyncio.get_running_loop().time()


def made(
    store: Ordered,
    name: str,
    tools: Sequence[Any],
    *script: Reply,
    pause_s: float = 0.0,
    **more: Any,
) -> Agent:
    model = ByPlace(*script, pause_s=pause_s)
    return Agent(
        name=name,
        tools=tools,
        model=model,
        store=store,
        world=World(now=clock, monotonic=clock),
        **more,
    )


def asks(name: str, times: int = 1) -> Reply:
    return calls(*((name, {"task": f"task {number}"}) for number in range(times)))


def payer(store: Ordered) -> Agent:
    return made(store, "payer", [pay], PAY)


async def runs(top: Any) -> None:
    await run_in("t", top, *(["go"] if isinstance(top, Agent) else []))


async def is_cancelled(top: Any) -> None:
    await runs(top)
    await top.post("t", e.TurnEnded("cancelled", "by ann"))


async def loses_its_task(top: Any) -> None:
    task = asyncio.create_task(runs(top))
    await asyncio.sleep(5.0)
    task.cancel()
    await asyncio.wait([task])


def times_out(store: Ordered) -> Agent:
    helper = made(store, "helper", [slow], THREE, pause_s=1.0)
    return made(
        store, "lead", [helper.as_tool()], asks("helper"), pause_s=2.0, limits=Limits(seconds=4.0)
    )


def in_time(store: Ordered, **changes: Any) -> Agent:
    helper = made(store, "helper", [slow], THREE, pause_s=1.0)
    return made(
        store, "lead", [replace(helper.as_tool(), **changes)], asks("helper", 2), pause_s=0.1
    )


def three_deep(store: Ordered, limits: Limits = UNLIMITED) -> Agent:
    middle = made(store, "middle", [payer(store).as_tool()], asks("payer"))
    return made(store, "lead", [middle.as_tool()], asks("middle", 2), limits=limits)


def three_deep_at_work(store: Ordered, seconds: float = 4.0) -> Agent:
    leaf = made(store, "leaf", [slow], THREE, pause_s=0.5)
    middle = made(store, "middle", [leaf.as_tool()], asks("leaf"), pause_s=0.5)
    return made(
        store,
        "lead",
        [middle.as_tool()],
        asks("middle", 2),
        limits=replace(UNLIMITED, seconds=seconds),
    )


def waits_at_the_limit(store: Ordered) -> Agent:
    """One child waits for a person while a call beside it is told to come back too late."""

    @tool(idempotent=True)
    async def later() -> str:
        """Busy."""
        raise ToolRetry("busy", retry_after_s=100)

    tools, script = [payer(store).as_tool(), later], calls(("payer", {"task": "pay"}), "later")
    return made(store, "lead", tools, script, limits=replace(UNLIMITED, seconds=50.0))


def flow_at_a_limit(store: Ordered) -> Any:
    agent = payer(store)

    async def one(number: int) -> int:
        return number

    @flow(
        store=store,
        world=World(now=clock, monotonic=clock),
        limits=replace(UNLIMITED, tool_calls=5),
    )
    async def steps() -> str:
        async def many() -> None:
            for number in range(9):
                await step(one, number)

        await asyncio.gather(agent.run("pay"), many())
        return "all"

    return steps


def flow_of_flows_at_a_limit(store: Ordered) -> Any:
    agent = made(store, "middle", [payer(store).as_tool()], asks("payer"))

    async def one(number: int) -> int:
        return number

    @flow(store=store, world=World(now=clock, monotonic=clock), name="inner")
    async def inner() -> str:
        return (await agent.run("go")).answer

    @flow(
        store=store,
        world=World(now=clock, monotonic=clock),
        name="outer",
        limits=replace(UNLIMITED, tool_calls=4),
    )
    async def outer() -> str:
        await asyncio.gather(inner.run(), inner.run(), step.options(idempotent=True)(one, 1))
        return str(await step(one, 2))

    @flow(
        store=store,
        world=World(now=clock, monotonic=clock),
        name="outmost",
        limits=replace(UNLIMITED, tool_calls=3),
    )
    async def outmost() -> str:
        async def many() -> None:
            for number in range(4):
                await step(one, number)

        await asyncio.gather(outer.run(), many())
        return "all"

    return outmost


def flow_that_waits(store: Ordered) -> Any:
    agent = payer(store)

    @flow(store=store, world=World(now=clock, monotonic=clock))
    async def waits() -> str:
        return (await agent.run("pay")).answer

    return waits


def flow_that_gives_up(store: Ordered) -> Any:
    agent = payer(store)

    @flow(store=store, world=World(now=clock, monotonic=clock), name="inner")
    async def inner() -> str:
        return (await agent.run("pay")).answer

    @flow(store=store, world=World(now=clock, monotonic=clock), name="outer")
    async def outer() -> str:
        task = asyncio.ensure_future(inner.run())
        await sleep(5)
        task.cancel()
        return "gone"

    return outer


@dataclass
class Paid:
    topic: str = "it"
    paid: str = ""
    counted: int = 0


def graph_at_a_limit(store: Ordered) -> Graph:
    """The agent waits in one branch while the other goes round."""

    async def count(counted: int) -> int:
        return counted + 1

    nodes = [Node(payer(store), said="pay {topic}", writes="paid"), Node(count, writes="counted")]
    edges = [
        Edge(START, "payer"),
        Edge("payer", END),
        Edge(START, "count"),
        Choice("count", once_more, to={"again": "count", "enough": END}),
    ]
    limits = replace(UNLIMITED, tool_calls=5)
    return Graph(
        Paid, nodes, edges, store=store, world=World(now=clock, monotonic=clock), limits=limits
    )


def once_more(counted: int) -> Any:
    return "again" if counted < 99 else "enough"


@dataclass(frozen=True)
class Scenario:
    make: Callable[[Ordered], Any]
    start: Callable[[Any], Awaitable[None]] = runs
    over: bool = True
    """Uncut, it comes to its end without people."""


SCENARIOS = {
    "a parent's time is up while its child acts": Scenario(times_out),
    "three deep, cancelled while they wait": Scenario(three_deep, is_cancelled),
    "a child has a time-out of its own": Scenario(lambda store: in_time(store, timeout_s=2.0)),
    "a child has another try": Scenario(lambda store: in_time(store, timeout_s=2.5, retries=2)),
    "a flow comes to a limit while an agent waits": Scenario(flow_at_a_limit),
    "a flow is cancelled while an agent waits": Scenario(flow_that_waits, is_cancelled),
    "a flow gives up another that has an agent": Scenario(flow_that_gives_up),
    "three deep, the time is up while all act": Scenario(three_deep_at_work),
    "three deep, the task is cancelled": Scenario(
        lambda store: three_deep_at_work(store, 99.0), loses_its_task
    ),
    "three deep, a limit of tokens": Scenario(
        lambda store: three_deep(store, replace(UNLIMITED, tokens=900)), runs, False
    ),
    "an agent comes to a limit while a child waits": Scenario(waits_at_the_limit),
    "flows in flows come to their limits": Scenario(flow_of_flows_at_a_limit),
    "a flow of flows loses its task": Scenario(flow_of_flows_at_a_limit, loses_its_task),
    "a graph comes to a limit while an agent waits": Scenario(graph_at_a_limit),
}


async def settled(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except (TreadleError, asyncio.CancelledError) as error:
        return error


async def brought_to_an_end(top: Any) -> None:
    for _ in range(20):
        done = await settled(top.resume("t"))
        for call in getattr(done, "waiting", ()):
            fact: Any = e.ApprovalGiven(call.id, True, "ann")
            if call.status == "unknown":
                fact = e.OutcomeDecided(call.id, "ran", "ann", "1")
            with contextlib.suppress(IllegalEvent):  # decided with another
                await top.post(call.thread_id, fact)
        if not getattr(done, "waiting", ()):
            return
    raise AssertionError("it waits for ever")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_at_any_append_no_thread_is_left_open_and_what_was_used_adds_up(name: str) -> None:
    scenario = SCENARIOS[name]

    async def whole() -> None:
        store = Ordered()
        await settled(scenario.start(scenario.make(store)))
        if scenario.over:
            add_up(await store.logs())
        else:
            await brought_to_an_end(scenario.make(store))
        assert len(await store.threads()) > 1
        for stop in range(1, len(store.appends) + 1):
            cut = await Ordered(store.appends[:stop]).lived()
            top = scenario.make(cut)
            await brought_to_an_end(top)
            add_up(await cut.logs())
            if isinstance(top, Agent) or stop == len(store.appends):
                assert await top.replay("t") is None

    live(whole())


def test_resuming_ends_whatever_a_thread_that_is_over_has_left_open_however_deep() -> None:
    async def whole() -> None:
        store = Ordered()
        top = three_deep(store)
        await runs(top)
        for thread in (
            "t",
            "t.c00005000",
        ):  # as a driver that died late, or one of an older version, leaves them
            await (await open_log(thread, store, World())).append(
                e.TurnEnded("cancelled", "by ann")
            )
        await top.resume("t")
        assert {fold(records).phase for records in await store.logs()} == {"idle"}

    live(whole())


def test_a_driver_that_has_lost_its_thread_ends_nothing_below() -> None:
    async def whole() -> None:
        store = Ordered()
        top = three_deep(store)
        await runs(top)
        log = await open_log("t", store, World())
        await log.append(e.ThreadClaimed("this one"))
        await (await open_log("t", store, World())).append(e.ThreadClaimed("another"))
        with pytest.raises(Fenced):
            await end_turn(log, e.LimitReached("steps", 1, 1))
        assert {fold(records).phase for records in await store.logs()} == {"acting"}

    live(whole())


def test_a_turn_that_another_process_drives_is_cancelled_once_with_what_it_used() -> None:
    async def whole() -> None:
        store = Ordered()
        task = asyncio.create_task(three_deep_at_work(store, 99.0).run("go", thread="t"))
        await asyncio.sleep(3.0)
        await three_deep_at_work(store).post("t", e.TurnEnded("cancelled", "by ann"))
        done = await task
        assert (done.status, done.reason) == ("cancelled", "by ann")
        assert done.usage.total_tokens > 0
        assert names(done.records).count("ToolFailed") == 2
        assert {fact.kind for fact in found(done, e.ToolFailed)} <= {"cancelled", "raised"}
        add_up(await store.logs())
        assert await three_deep_at_work(store, 99.0).replay("t") is None

    live(whole())
