"""Whatever kills each process that takes a thread is parked after some; once it is mended and let go on, it ends."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash.scripts import CALLS, Ordered, Plot, Stage, add_up, decided
from crash.test_prefixes import ENDS
from fakes import Door, live, run_in
from treadle import (
    Agent,
    ApprovalGiven,
    Flow,
    Limits,
    Result,
    UserSaid,
    approve,
    ask,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.state import MAX_CLAIMS, MAX_CLAIMS_WITH_CHILD
from treadle.models.scripted import calls, says

MOST_DEATHS = MAX_CLAIMS_WITH_CHILD + 2 * MAX_CLAIMS + 4
DEADLY = [("deadly", {}), ("fatal", {})]
MIXED = st.lists(
    st.sampled_from([*DEADLY, *DEADLY, ("helper", {"task": "a"}), *CALLS]), min_size=1, max_size=4
).map(lambda some: calls(*some))
BELOW = st.lists(st.sampled_from([*DEADLY, *CALLS]), min_size=1, max_size=3).map(
    lambda some: calls(*some)
)


def plots(replies: Any) -> Any:
    return st.builds(
        Plot,
        st.lists(replies, min_size=1, max_size=2).map(tuple),
        st.just(Limits()),
        st.lists(st.sampled_from([0.0, 0.01, 0.35]), min_size=1, max_size=3).map(tuple),
        st.just(()),
    )


def process(top: Plot, below: Plot, store: Ordered, mended: bool) -> tuple[Agent, Door]:
    """The team of a new process, with tools that kill it unless that was mended."""
    door = Door(store)

    def die() -> bool:
        if not mended:
            door.kill()
        return False

    @tool(idempotent=True)
    async def deadly() -> str:
        die()
        return "alive"

    @tool(idempotent=True, needs_approval=lambda arguments: die())
    async def fatal() -> str:
        return "alive"

    def made(name: str, plot: Plot) -> Agent:
        agent = Stage(plot, door).agent(name=name)  # type: ignore[arg-type]
        return replace(agent, tools=[*agent.tools, deadly, fatal])

    helper = made("helper", below)
    lead = made("lead", top)
    return replace(lead, tools=[*lead.tools, helper.as_tool()]), door


async def decide_one(made: Any, call: e.PendingDecision) -> None:
    if isinstance(made, Agent):
        await decided(made, call, call.thread_id, "ran")
        return
    decision: Any = ApprovalGiven(call.id, True, "ann")
    if call.status == "question":
        decision = UserSaid("that one", answers=call.id)
    await made.post(call.thread_id, decision)


async def brought_to_an_end(
    new_process: Any, store: Ordered, said: tuple[Any, ...] = ("go",)
) -> Result:
    """Live on, process after process; mend what kills them once it is parked."""
    mended, deaths = False, 0
    for _ in range(MOST_DEATHS + 30):
        made, door = new_process(mended)
        known = await store.read("t")
        result = await door.life(made.resume("t") if known else run_in("t", made, *said))
        if result is None:
            deaths += 1
            assert deaths <= MOST_DEATHS, "it kills for ever"
            continue
        if result.status != "waiting":
            return result  # type: ignore[no-any-return]
        assert result.waiting
        for call in result.waiting:
            if call.status == "parked":
                mended = True
                await made.post(call.thread_id, ApprovalGiven("", True, "ann"))
            else:
                await decide_one(made, call)
    raise AssertionError(f"it waits for ever: {result.waiting}")


BELOW_KILLS = (
    Plot((calls(("helper", {"task": "a"})), says("done")), Limits(), (0.0,), ()),
    Plot((calls("deadly"), says("did")), Limits(), (0.0,), ()),
)


@pytest.mark.slow
@example(*BELOW_KILLS)
@given(plots(MIXED), plots(BELOW))
@settings(max_examples=5)
def test_what_kills_is_parked_and_ends_once_it_is_mended(top: Plot, below: Plot) -> None:
    async def whole() -> None:
        store = Ordered()
        result = await brought_to_an_end(lambda mended: process(top, below, store, mended), store)
        assert result.status in ENDS
        add_up(await store.logs())

    live(whole())


STEPS = st.lists(
    st.sampled_from(["sure", "once", "approve", "ask", "kill"]), min_size=1, max_size=5
)


@pytest.mark.slow
@given(STEPS, st.integers(0, 2))
@settings(max_examples=20)
def test_so_is_a_flow_whose_code_or_step_kills(steps: list[str], within: int) -> None:
    """`within` says where: in the code, in a step, or in a step that an approval precedes."""

    async def whole() -> None:
        store = Ordered()

        def new_process(mended: bool) -> tuple[Flow, Door]:
            door = Door(store)

            async def kill() -> str:
                if not mended:
                    door.kill()
                return "alive"

            async def once() -> str:
                return "did"

            @flow(store=door)
            async def play() -> list[str]:
                told = []
                for kind in steps:
                    match kind:
                        case "kill" if within == 0:
                            told.append(await kill())
                        case "kill":
                            if within == 2:
                                await approve("it")
                            told.append(await step.options(idempotent=True)(kill))
                        case "approve":
                            told.append(str(bool(await approve("it"))))
                        case "ask":
                            told.append(await ask("which?"))
                        case "sure":
                            told.append(await step.options(idempotent=True)(once))
                        case _:
                            told.append(await step(once))
                return told

            return play, door

        result = await brought_to_an_end(new_process, store, ())
        assert result.status == "answered"
        assert len(result.output) == len(steps)
        [records] = await store.logs()
        released = [r for r in records if r.event == e.ApprovalGiven("", True, "ann")]
        assert len(released) == ("kill" in steps)

    live(whole())
