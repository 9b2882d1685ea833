"""The summary of a thread: its whole tree, to the last token, and whatever is damaged in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crash.scripts import PLOTS, Plot, Stage, finished, settled
from fakes import agent, legal_log, live, world
from treadle import (
    Agent,
    ApprovalGiven,
    Limits,
    MemoryStore,
    OutcomeDecided,
    Result,
    ScriptedModel,
    ThreadSummary,
    ToolError,
    ToolRetry,
    TurnEnded,
    UnknownThread,
    UserSaid,
    ask,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import ModelUnavailable
from treadle.core.result import make_summary
from treadle.core.thread_summary import ToolTotals
from treadle.evals.trial import count_steps
from treadle.graphs.graph import Graph
from treadle.models.scripted import calls, says
from treadle.observe.cost import cost_entries, sum_costs
from treadle.observe.stats import compute_stats
from treadle.runtime.log import open_log
from treadle.runtime.summary import read_summary
from treadle.stores.rows import to_rows
from treadle.tools.ask import ask_user


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    if a < 0:
        raise ToolError("no")
    return a + b


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


tries: list[int] = []


@tool
def busy() -> str:
    """Is busy once."""
    tries.append(1)
    if len(tries) % 2:
        raise ToolRetry("busy", retry_after_s=1.0)
    return "free"


async def kept(store: MemoryStore, records: Sequence[e.Record]) -> MemoryStore:
    await store.append(records[0].thread_id, to_rows(records))
    return store


def test_a_thread_of_several_turns_is_added_up() -> None:
    script = [
        calls(
            ("add", {"a": 1}), ("add", {"a": -1}), "busy", "pay", ("ask_user", {"question": "?"})
        ),
        ModelUnavailable("503"),
        says("done"),
        says("again"),
    ]
    model = ScriptedModel(script, price_usd=(0.001, 0.002))

    async def whole() -> tuple[ThreadSummary, ThreadSummary, list[Result]]:
        agents = agent(model, add, busy, pay, ask_user, name="clerk")
        first = await agents.run("go", thread="t")
        waits = await agents.summary("t")
        for pending in first.waiting:
            decided: Any = ApprovalGiven(pending.id, False, "ann")
            if pending.status == "question":
                decided = UserSaid("blue", answers=pending.id)
            await agents.post("t", decided)
        results = [await agents.resume("t"), await agents.run("and", thread="t")]
        return waits, await agents.summary("t"), results

    waits, found, results = live(whole())
    assert (waits.status, waits.turns, waits.waits) == ("waiting", {"open": 1}, 2)
    assert [each.name for each in waits.waiting] == ["pay", "ask_user"]
    assert (found.thread_id, found.agent, found.status) == ("t", "clerk", "answered")
    assert (found.turns, found.children, found.waiting, found.unread) == (
        {"answered": 2},
        {},
        (),
        (),
    )
    assert found.tools == {
        "add": ToolTotals(1, 1),
        "ask_user": ToolTotals(1),
        "busy": ToolTotals(1, 0, 1),
        "pay": ToolTotals(0, 1),
    }
    assert (found.steps, found.model_calls, found.model_retries, found.model_failures) == (
        3,
        3,
        1,
        1,
    )
    each = [result.summary() for result in results]
    for name in ("model_calls", "model_retries", "tool_calls", "tool_errors", "tool_retries"):
        assert getattr(found, name) == sum(getattr(one, name) for one in each), name
    assert found.tokens == sum(one.tokens for one in each)
    assert found.cost_usd == pytest.approx(sum(one.cost_usd or 0.0 for one in each))
    assert found.seconds == pytest.approx(sum(one.seconds for one in each))


@given(st.lists(st.integers(0, 10**6), max_size=60))
@example([0, 7, 21, 3])  # a driver lets go in the middle of a model call
def test_of_one_thread_it_says_what_the_other_sums_say(choices: list[int]) -> None:
    log = legal_log(choices, avoid=(e.ThreadForked,))
    if not log:
        return
    found = asyncio.run(_read(log))
    totals = make_summary(log, 0.0)
    for name in ("model_calls", "model_retries", "tool_calls", "tool_errors", "tool_retries"):
        assert getattr(found, name) == getattr(totals, name), name
    costs = sum_costs(cost_entries(log))
    assert (found.lost_calls, found.model_failures) == (costs.lost, costs.failed)
    assert found.lost_usd == pytest.approx(float(costs.lost_usd))
    if not any(isinstance(record.event, e.ChildStarted) for record in log):
        assert found.tokens == totals.tokens
        assert found.cost_usd == (
            None if totals.cost_usd is None else pytest.approx(totals.cost_usd)
        )


async def _read(log: Sequence[e.Record]) -> ThreadSummary:
    return await read_summary("t", await kept(MemoryStore(), log))


def test_what_was_posted_before_its_step_was_asked_for_counts_as_its_result() -> None:
    events = [
        e.ThreadStarted("a", "k", flow=True),
        UserSaid("go"),
        e.StepAsked(e.Call("s1", "first", "{}")),
        UserSaid("early", answers="posted"),
        e.StepAsked(e.Call("posted", "wait_for", "{}"), early=True),
    ]
    log = [e.Record("t", seq, 0.0, each, 0.0) for seq, each in enumerate(events, 1)]
    assert asyncio.run(_read(log)).tools == {"wait_for": ToolTotals(1)}


@given(PLOTS)
def test_every_token_of_a_tree_is_counted_once(plot: Plot) -> None:
    async def whole() -> None:
        stage = Stage(plot)
        agents = stage.agent()
        result = await settled(agents.run("go", thread="t"), agents)
        await finished(agents, result, "ran")
        last = await settled(agents.resume("t"), agents)
        found = await agents.summary("t")
        assert found.tokens == last.usage.total_tokens
        assert found.status == last.status

    live(whole())


def team(store: MemoryStore, *script: Any, slow: float = 0.0, **settings: Any) -> Agent:
    @tool(read_only=True)
    async def think() -> str:
        """Think."""
        await asyncio.sleep(slow)
        return "thought"

    inner = Agent(
        name="inner", tools=[think], model=ScriptedModel([calls("think"), says("inner")] * 3)
    )
    outer = Agent(
        name="outer",
        tools=[inner.as_tool()],
        model=ScriptedModel([calls(("inner", {"task": "x"})), says("outer")] * 3),
    )
    return agent(ScriptedModel(script), outer.as_tool(), store=store, name="top", **settings)


GO = calls(("outer", {"task": "a"}))


def test_a_last_word_is_no_step_for_any_reader() -> None:
    async def whole() -> tuple[Result, ThreadSummary]:
        asks = calls(("add", {"a": 1}))
        agents = agent(ScriptedModel([asks, says("so far 2")]), add, limits=Limits(steps=1))
        return await agents.run("go", thread="t"), await agents.summary("t")

    result, found = live(whole())
    assert (result.status, result.answer, result.steps) == ("limit", "so far 2", 1)
    assert (found.steps, found.model_calls) == (1, 2)
    assert compute_stats(result.records).steps.most == 1
    assert count_steps(result.records) == 1


def test_children_are_counted_at_every_depth() -> None:
    async def whole() -> ThreadSummary:
        agents = team(MemoryStore(), GO, says("done"))
        await agents.run("go", thread="t")
        return await agents.summary("t")

    found = live(whole())
    assert found.children == {"answered": 2}
    assert (found.steps, found.model_calls, found.turns) == (6, 6, {"answered": 1})
    assert {name: tool.calls for name, tool in found.tools.items()} == {
        "inner": 1,
        "outer": 1,
        "think": 1,
    }


def test_what_a_child_used_before_it_was_cut_off_is_counted() -> None:
    async def whole() -> None:
        store = MemoryStore()
        agents = team(store, GO, slow=60.0, limits=Limits(seconds=5.0))
        result = await agents.run("go", thread="t")
        found = await agents.summary("t")
        assert (result.status, found.status) == ("limit", "limit")
        assert found.children in ({"cancelled": 2}, {"cancelled": 1, "limit": 1}, {"limit": 2})
        used = 0
        for each in await store.threads():
            log = await open_log(each.thread_id, store, world())
            used += sum(
                record.event.usage.total_tokens
                for record in log.records
                if isinstance(record.event, e.ModelReplied)
            )
        assert found.tokens == used > result.steps

    live(whole())


def test_a_reply_that_never_came_is_lost_and_said_apart() -> None:
    log = [
        e.ThreadStarted("agent", "k"),
        e.ThreadClaimed("w"),
        UserSaid("go"),
        e.ModelCalled("m", "h", 100, 50, reserved_usd=0.25),
        e.ThreadClaimed("w2"),
        e.ModelCalled("m", "h", 100, 50, reserved_usd=0.25),
        e.ModelFailed("unavailable", "cut", usage=e.Usage(7, 3), cost_usd=0.5),
        TurnEnded("failed", "cut"),
    ]
    records = [e.Record("t", seq, 0.0, event, 0.5) for seq, event in enumerate(log, 1)]
    found = asyncio.run(_read(records))
    assert (found.lost_calls, found.lost_tokens, found.lost_usd) == (1, 150, 0.25)
    assert (found.tokens, found.cost_usd, found.model_failures) == (10, 0.5, 1)
    assert found.seconds == 2.5


def test_a_price_that_is_not_known_makes_the_cost_unknown_and_keeps_the_rest() -> None:
    log = [
        e.ThreadStarted("agent", "k"),
        UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied("", e.Usage(5, 0), 0.1, cost_usd=0.5),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied("so", e.Usage(5, 1), 0.1),
    ]
    records = [e.Record("t", seq, 0.0, event, 0.0) for seq, event in enumerate(log, 1)]
    found = asyncio.run(_read(records))
    assert (found.cost_usd, found.known_usd, found.status) == (None, 0.5, "unfinished")


def test_a_fork_counts_what_came_after_it() -> None:
    async def whole() -> None:
        agents = agent(ScriptedModel([says("one"), says("two"), says("three")]))
        await agents.run("go", thread="t")
        forked = await agents.fork("t")
        assert (await agents.summary(forked.thread_id)).tokens == 0
        result = await agents.run("on", thread=forked.thread_id)
        found = await agents.summary(forked.thread_id)
        assert (found.tokens, found.turns) == (result.usage.total_tokens, {"answered": 1})

    live(whole())


def test_flows_and_graphs_have_one_too() -> None:
    asks = Agent(name="clerk", model=ScriptedModel([says("four")]), world=world())

    async def twice(number: int) -> int:
        return number * 2

    @flow(world=world())
    async def work() -> str:
        await step(twice, 2)
        answer = await ask("Which?")
        done = await asks.run(f"say {answer}")
        return done.answer

    async def whole() -> None:
        store = MemoryStore()
        made = replace(work, store=store)
        waits = await made.options(thread="t").run()
        assert (await made.summary("t")).waiting == waits.waiting
        await made.post("t", UserSaid("blue", answers=waits.waiting[0].id))
        result = await made.resume("t")
        found = await made.summary("t")
        assert (result.output, found.status, found.waits) == ("four", "answered", 1)
        assert (found.agent, found.steps, found.children) == ("work", 1, {"answered": 1})
        assert found.tools["twice"] == ToolTotals(1)
        assert found.tokens == result.usage.total_tokens > 0

    live(whole())
    assert Graph.summary.__doc__


def test_a_damaged_child_hides_nothing_but_itself() -> None:
    async def whole() -> None:
        store = MemoryStore()
        agents = team(store, GO, says("done"))
        await agents.run("go", thread="t")
        whole = await agents.summary("t")
        child = next(name for name in [i.thread_id for i in await store.threads()] if "." in name)
        top = child.split(".")[0] + "." + child.split(".")[1]
        rows = await store.read(top)
        broken = MemoryStore()
        for each in await store.threads():
            kept = await store.read(each.thread_id)
            if each.thread_id == top:
                kept[3] = msgspec.structs.replace(rows[3], event=b"{}")
            await broken.append(each.thread_id, kept)
        found = await read_summary("t", broken)
        assert found.unread == (top,)
        assert (found.status, found.children) == ("answered", {})
        assert found.tokens == whole.tokens, "as the parent's log says"

    live(whole())


def test_threads_that_name_each_other_in_a_ring_end_and_strangers_are_left_out() -> None:
    def log(name: str, parent: str, child: str) -> list[e.Record]:
        events = [
            e.ThreadStarted("a", "k", parent, "c1", 1),
            UserSaid("go"),
            e.ModelCalled("m", "h", 1, 1),
            e.ModelReplied((e.Call("c1", "b", "{}"),), e.Usage(2, 1), 0.1, cost_usd=0.0),
            e.ToolStarted("c1", "k"),
            e.ChildStarted("c1", child),
        ]
        return [e.Record(name, seq, 0.0, each, 0.0) for seq, each in enumerate(events, 1)]

    async def whole() -> None:
        store = MemoryStore()
        for made in (log("a", "b", "b"), log("b", "a", "a"), log("c", "", "a"), log("d", "d", "d")):
            await kept(store, made)
        assert (await read_summary("a", store)).tokens == 6
        assert (await read_summary("d", store)).tokens == 3
        found = await read_summary("c", store)
        assert (found.unread, found.tokens) == (("a",), 3)
        with pytest.raises(UnknownThread, match="there is no thread 'x'"):
            await read_summary("x", store)

    asyncio.run(whole())


def test_what_nobody_knows_counts_as_failed() -> None:
    log = [
        e.ThreadStarted("agent", "k"),
        UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied(
            (e.Call("c1", "pay", "{}"), e.Call("c2", "pay", "{}")), e.Usage(2, 1), 0.1, cost_usd=0.0
        ),
        e.ToolStarted("c1", "k"),
        e.ToolStarted("c2", "k"),
        e.ThreadClaimed("w"),
        OutcomeDecided("c1", "tell", "policy"),
        OutcomeDecided("c2", "ran", "ann"),
    ]
    records = [e.Record("t", seq, 0.0, event, 0.0) for seq, event in enumerate(log, 1)]
    found = asyncio.run(_read(records))
    assert (found.tools, found.waits) == ({"pay": ToolTotals(1, 1)}, 1)


def test_a_call_that_goes_on_with_an_answer_of_before_the_fork_is_no_retry() -> None:
    log = [
        e.ThreadStarted("agent", "k"),
        e.ThreadClaimed("w1"),
        UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied((e.Call("c1", "pay", "{}"),), e.Usage(2, 1), 0.1, cost_usd=0.0),
        e.ToolStarted("c1", "k"),
        e.QuestionAsked("c1", "really?"),
        UserSaid("yes", answers="c1", in_call=True),
        e.ThreadForked("other", 8, "k2"),
        e.ThreadClaimed("w2"),
        e.ToolStarted("c1", "k", 2),
        e.ToolReturned("c1", "paid", 0.1),
    ]
    records = [e.Record("t", seq, 0.0, event, 0.0) for seq, event in enumerate(log, 1)]
    assert asyncio.run(_read(records)).tools == {"pay": ToolTotals(1)}
    assert compute_stats(records).tools["pay"].retries == 0
