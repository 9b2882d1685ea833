"""The cases of the tools that ship.

A model that does it right passes them all, one that guesses doesn't.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from evals.right import right
from treadle import Agent, MemoryStore, run_sync
from treadle.evals.dataset_files import load_dataset
from treadle.evals.run_dataset import Run, evaluate
from treadle.runtime.import_string import import_string

FILE = Path(__file__).parents[2] / "examples" / "evals" / "tools.yaml"


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(str(FILE))


def report(dataset, model):
    agent = replace(
        import_string(dataset.agent, Agent, name="agent"), model=model, store=MemoryStore()
    )
    return run_sync(evaluate(Run(dataset, agent, jobs=8)))


def test_there_are_at_least_thirty_and_every_tool_of_the_agent_is_tried(dataset):
    tags = {tag for case in dataset.cases for tag in case.tags}
    assert len(dataset.cases) >= 30
    assert tags >= {
        "calculator",
        "clock",
        "dates",
        "tables",
        "files",
        "docs",
        "approval",
        "conversation",
    }


@pytest.mark.slow
def test_a_model_that_does_it_right_passes_them_all(dataset):
    done = report(dataset, right())
    assert [f"{case.name}: {case.first_failure}" for case in done.cases if case.first_failure] == []
    assert done.passed


def test_a_model_that_guesses_fails_what_needs_a_tool(dataset):
    done = report(dataset, right(wrong=("",)))
    # The one needs no tool and no more than a word, the other asks for nothing but to refuse.
    assert {case.name for case in done.cases if case.passes} == {"greeting", "outside"}
    assert {trial.answer for trial in done.trials} == {"It must be about 40 <b>or</b> so."}
