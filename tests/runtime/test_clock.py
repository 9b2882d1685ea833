"""A clock that is set anew while a turn works: it costs the turn no second and ends nothing."""

import dataclasses

import pytest

from fakes import agent, live, world
from treadle import Limits, ScriptedModel, tool
from treadle.models.scripted import calls, says

DAY_S = 86_400.0


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_clock_that_is_set_forward_or_back_ends_no_turn_and_costs_it_nothing(jump_s):
    moved_s = 0.0
    steady = world()

    @tool
    def set_clock() -> str:
        """Set the clock of the machine."""
        nonlocal moved_s
        moved_s = jump_s
        return "set"

    made = agent(
        ScriptedModel([calls("set_clock"), says("It is another day.")]),
        set_clock,
        limits=Limits(seconds=60),
        world=dataclasses.replace(steady, now=lambda: 1_000_000.0 + moved_s),
    )
    result = live(made.run("set it", thread="t"))
    assert (result.status, result.answer) == ("answered", "It is another day.")
    assert result.seconds < 60
