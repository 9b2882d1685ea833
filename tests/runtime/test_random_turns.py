"""Whatever agents do and people do beside them, a replay of each thread gives the same records."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import live
from runtime.random_turns import RandomTurns
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay


async def replay_all(turns: RandomTurns) -> dict[str, str]:
    """By thread, the first differences of its replays, by its agent and without it."""
    await turns.run()
    found: dict[str, str] = {}
    for info in await turns.store.threads(50):
        log = await open_log(info.thread_id, turns.store, turns.world)
        agent = turns.agents.get(info.agent, turns.agent)
        for settings_given in (agent.run_settings, None):
            if settings_given and log.state.depth:
                continue  # its limits were its parent's
            if difference := await replay(log.records, settings_given):
                found[info.thread_id] = str(difference)
    return found


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=324)
@settings(max_examples=25)
def test_any_turns_replay_to_the_same_records(seed: int) -> None:
    assert live(replay_all(RandomTurns(seed))) == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_gives_the_same_turns(seed: int) -> None:
    def told() -> list[str]:
        turns = RandomTurns(seed)
        live(turns.run())
        return [str(row) for row in live(turns.store.read("t"))]

    assert told() == told()
