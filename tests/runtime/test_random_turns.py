"""Whatever agents do and people do beside them: each request is legal, each thread replays, nothing is paid twice."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import live
from runtime.random_turns import RandomTurns
from treadle import Record
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay


async def find_wrongs(turns: RandomTurns) -> list[str]:
    """What was done twice unasked, and the differences of replays, by the agent and without it."""
    await turns.run()
    found: list[str] = []
    for info in await turns.store.threads(50):
        log = await open_log(info.thread_id, turns.store, turns.world)
        found += find_repeated(log.records, turns)
        agent = turns.agents.get(info.agent, turns.agent)
        for settings_given in (agent.run_settings, None):
            if settings_given and log.state.depth:
                continue  # its limits were its parent's
            if difference := await replay(log.records, settings_given):
                found.append(f"thread {info.thread_id}: {difference}")
    return found


def find_repeated(records: list[Record], turns: RandomTurns) -> list[str]:
    """The payments of a thread that were made more often than people have allowed it."""
    allowed: Counter[str] = Counter()
    for record in records:
        match record.event:
            case e.OutcomeDecided(call_id=call_id, outcome="not_run"):
                allowed[call_id] += 1
    return [
        f"thread {thread}: call {call_id} had its effect {times} times"
        for (thread, call_id), times in turns.effects.items()
        if thread == records[0].thread_id and times > 1 + allowed[call_id]
    ]


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=324)
@settings(max_examples=25)
def test_whatever_happens_replays_and_nothing_is_paid_twice(seed: int) -> None:
    assert live(find_wrongs(RandomTurns(seed))) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_gives_the_same_turns(seed: int) -> None:
    def told() -> list[str]:
        turns = RandomTurns(seed)
        live(turns.run())
        return [str(row) for row in live(turns.store.read("t"))]

    assert told() == told()
