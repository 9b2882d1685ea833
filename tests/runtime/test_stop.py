"""stop: nothing new begins, what is under way gets its grace, and the turn stays open for the next process."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from fakes import agent, found, live, names, world
from treadle import (
    Agent,
    Context,
    MemoryStore,
    ModelUnavailable,
    Record,
    Result,
    ScriptedModel,
    Stopped,
    ToolRetry,
    UsageError,
    flow,
    run_sync,
    sleep,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import StoreError
from treadle.core.model import Reply
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Edge, Node
from treadle.models.scripted import calls, says
from treadle.runtime.drives import find_drive
from treadle.runtime.follow import STOPPED
from treadle.runtime.log import open_log


@dataclass
class Letters:
    a: str = ""
    b: str = ""


class Slow(ScriptedModel):
    """Takes five seconds for each reply."""

    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(5)
        return await super().reply(request, emit)


def spender(spent: list[str], model: ScriptedModel, **settings: Any) -> Agent:
    @tool
    async def pay(context: Context) -> str:
        await asyncio.sleep(5)
        spent.append(context.idempotency_key)
        return "paid"

    @tool(idempotent=True)
    async def put(context: Context) -> str:
        await asyncio.sleep(5)
        spent.append(context.idempotency_key)
        return "put"

    return agent(model, pay, put, **settings)


async def stopped(work: Any, after_s: float, grace_s: float) -> tuple[Any, float, list[str]]:
    """What the work gives when everything is stopped so long after its beginning; how long the stop takes."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(after_s)
    clock = asyncio.get_running_loop().time
    began = clock()
    let_go = await stop(grace_s)
    took_s = clock() - began
    return await task, took_s, let_go


def records_of(agents: Any, thread: str = "t") -> list[Record]:
    return live(open_log(thread, agents._store, world())).records


def test_a_reply_under_way_is_kept_and_nothing_new_begins():
    spent: list[str] = []
    agents = spender(spent, Slow([calls("pay"), says("done")]))
    result, took_s, let_go = live(stopped(agents.run("go", thread="t"), 2, 10))
    assert (result.status, result.reason, let_go) == ("unfinished", STOPPED, ["t"])
    assert took_s == 3
    assert names(result.records)[-2:] == ["ModelReplied", "ThreadClaimed"]
    assert spent == []
    assert live(agents.resume("t")).answer == "done"
    assert len(spent) == 1


def test_the_last_reply_ends_its_turn():
    agents = spender([], Slow([says("done")]))
    result, _, let_go = live(stopped(agents.run("go", thread="t"), 2, 10))
    assert (result.status, let_go) == ("answered", [])


def test_a_tool_under_way_gets_the_grace_and_never_runs_again():
    spent: list[str] = []
    agents = spender(spent, ScriptedModel([calls("pay", "put"), says("done")]))
    result, _, _ = live(stopped(agents.run("go", thread="t"), 2, 10))
    assert names(result.records)[-2:] == ["ToolReturned", "ThreadClaimed"]
    assert live(agents.resume("t")).answer == "done"
    assert len(spent) == len(set(spent)) == 2


def test_tools_side_by_side_all_get_the_grace():
    spent: list[str] = []
    agents = spender(spent, ScriptedModel([calls("put", "put"), says("done")]), parallel=True)
    result, _, _ = live(stopped(agents.run("go", thread="t"), 2, 10))
    assert names(result.records).count("ToolReturned") == 2


def test_after_the_grace_it_is_as_after_a_kill():
    spent: list[str] = []
    agents = spender(spent, ScriptedModel([calls("put"), calls("pay"), says("done")]))
    result, took_s, _ = live(stopped(agents.run("go", thread="t"), 2, 1))
    assert result.status == "unfinished"
    assert 1 <= took_s < 2
    result, took_s, let_go = live(stopped(agents.resume("t"), 7, 1))
    assert (result.status, let_go) == ("unfinished", ["t"])
    assert [call.status for call in live(agents.resume("t")).waiting] == ["unknown"]
    assert spent == [spent[0]]


def test_a_model_call_that_is_cut_counts_and_is_made_again():
    agents = spender([], Slow([says("done"), says("again")]))
    result, _, _ = live(stopped(agents.run("go", thread="t"), 2, 0))
    assert result.status == "unfinished"
    after = live(agents.resume("t"))
    assert after.answer == "done"
    assert [event.attempt for event in found(after, e.ModelCalled)] == [1, 1]


@pytest.mark.parametrize("what", ["model", "tool", "flow", "durable"])
def test_nobody_waits_for_a_pause(what: str):
    @tool
    async def busy() -> str:
        raise ToolRetry("busy", retry_after_s=300)

    async def order() -> str:
        if what == "durable":
            await sleep(3 * 86400)
            return "awake"
        return await step(busy_step)

    async def busy_step() -> str:
        raise ToolRetry("busy", retry_after_s=300)

    script = [ModelUnavailable("later", retry_after_s=300), says("done")]
    if what == "tool":
        script = [calls("busy"), says("done")]
    agents = agent(ScriptedModel(script), busy)
    orders = flow(store=MemoryStore(), world=world())(order)
    run = (
        orders.options(thread="t").run()
        if what in ("flow", "durable")
        else agents.run("go", thread="t")
    )
    result, took_s, let_go = live(stopped(run, 3, 900))
    assert (result.status, took_s, let_go) == ("unfinished", 0, ["t"])


def test_nothing_begins_while_it_stops_and_in_that_loop_no_more():
    agents = spender([], Slow([calls("pay"), says("done")]))

    async def whole() -> None:
        running = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(1)
        stopping = asyncio.create_task(stop(60))
        for _ in range(2):
            await asyncio.sleep(0)
            with pytest.raises(Stopped, match="told to stop"):
                await agents.run("more")
            with pytest.raises(Stopped):
                await agents.start("more", thread="u")
            with pytest.raises(Stopped):
                await agents.run("more", key="k")
            await stopping
        await running
        with pytest.raises(Stopped):
            await agents.resume("t")

    live(whole())
    assert [info.thread_id for info in live(agents._store.threads())] == ["t"]
    assert live(agents.resume("t")).answer == "done"


def test_a_clean_stop_never_parks_a_thread():
    agents = spender([], Slow([says("done")]))
    live(stopped(agents.run("go", thread="t"), 1, 0))
    for _ in range(20):
        result, _, _ = live(stopped(agents.resume("t"), 1, 0))
        assert result.status == "unfinished"
    assert live(agents.resume("t")).answer == "done"


def test_whoever_follows_is_told_at_once():
    agents = spender([], Slow([calls("pay"), says("done")]))

    async def whole() -> tuple[Any, float, list[str]]:
        await agents.start("go", thread="t")

        async def last() -> Any:
            *_, result = [item async for item in agents.follow("t")]
            return result

        return await stopped(last(), 1, 0)

    result, took_s, let_go = live(whole())
    assert (result.status, took_s, let_go) == ("unfinished", 0, ["t"])


def test_children_are_let_go_with_their_parents_and_nobody_calls_that_a_failure():
    spent: list[str] = []
    helper = spender(spent, Slow([calls("put"), says("helped")]), name="helper")
    top = agent(
        ScriptedModel([calls(("helper", {"task": "help"})), says("done")]), helper.as_tool()
    )
    result, _, let_go = live(stopped(top.run("go", thread="t"), 2, 60))
    assert (result.status, let_go) == ("unfinished", ["t"])
    assert not found(result, e.ToolFailed)
    [child] = found(result, e.ChildStarted)
    last = records_of(top, child.thread_id)[-1].event
    assert isinstance(last, e.ThreadClaimed)
    assert last.releases
    assert live(top.resume("t")).answer == "done"
    assert len(spent) == 1


def test_flows_and_graphs_are_let_go_between_their_steps():
    ran: list[str] = []

    async def first() -> str:
        await asyncio.sleep(5)
        ran.append("first")
        return "one"

    async def second() -> str:
        await asyncio.sleep(5)
        ran.append("second")
        return "two"

    async def order() -> str:
        return f"{await step(first)} {await step(second)}"

    orders = flow(store=MemoryStore(), world=world())(order)
    result, took_s, _ = live(stopped(orders.options(thread="t").run(), 2, 60))
    assert (result.status, result.reason, took_s, ran) == ("unfinished", STOPPED, 3, ["first"])
    assert live(orders.resume("t")).output == "one two"

    async def then(a: str) -> str:
        return await second()

    ran.clear()
    graph = Graph(
        Letters,
        [Node(first, "a"), Node(then, "b")],
        [Edge(START, "first"), Edge("first", "then"), Edge("then", END)],
        store=MemoryStore(),
        world=world(),
    )
    result, took_s, _ = live(stopped(graph.options(thread="t").run(), 2, 60))
    assert (result.status, took_s, ran) == ("unfinished", 3, ["first"])
    assert live(graph.resume("t")).status == "answered"
    assert ran == ["first", "second"]


def test_a_store_that_breaks_keeps_nobody_from_stopping():
    class Broken(MemoryStore):
        async def append(self, thread_id: str, rows: Any) -> None:
            if any(b'"releases"' in row.event for row in rows):
                raise StoreError("disk full")
            await super().append(thread_id, rows)

    agents = spender([], Slow([says("done")]), store=Broken())
    result, _, _ = live(stopped(agents.run("go", thread="t"), 2, 0))
    assert result.status == "unfinished"
    assert live(agents.resume("t")).answer == "done"


def test_what_other_event_loops_drive_is_let_go_too():
    begun: list[str] = []

    @tool
    async def pay() -> str:
        begun.append("pay")
        await asyncio.sleep(30)
        return "paid"

    agents = Agent(tools=[pay], model=ScriptedModel([calls("pay")]), store=MemoryStore())
    thread = run_sync(agents.start("go"))
    deadline = time.monotonic() + 10
    while not begun and time.monotonic() < deadline:
        time.sleep(0.01)
    assert asyncio.run(stop(0.0)) == [thread]
    assert find_drive(agents._store, thread) is None
    [held] = run_sync(agents.resume(thread)).waiting
    assert held.status == "unknown"


def test_without_anything_to_stop_it_returns_at_once():
    assert live(stop()) == []
    with pytest.raises(UsageError, match="grace_s"):
        live(stop(float("nan")))


def test_the_log_says_that_the_thread_was_let_go():
    agents = spender([], Slow([says("done")]))
    live(stopped(agents.run("go", thread="t"), 1, 0))
    state = live(open_log("t", agents._store, world())).state
    assert (state.driver, state.claims) == ("", 0)
    assert live(agents.due()) == ["t"]


# At every append


class Rounds(ScriptedModel):
    """Answers by what it is shown: any process can go on with it."""

    def __init__(self, *rounds: Reply) -> None:
        super().__init__([])
        self._rounds = rounds

    async def reply(self, request: Any, emit: Any) -> Reply:
        await asyncio.sleep(1)
        number = sum(message.role == "assistant" for message in request.messages)
        reply = self._rounds[number] if number < len(self._rounds) else says("done")
        return with_fields(reply, usage=e.Usage(request.tokens, 5))


class StopsAt(MemoryStore):
    """Stops everything after an append."""

    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.left = 10_000
        self.grace_s = grace_s
        self.stopping: asyncio.Task[Any] | None = None

    async def append(self, thread_id: str, rows: Any) -> None:
        await super().append(thread_id, rows)
        self.left -= 1
        if self.left == 0:
            self.stopping = asyncio.create_task(stop(self.grace_s))


def team(store: MemoryStore, effects: list[tuple[str, str]]) -> Agent:
    def tools() -> list[Any]:
        @tool
        async def charge(context: Context) -> str:
            effects.append((context.thread_id + context.call_id, context.idempotency_key))
            await asyncio.sleep(1)
            return "charged"

        @tool(idempotent=True)
        async def put(context: Context) -> str:
            await asyncio.sleep(2)
            return "put"

        @tool
        async def flaky(context: Context) -> str:
            if context.attempt == 1:
                raise ToolRetry("busy", retry_after_s=1.0)
            return await charge.function(context)  # type: ignore[misc]

        return [charge, put, flaky]

    helper = agent(Rounds(calls("charge", "put")), *tools(), name="helper")
    rounds = (calls("charge", "put", ("helper", {"task": "x"})), calls("flaky", "put"))
    return agent(Rounds(*rounds), *tools(), helper.as_tool(), store=store)


async def settle(agents: Agent, result: Result, effects: list[tuple[str, str]]) -> None:
    for call in result.waiting:
        ran = any(place == call.thread_id + call.id for place, _ in effects)
        outcome = "ran" if ran else "not_run"
        decided = e.OutcomeDecided(call.id, outcome, "ann", "charged" if ran else "")
        await agents.post(call.thread_id, decided)


@pytest.mark.slow
@pytest.mark.parametrize("grace_s", [0.0, 0.5, 1000.0])
def test_a_stop_after_any_append_loses_nothing_and_repeats_nothing(grace_s: float):
    whole_store = StopsAt(grace_s)
    effects: list[tuple[str, str]] = []
    assert live(team(whole_store, effects).run("go", thread="t")).answer == "done"
    appends = 10_000 - whole_store.left
    assert len(effects) == 3
    for cut in range(1, appends + 1):
        store, effects = StopsAt(grace_s), []
        store.left = cut
        agents = team(store, effects)

        async def life(work: Any, store: StopsAt = store) -> Result:
            result: Result = await work
            if store.stopping:
                await store.stopping
            return result

        result = live(life(agents.run("go", thread="t")))
        lives = 1
        while result.status != "answered":
            assert result.status in ("unfinished", "waiting"), f"cut {cut}: {result}"
            live(settle(agents, result, effects))
            store.stopping = None
            result = live(life(agents.resume("t")))
            lives += 1
            assert lives < 5, f"cut {cut}"
        assert len(effects) == 3, f"cut {cut}: {effects}"
        assert max(Counter(effects).values()) == 1
        if grace_s == 1000.0:
            assert not found(result, e.OutcomeDecided), f"cut {cut}"
