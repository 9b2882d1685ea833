"""Any log, cut at any record, goes on: to an end or to a person, and no effect is silently repeated."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crash.scripts import PLOTS, Plot, Stage, finished, meddled, revived, settled
from fakes import live
from treadle import Record
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.core.prompt import Prompt, messages
from treadle.core.state import State, apply, fold
from treadle.core.turn_after import failed_by_outage

ENDS = ("answered", "limit", "failed", "refused")


async def played(plot: Plot) -> list[Record]:
    """A whole thread: run, with people who look in, to its end."""
    stage = Stage(plot)
    agent = stage.agent()
    people = asyncio.create_task(meddled(agent, plot.meddle_s))
    result = await settled(agent.run("go", thread="t"), agent)
    await people
    await finished(agent, result)
    return await stage.records()


def touched(records: Sequence[Record]) -> set[str]:
    """The keys under which a call may have had its effect: begun, and not known to have had none."""
    keys: dict[str, str] = {}
    for record in records:
        match record.event:
            case e.ToolStarted(call_id=call_id, key=key):
                keys[call_id] = key
            case (
                e.ToolFailed(call_id=call_id, retry_after_s=float())
                | e.OutcomeDecided(call_id=call_id, outcome="not_run")
            ):
                keys.pop(call_id, None)
    return set(keys.values())


@pytest.mark.slow
@given(PLOTS)
@settings(max_examples=8)
def test_a_log_cut_at_any_record_ends_or_waits_and_then_ends(plot: Plot) -> None:
    async def whole() -> None:
        records = await played(plot)
        for end in range(3, len(records) + 1):  # the first three are one append
            stage = await revived(plot, records[:end], ())
            agent = stage.agent()
            if failed_by_outage(fold(records[:end]).turn):
                continue  # a resume tries that once more
            if fold(records[:end]).phase == "idle":
                assert (await agent.resume("t")).status in ENDS
                assert await stage.records() == records[:end]
                continue
            result = await settled(agent.resume("t"), agent)
            assert result.status in (*ENDS, "waiting")
            # Nobody has decided anything yet: what was begun before the crash has not been begun
            # again.
            assert not touched(records[:end]) & set(stage.effects)
            result = await finished(agent, result, "ran")
            assert result.status in ENDS
            assert not touched(records[:end]) & set(stage.effects)
            assert max(Counter(stage.effects).values(), default=0) <= 1
            after = await stage.records()
            assert after[:end] == records[:end]
            assert fold(after).phase == "idle"

    live(whole())


@pytest.mark.slow
@given(PLOTS, st.data())
@settings(max_examples=10)
def test_a_thread_that_crashes_again_and_again_has_no_effect_twice(plot: Plot, data: Any) -> None:
    async def whole() -> None:
        records = await played(plot)
        for _ in range(4):
            if len(records) < 4:
                return
            records = records[: data.draw(st.integers(3, len(records) - 1))]
            stage = await revived(plot, records, ())
            agent = stage.agent()
            await finished(agent, await settled(agent.resume("t"), agent), "ran")
            assert not touched(records) & set(stage.effects)
            assert max(Counter(stage.effects).values(), default=0) <= 1
            records = await stage.records()

    live(whole())


@pytest.mark.slow
@given(PLOTS)
@settings(max_examples=25)
def test_state_and_prompt_are_the_same_however_they_were_come_by(plot: Plot) -> None:
    records = live(played(plot))
    state, prompt = State(), Prompt()
    for number, record in enumerate(records, 1):
        state = apply(state, record)
        prompt.add(record)
        if number % 5 == 0 or number == len(records):
            assert fold(records[:number]) == state
            assert messages(records[:number], "s") == prompt.messages("s")


@pytest.mark.slow
@given(PLOTS, st.data())
@settings(max_examples=25)
def test_a_record_out_of_its_order_is_refused_or_makes_another_legal_log(
    plot: Plot, data: Any
) -> None:
    """Never anything but IllegalEvent, and the state that refused it goes on as if nothing had been."""
    records = live(played(plot))
    at = data.draw(st.integers(0, len(records) - 1))
    state = fold(records[:at])
    stray = replace(data.draw(st.sampled_from(records)), seq=at + 1)
    try:
        apply(state, stray)
    except IllegalEvent:
        assert stray.event != records[at].event
    assert apply(state, records[at]) == fold(records[: at + 1])
    with pytest.raises(IllegalEvent, match="can't follow"):
        apply(state, replace(records[at], seq=at + 2))
