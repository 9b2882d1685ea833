"""A team survives kill -9 at any point of any of its threads: nothing finished runs twice, and the end is the same."""

import random
from collections.abc import Iterator

import pytest

from crash.sweeping import Sweep

TOOLS = ("charge", "wire", "put_later", "charge_later", "flaky", "put")
POINTS = (
    *("append.before", "append.after", "model.before", "model.after", "broken", "flaky.retry"),
    *(f"{name}.{when}" for name in TOOLS for when in ("before", "after")),
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    swept = Sweep(tmp_path_factory.mktemp("teams"), "crash.team")
    yield swept
    print(f"\n{swept}")
    swept.close()


@pytest.mark.slow
def test_a_team_that_is_killed_at_any_append_ends_as_if_nothing_had_been(sweep: Sweep) -> None:
    sweep.each(sweep.every_arrival, ["append.before", "append.after"])
    assert not sweep.wrong, str(sweep)
    assert sweep.kills == len(sweep.deadly) > 70, str(sweep)
    assert sweep.decisions > 5, str(sweep)


@pytest.mark.slow
def test_so_does_one_that_is_killed_in_a_model_call_or_a_tool(sweep: Sweep) -> None:
    before, points = sweep.kills, POINTS[2:]
    sweep.each(sweep.thread, [[{"point": point}] for point in points])
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before == len(points)
    assert sweep.reruns > 1, str(sweep)


@pytest.mark.slow
def test_so_does_one_that_is_killed_again_and_again(sweep: Sweep) -> None:
    ways = [
        {"point": point, "arrival": number}
        for point in ("append.before", "append.after")
        for number in range(25)
    ]
    ways += [{"point": point, "arrival": 1} for point in POINTS]
    chance, before = random.Random(3), sweep.kills
    sweep.each(sweep.thread, [[chance.choice(ways) for _ in range(4)] for _ in range(15)])
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before > 20, str(sweep)
