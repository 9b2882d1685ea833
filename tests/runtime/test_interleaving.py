"""Random interleavings of a turn, people who talk into it, and processes that die: none lost, none twice."""

import asyncio
import random

import pytest

from fakes import live
from runtime.interleaving import Play, play
from treadle.runtime.replay import replay


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 40, 20))
def test_no_message_is_lost_or_doubled_and_every_prompt_is_legal(first):
    for seed in range(first, first + 20):
        play(seed)


@pytest.mark.parametrize("seed", [38, 44, 51])
def test_what_was_said_meanwhile_is_replayed_in_its_place(seed):
    records = play(seed)

    async def again(settings):
        return await asyncio.wait_for(replay(records, settings), 60)

    assert live(again(None)) is None
    assert live(again(Play(random.Random(1)).agent().run_settings)) is None
