"""Places: so many of a name are held at once, by whatever processes; who dies lets go of theirs."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from treadle import MemoryStore, SQLiteStore

PATIENCE_S = 20.0

HOLDER = """
import sys, time
from treadle.stores.open_store import open_store
with open_store(sys.argv[1]).take_place("agent", 2) as is_free:
    print(is_free, flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["memory", "file", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield MemoryStore()
        return
    made: Any = SQLiteStore(tmp_path / "threads.db")
    if request.param == "postgres":
        from treadle.stores.postgres import PostgresStore

        made = PostgresStore(f"{request.getfixturevalue('postgres').url}&tenant={tmp_path}")
    asyncio.run(made.threads(1))
    yield made
    made.close()


def count_free(store: Any, most: int, name: str = "agent") -> int:
    """How many more may be held, up to 10."""
    with ExitStack() as held:
        return sum(held.enter_context(store.take_place(name, most)) for _ in range(10))


def test_so_many_are_held_and_no_more_until_one_is_let_go(store: Any):
    assert count_free(store, 3) == 3
    with store.take_place("agent", 3) as first:
        assert first
        assert count_free(store, 3) == 2
        assert count_free(store, 1, "other") == 1
        with store.take_place("agent", 1) as second:
            assert not second
        assert count_free(store, 3) == 2
    assert count_free(store, 3) == 3


@pytest.mark.slow
def test_other_processes_hold_places_until_they_die(store: Any):
    if isinstance(store, MemoryStore):
        return  # no other process sees it
    place = getattr(store, "url", None) or str(store.path)
    held: list[subprocess.Popen[str]] = []
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    for _ in range(2):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, place],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        held.append(holder)
    try:
        assert count_free(store, 2) == 0
        held[0].send_signal(signal.SIGKILL)
        held[0].wait()
        until = time.monotonic() + PATIENCE_S
        while count_free(store, 2) == 0:  # the server hasn't noticed yet
            assert time.monotonic() < until
        assert count_free(store, 2) == 1
    finally:
        for each in held:
            each.kill()
            each.communicate()


@pytest.mark.postgres
def test_places_are_held_beyond_a_break_of_the_connection(postgres: Any, tmp_path: Path):
    from treadle.stores.postgres import PostgresStore

    made = [PostgresStore(f"{postgres.url}&tenant={tmp_path}") for _ in range(2)]
    asyncio.run(made[0].threads(1))
    with made[0].take_place("agent", 1) as is_free:
        assert is_free
        assert count_free(made[1], 1) == 0
        session = made[0]._drivers._session
        assert session
        session.close()
        assert count_free(made[0], 2) == 1  # its next word takes the locks again
        assert count_free(made[1], 1) == 0
    assert count_free(made[1], 1) == 1
    for each in made:
        each.close()
