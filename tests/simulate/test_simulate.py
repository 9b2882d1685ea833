"""The simulator: no promise is broken by these seeds, and a seed says the same in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulate.run import main, try_seeds
from simulate.simulation import Simulation, Violation
from treadle import SQLiteStore

pytestmark = pytest.mark.slow
RUN = Path(__file__).with_name("run.py")


TRACED = 20
"""The first seeds, which `test_troubles_of_all_kinds_come` tries, and keeps their traces."""


@pytest.mark.parametrize("first", range(TRACED, 200, 20))
def test_no_promise_is_broken(first):
    assert try_seeds(first, first + 20) == []


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_no_promise_is_broken_by_workers(first):
    assert try_seeds(first, first + 20, workers=True) == []


FOUND = (
    *(328, 384, 499, 791, 980, 1060, 1397, 1402, 1987, 1994, 2642, 3215, 3348, 4018, 4718, 5510),
    *(1451, 4721, 5983, 6360, 20064, 30839, 31463, 31471, 32474, 49558),
    *(202776, 202956, 208270, 305762, 443686, 461614, 477364, 477436, 481475, 482592),
    *(1100510, 1114727),
)
"""Seeds that have found something, at the time when they did."""


FOUND_BY_WORKERS = (56, 73, 305, 624, 648, 1179, 1664, 1843)


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_is_mended(seed):
    assert try_seeds(seed, seed + 1) == []


@pytest.mark.parametrize("seed", FOUND_BY_WORKERS)
def test_what_was_found_by_workers_is_mended(seed):
    assert try_seeds(seed, seed + 1, workers=True) == []


def test_the_same_on_sqlite(tmp_path):
    for seed in range(5):
        store = SQLiteStore(tmp_path / f"{seed}.db")
        Simulation(seed, rows=store).run()
        store.close()


def traced(seed: int) -> Simulation:
    simulation = Simulation(seed, traced=True)
    simulation.run()
    return simulation


def test_a_seed_is_the_same_in_every_process_whatever_its_hashes():
    mine = traced(17)
    assert traced(17).trace == mine.trace
    env = os.environ | {"PYTHONHASHSEED": "4242"}
    command = [sys.executable, str(RUN), "--seed", "17"]
    shown = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[2:-1] == mine.trace


def test_troubles_of_all_kinds_come():
    """And no promise is broken by them: that would be raised."""
    told = "\n".join(line for seed in range(TRACED) for line in traced(seed).trace)
    for trouble in ("is killed", "is paused", "wakes", "its store fails", "is cancelled"):
        assert trouble in told
    for event in (
        "ApprovalGiven",
        "OutcomeDecided",
        "ChildWaits",
        "HandedOff",
        "LimitReached",
        "CallNoted",
    ):
        assert event in told
    assert "its clock is off" in told


def test_a_violation_names_its_seed_and_how_to_see_it_again(capsys):
    async def breaks(simulation):
        simulation.violate("nothing is lost", "something is")

    with pytest.raises(Violation, match="nothing is lost: something is"):
        Simulation(1, actors=[breaks]).run()
    assert main(["--seeds", "2", "--jobs", "1"]) == 0
    assert "2 seeds from 0: 0 violations" in capsys.readouterr().out
