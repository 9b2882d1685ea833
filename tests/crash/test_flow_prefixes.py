"""Any flow's log, cut at any record, goes on to the same end; no effect is had twice."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crash.scripts import Kept
from fakes import live
from treadle import Flow, FlowChanged, Record, Result, StepFailed, approve, ask, flow, sleep, step
from treadle.core import events as e
from treadle.core.context import Context
from treadle.core.errors import IllegalEvent
from treadle.core.state import fold
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.rows import to_rows

LEAF = st.one_of(
    st.tuples(st.just("once"), st.sampled_from([0.0, 0.01, 0.5, 2.0])),
    st.tuples(st.just("sure"), st.sampled_from([0.0, 0.01, 0.5])),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 1.0])),
    *(st.tuples(st.just(name), st.just(0.0)) for name in ("ask", "approve", "broken", "guarded")),
)
PLANS = st.recursive(
    LEAF,
    lambda inner: st.tuples(
        st.sampled_from(["row", "side by side", "race", "group", "loop", "if", "deep"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=7,
)


@dataclass
class Life:
    """One process's life with a flow, and what its steps did."""

    store: Kept = field(default_factory=Kept)
    effects: list[str] = field(default_factory=list)

    @property
    def flow(self) -> Flow:  # noqa: C901 - one case for each kind
        async def once(seconds: float, context: Context) -> str:
            self.effects.append(context.idempotency_key)
            await asyncio.sleep(seconds)
            return "did"

        async def sure(seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "sure"

        async def broken() -> None:
            raise ValueError("it broke")

        def times() -> int:
            return 2

        async def deep(left: int, what: Any) -> Any:
            if left:
                return await asyncio.shield(asyncio.create_task(deep(left - 1, what)))
            return await asyncio.gather(asyncio.gather(*(played(*each) for each in what)))

        async def played(kind: str, what: Any) -> Any:  # noqa: C901 - one case for each kind
            match kind:
                case "once":
                    return await step(once, what)
                case "guarded":
                    return await step.options(needs_approval=True)(once, what)
                case "sure":
                    return await step.options(idempotent=True)(sure, what)
                case "sleep":
                    return await sleep(what)
                case "ask":
                    return await ask("which?")
                case "approve":
                    return bool(await approve("it"))
                case "broken":
                    try:
                        return await step.options(idempotent=True)(broken)
                    except StepFailed as error:
                        return str(error)
                case "row":
                    return [await played(*each) for each in what]
                case "side by side":
                    return await asyncio.gather(*(played(*each) for each in what))
                case "group":
                    async with asyncio.TaskGroup() as group:
                        made = [group.create_task(played(*each)) for each in what]
                    return [task.result() for task in made]
                case "loop":
                    rounds = []
                    while len(rounds) < await step.options(idempotent=True)(times):
                        rounds.append([await played(*each) for each in what])
                    return rounds
                case "if":
                    if await played(*what[0]) in ("did", "sure", True):
                        return await played(*what[-1])
                    return [await played(*each) for each in what[1:]]
                case "deep":
                    return await deep(8, what)
            tasks = [asyncio.create_task(played(*each)) for each in what]
            done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            return sorted(str(task.result()) for task in done)

        @flow(
            store=self.store,
            world=World(
                now=lambda: asyncio.get_running_loop().time(),
                monotonic=lambda: asyncio.get_running_loop().time(),
                chance=lambda: 0.0,
            ),
        )
        async def play(kind: str, what: Any) -> Any:
            return await played(kind, what)

        return play

    async def records(self) -> list[Record]:
        return (await open_log("t", self.store, World())).records

    async def finished(self, done: Result) -> Result:
        """Bring it to its end: every question is answered, every doubt decided as it was."""
        for _ in range(30):
            if done.status != "waiting":
                return done
            for call in done.waiting:
                fact: Any = e.ApprovalGiven(call.id, True, "ann")
                if call.status == "question":
                    fact = e.UserSaid("that one", answers=call.id)
                elif call.status == "unknown":
                    fact = e.OutcomeDecided(call.id, "ran", "ann", '"did"')
                await self.flow.post("t", fact)
            done = await self.flow.resume("t")
        raise AssertionError(f"it waits for ever: {done.waiting}")


async def revived(records: list[Record]) -> Life:
    store = Kept()
    await store.append("t", to_rows(records))
    return Life(store)


def begun(records: list[Record]) -> set[str]:
    return {record.event.key for record in records if isinstance(record.event, e.ToolStarted)}


def asked(records: list[Record]) -> list[tuple[str, str, str]]:
    calls = [record.event.call for record in records if isinstance(record.event, e.StepAsked)]
    return sorted((call.id, call.name, call.arguments) for call in calls)


@pytest.mark.slow
@given(PLANS)
@settings(max_examples=25)
def test_a_flow_cut_at_any_record_comes_to_the_same_end_with_no_effect_twice(plan: Any) -> None:
    async def whole() -> None:
        first = Life()
        result = await first.finished(await first.flow.options(thread="t").run(*plan))
        assert result.status == "answered"
        records = await first.records()
        raced = "race" in str(plan)  # who wins may be another, until the log says
        for end in range(3, len(records) + 1):
            life = await revived(records[:end])
            done = await life.finished(await life.flow.resume("t"))
            assert done.status == "answered"
            assert done.output == result.output or (raced and end < len(records) - 1)
            assert raced or asked(await life.records()) == asked(records)
            assert not begun(records[:end]) & set(life.effects)
            assert max(Counter(life.effects).values(), default=0) <= 1
            after = await life.records()
            assert after[:end] == records[:end]
            assert fold(after).phase == "idle"

    live(whole())


@given(PLANS, st.data())
@settings(max_examples=25)
def test_a_flow_whose_records_are_another_s_stops_and_writes_nothing(plan: Any, data: Any) -> None:
    """Or comes to an end of its own, where what the two have done so far is the same."""

    async def whole() -> None:
        first = Life()
        result = await first.flow.options(thread="t").run(*plan)
        records = await first.records()
        other = data.draw(PLANS)
        said = e.UserSaid(_said(other))
        life = await revived([r if r.seq != 3 else Record("t", 3, r.at, said) for r in records])
        before = await life.records()
        if result.status != "waiting":
            return
        try:
            await life.flow.resume("t")
        except FlowChanged:
            left = (await life.records())[len(before) :]
            assert {type(record.event) for record in left} <= {e.ThreadClaimed}
            assert not life.effects
        except IllegalEvent:
            raise AssertionError from None

    live(whole())


def _said(plan: Any) -> str:
    import json

    return json.dumps({"kind": plan[0], "what": plan[1]})
