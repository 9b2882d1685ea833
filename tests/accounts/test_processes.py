"""Two real processes share one budget and are killed: benchmarks/accounts.py does it with eight."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real


def load_benchmark() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "accounts.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_accounts", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_processes_that_are_killed_overshoot_no_budget_and_starve_nobody(tmp_path):
    benchmark = load_benchmark()
    found = benchmark.supervise(benchmark.Place(tmp_path, 0.2), 2, 4.0)
    assert found["calls"] > 0
    assert found["overshoot_usd"] == 0.0
    assert (found["starved"], found["left_reserved"], found["wrong_accounts"]) == (0, 0, [])
    assert set(found["ends"]) <= {"answered", "limit"}
