"""Any flow of agents and flows, at any limit, cut at any append: all come to an end, and what was used adds up."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crash.scripts import Ordered, add_up
from crash.test_children import (
    THREE,
    UNLIMITED,
    asks,
    brought_to_an_end,
    clock,
    made,
    payer,
    settled,
    slow,
)
from fakes import live
from treadle import Flow, StepFailed, TurnFailed, flow, sleep, step
from treadle.core import events as e
from treadle.core.late import is_late
from treadle.runtime.world import World

LEAF = st.sampled_from(["payer", "worker", "lead", "step", "sleep"]).map(lambda name: (name, []))
PLANS = st.recursive(
    LEAF,
    lambda inner: st.tuples(
        st.sampled_from(["row", "side by side", "race", "flow"]), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
ENDS = st.sampled_from(["none", "post", "cancel"])


def play(store: Ordered, tool_calls: int | None, seconds: float | None) -> Flow:
    worker = made(store, "worker", [slow], THREE, pause_s=0.5)
    agents = {
        "payer": payer(store),
        "worker": worker,
        "lead": made(
            store, "lead", [replace(worker.as_tool(), timeout_s=1.0)], asks("worker"), pause_s=0.2
        ),
    }

    async def one() -> int:
        return 1

    async def played(kind: str, what: Any) -> Any:
        if kind in agents:
            return (await agents[kind].run("go")).status
        match kind:
            case "step":
                return await step.options(idempotent=True)(one)
            case "sleep":
                return await sleep(1.0)
            case "flow":
                return (await inner.run(what=["row", what])).status
            case "row":
                return [await played(*each) for each in what]
            case "side by side":
                return await asyncio.gather(*(played(*each) for each in what))
        tasks = [asyncio.create_task(played(*each)) for each in what]
        done, left = (
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks
            else (set(), set())
        )
        for task in left:
            task.cancel()
        return sorted(str(task.exception() or task.result()) for task in done)

    async def whole(what: Any) -> str:
        try:
            return str(await played(*what))
        except (StepFailed, TurnFailed) as error:
            return str(error)

    world = World(now=clock, monotonic=clock, chance=lambda: 0.0)
    own = replace(UNLIMITED, tool_calls=tool_calls, seconds=seconds)
    inner = flow(store=store, world=world, name="inner", limits=replace(UNLIMITED, tool_calls=3))(
        whole
    )
    return flow(store=store, world=world, name="outer", limits=own)(whole)  # type: ignore[no-any-return]


@pytest.mark.slow
@given(PLANS, st.sampled_from([None, 1, 3]), st.sampled_from([None, 0.3, 2.0]), ENDS, st.data())
@settings(max_examples=12)
def test_a_flow_with_children_cut_at_any_append_leaves_none_open(
    plan: Any, tool_calls: int | None, seconds: float | None, ends: str, data: Any
) -> None:
    async def whole() -> None:
        store = Ordered()
        top = play(store, tool_calls, seconds)
        task = asyncio.create_task(top.options(thread="t").run(what=plan))
        await asyncio.wait(
            [task], timeout=data.draw(st.sampled_from([0.1, 0.7, 2.3])) if ends != "none" else None
        )
        if ends == "cancel":
            task.cancel()
        elif not task.done() or ends == "post":
            await settled(top.post("t", e.TurnEnded("cancelled", "by ann")))
        await settled(task)
        await brought_to_an_end(top)
        add_up(await store.logs())
        for _ in range(4):
            cut = await Ordered(
                store.appends[: data.draw(st.integers(1, len(store.appends)))]
            ).lived()
            await brought_to_an_end(play(cut, tool_calls, seconds))
            add_up(await cut.logs())

    live(whole())


def test_what_a_call_below_has_used_as_its_flow_is_cancelled_is_in_its_own_thread():
    """Those above have been told by then how it ended: they can't know it."""

    async def whole() -> None:
        store = Ordered()
        top = play(store, None, None)
        task = asyncio.create_task(top.options(thread="t").run(what=("lead", [])))
        await asyncio.wait([task], timeout=0.7)  # the moment at which the model answers
        await settled(top.post("t", e.TurnEnded("cancelled", "by ann")))
        await settled(task)
        await brought_to_an_end(top)
        logs = await store.logs()
        add_up(logs)
        late = [each for records in logs for each in records if is_late(each.event)]
        assert [each.thread_id for each in late] == ["t.lead.c00005000"]

    live(whole())
