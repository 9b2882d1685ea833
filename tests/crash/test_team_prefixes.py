"""Any team's threads, cut at any append, go on to an end: no effect is silently repeated, no thread is left open."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash.scripts import (
    CALLS,
    LIMITS,
    PLOTS,
    REPLIES,
    Ordered,
    Plot,
    Stage,
    add_up,
    finished,
    meddled,
    settled,
)
from crash.test_prefixes import ENDS, touched
from fakes import live
from treadle import Agent, Limits, Record
from treadle.core import events as e
from treadle.models.scripted import calls, says

HELPERS = [("helper", {"task": task}) for task in "ab"]
GIVES_WORK = st.lists(st.sampled_from([*HELPERS, *CALLS[:8]]), min_size=1, max_size=3).map(
    lambda some: calls(*some)
)
TOPS = st.builds(
    Plot,
    st.lists(st.one_of(GIVES_WORK, GIVES_WORK, REPLIES), min_size=1, max_size=4).map(tuple),
    LIMITS,
    st.lists(st.sampled_from([0.0, 0.01, 0.35, 2.0]), min_size=1, max_size=4).map(tuple),
    st.lists(st.sampled_from([0.0, 0.3, 1.0]), max_size=3).map(tuple),
    st.sampled_from(["ask", "tell"]),
)


def team(top: Plot, below: Plot, store: Ordered, effects: list[str]) -> Agent:
    helper = Stage(below, store, effects).agent(name="helper")
    lead = Stage(top, store, effects).agent(name="lead")
    return replace(lead, tools=[*lead.tools, helper.as_tool()])


async def played(top: Plot, below: Plot) -> Ordered:
    """Whole threads: run, with people who look in, to their end."""
    store = Ordered()
    lead = team(top, below, store, [])
    people = asyncio.create_task(meddled(lead, top.meddle_s))
    result = await settled(lead.run("go", thread="t"), lead)
    await people
    await finished(lead, result)
    return store


def begun(logs: Sequence[Sequence[Record]]) -> set[str]:
    return set().union(*map(touched, logs))


async def brought_to_an_end(top: Plot, below: Plot, store: Ordered) -> None:
    """Resume, and decide whatever is held: nothing that was begun before begins again."""
    before, effects = begun(await store.logs()), list[str]()
    lead = team(top, below, store, effects)
    result = await settled(lead.resume("t"), lead)
    assert result.status in (*ENDS, "waiting")
    assert not before & set(effects)
    result = await finished(lead, result, "ran")
    assert result.status in ENDS
    assert not before & set(effects)
    assert max(Counter(effects).values(), default=0) <= 1
    add_up(await store.logs())
    assert await lead.replay("t") is None


OUT_OF_TIME = (
    Plot((calls(HELPERS[0]), says("done")), Limits(seconds=4.0), (2.0,), ()),
    Plot(
        (calls(*(("sure", {"number": number}) for number in range(3))),), Limits(), (0.35, 2.0), ()
    ),
)
"""The lead's time is up while its helper acts: a crash at the wrong moment left the helper's thread open for ever."""


@pytest.mark.slow
@example(*OUT_OF_TIME)
@given(TOPS, PLOTS)
@settings(max_examples=6)
def test_a_team_cut_at_any_append_comes_to_an_end(top: Plot, below: Plot) -> None:
    async def whole() -> None:
        store = await played(top, below)
        add_up(await store.logs())
        for end in range(1, len(store.appends) + 1):
            await brought_to_an_end(top, below, await Ordered(store.appends[:end]).lived())

    live(whole())


@pytest.mark.slow
@given(TOPS, PLOTS, st.data())
@settings(max_examples=8)
def test_a_team_that_crashes_again_and_again_has_no_effect_twice(
    top: Plot, below: Plot, data: Any
) -> None:
    async def whole() -> None:
        store = await played(top, below)
        for _ in range(3):
            end = data.draw(st.integers(1, len(store.appends)))
            store = await Ordered(store.appends[:end]).lived()
            await brought_to_an_end(top, below, store)

    live(whole())


def test_such_teams_work_side_by_side_and_wait_for_people() -> None:
    """Or the tests above would say nothing."""

    async def whole() -> list[list[Record]]:
        top = Plot((calls(*HELPERS), says("done")), Limits(), (0.01,), ())
        below = Plot(
            (calls(("guarded", {"number": 1}), ("once", {"number": 1})), says("done")),
            Limits(),
            (0.35,),
            (),
        )
        return await (await played(top, below)).logs()

    logs = live(whole())
    assert len(logs) == 3
    lead = next(records for records in logs if records[0].thread_id == "t")
    waits = [r.event.waiting for r in lead if isinstance(r.event, e.ChildWaits)]
    assert sum(map(bool, waits)) == 2
    assert lead[-1].event == e.TurnEnded("answered")
