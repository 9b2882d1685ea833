"""A thread survives kill -9 at any point: nothing recorded is lost or repeated, no effect is silently repeated."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.sweeping import Sweep
from treadle import SQLiteStore

TOOLS = ("charge", "charge_later", "put", "put_later", "flaky", "wire")
POINTS = (
    *("append.before", "append.after", "model.before", "model.after", "broken", "flaky.retry"),
    *(f"{name}.{when}" for name in TOOLS for when in ("before", "after")),
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    swept = Sweep(tmp_path_factory.mktemp("lives"), "crash.scenario")
    yield swept
    print(f"\n{swept}")
    swept.close()


@pytest.mark.slow
def test_a_thread_that_is_killed_at_any_append_model_call_or_tool_ends_as_if_nothing_had_been(
    sweep: Sweep,
) -> None:
    sweep.each(sweep.every_arrival, POINTS)
    assert not sweep.wrong, str(sweep)
    assert {kill["point"] for kill in sweep.deadly} == set(POINTS)
    assert sweep.kills == len(sweep.deadly) > 60
    assert sweep.decisions > 10, str(sweep)
    assert sweep.reruns > 4, str(sweep)


@pytest.mark.slow
def test_so_does_one_whose_resume_is_killed_too(sweep: Sweep) -> None:
    ways = [{"point": point, "arrival": 1} for point in POINTS]
    ways += [
        {"point": point, "arrival": number}
        for point in ("append.before", "append.after")
        for number in range(1, 20)
    ]
    chance, before = random.Random(1), sweep.kills
    sweep.each(sweep.thread, [(chance.choice(ways), chance.choice(ways)) for _ in range(50)])
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before > 60, str(sweep)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["append.after", "model.before", "model.after", "put.before", "put.after"]
)
def test_so_does_one_that_dies_eight_times_in_a_row_at_one_point(sweep: Sweep, point: str) -> None:
    assert sweep.thread([{"point": point, "arrival": 1}] * 8) == 8
    assert not sweep.wrong, str(sweep)


@pytest.mark.slow
def test_so_does_one_that_is_killed_at_instants_that_nobody_chose(sweep: Sweep) -> None:
    chance, before = random.Random(2), sweep.kills
    alarms = [{"alarm_s": chance.uniform(0.001, sweep.whole_s)} for _ in range(40)]
    sweep.each(lambda alarm: sweep.thread([alarm]), alarms)
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before > 10, str(sweep)


@pytest.mark.slow
def test_a_file_whose_maker_was_killed_in_its_first_write_is_rolled_back_and_used(
    tmp_path: Path,
) -> None:
    """It has a hot journal, which a reader can't roll back: once, no store could be opened on it again."""
    path = tmp_path / "half.db"
    dies = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma cache_size = 1")
db.execute("begin")
db.execute("create table half (x)")
db.executemany("insert into half values (?)", [("x" * 3000,) for _ in range(50)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", dies, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert path.stat().st_size
    assert path.with_name("half.db-journal").stat().st_size
    store = SQLiteStore(path)
    assert asyncio.run(store.threads()) == []
    store.close()
