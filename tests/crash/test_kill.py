"""A thread survives kill -9 at any point: nothing recorded is lost or repeated, no effect is silently repeated."""

import asyncio
import itertools
import queue
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crash.driving import Lives
from crash.scenario import EFFECTS, IDEMPOTENT, SYSTEM, THREAD, Fate, Pilot, happened, toolbox
from treadle import Record, SQLiteStore
from treadle import events as e
from treadle.decide import Setup
from treadle.job import Job
from treadle.log import opened
from treadle.memory.prompt import messages
from treadle.replay import replay
from treadle.world import World

TOOLS = ("charge", "charge_later", "put", "put_later", "flaky", "wire")
POINTS = (
    *("append.before", "append.after", "model.before", "model.after", "broken", "flaky.retry"),
    *(f"{name}.{when}" for name in TOOLS for when in ("before", "after")),
)
ANSWER = (
    "charge is done; charge_later is done; put is done; put_later is done;"
    " error: ValueError: no such account; flaky is done; put is done; wire is done"
)


Kill = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where one thread lives."""

    db: Path
    effects: Path

    def records(self) -> list[Record]:
        store = SQLiteStore(self.db)
        try:
            return asyncio.run(opened(THREAD, store, World())).records
        finally:
            store.close()


def in_doubt(records: Sequence[Record]) -> set[str]:
    """The calls of tools that aren't idempotent which were started and have no result: read straight off the log."""
    names: dict[str, str] = {}
    found: set[str] = set()
    for record in records:
        match record.event:
            case e.ModelReplied(calls=calls):
                names |= {call.id: call.name for call in calls}
            case e.ToolStarted(call_id=call_id):
                found.add(call_id)
            case e.ToolReturned(call_id=call_id) | e.ToolFailed(call_id=call_id) | e.OutcomeDecided(call_id=call_id):
                found.discard(call_id)
    return {call_id for call_id in found if names[call_id] not in IDEMPOTENT}


def story(records: Sequence[Record]) -> list[Any]:
    """The thread as the model saw it, and how it ended; its calls numbered, for their ids tell of claims between."""
    numbers: dict[str, int] = {}
    told = []
    for message in messages(records, SYSTEM):
        asked = [(numbers.setdefault(call.id, len(numbers)), call.name, call.arguments) for call in message.calls]
        told.append((message.role, message.text, asked, numbers.get(message.call_id)))
    ends = [record.event for record in records if isinstance(record.event, e.TurnEnded)]
    given = [(x.event.allowed, x.event.by) for x in records if isinstance(x.event, e.ApprovalGiven)]
    return [told, ends, given, sum(isinstance(record.event, e.ModelReplied) for record in records)]


def problems(place: Place, last: dict[str, Any], whole: list[Any]) -> Iterator[str]:
    """What is wrong with a thread that was brought to its end."""
    records, effects = place.records(), happened(place.effects)
    if (last.get("status"), last.get("answer")) != ("answered", ANSWER):
        yield f"it ended with {last}"
        return
    if story(records) != whole:
        yield f"its story differs: {story(records)}"
    results = Counter(x.event.call_id for x in records if isinstance(x.event, e.ToolReturned))
    if max(results.values()) > 1:
        yield f"a call has two results: {results}"
    for name, times in EFFECTS.items():
        keys = Counter(effect["key"] for effect in effects if effect["tool"] == name)
        if len(keys) != times:
            yield f"{name} had its effect under {len(keys)} keys, not {times}"
        if name not in IDEMPOTENT and max(keys.values(), default=0) > 1:
            yield f"{name} had its effect more than once: {keys}"
    if not {effect["key"] for effect in effects} <= {
        x.event.key for x in records if isinstance(x.event, e.ToolStarted)
    }:
        yield "an effect has a key that the log doesn't know"
    setup = Setup({tool.name: tool for tool in toolbox(place.effects, Fate())})
    diverged = asyncio.run(asyncio.wait_for(replay(records, Job(setup, Pilot(), SYSTEM)), 10))
    if diverged is not None:
        yield f"its replay diverges: {diverged}"


class Sweep:
    """Threads that die as they are told, two at a time; counts what they went through."""

    def __init__(self, folder: Path) -> None:
        self.threads = self.kills = self.decisions = self.reruns = 0
        self.wrong: list[str] = []
        self.deadly: list[Kill] = []
        """The kills that were the first of a thread and found it alive."""
        self._folder = folder
        self._numbers = itertools.count()
        self._servers: queue.SimpleQueue[Lives] = queue.SimpleQueue()
        for _ in range(2):
            self._servers.put(Lives())
        place = self._place()
        last = self.life(place, {})
        self.whole_s = self.life(self._place(), {})["took_s"]
        self.whole = story(place.records())
        self.wrong += problems(place, last, self.whole)
        assert Counter(effect["tool"] for effect in happened(place.effects)) == EFFECTS

    def __str__(self) -> str:
        counted = f"{self.threads} threads, {self.kills} kills, {self.decisions} held calls decided"
        return f"{counted}, {self.reruns} idempotent calls run again, {len(self.wrong)} wrong: {self.wrong[:3]}"

    def life(self, place: Place, kill: Kill) -> dict[str, Any]:
        server = self._servers.get()
        try:
            return server.live(db=place.db, effects=place.effects, **kill)
        finally:
            self._servers.put(server)

    def thread(self, kills: Iterable[Kill]) -> int:
        """One thread that dies in each of these ways, a life for each, and then lives to its end. How often it died."""
        kills, died, place = list(kills), 0, self._place()
        for kill in [*kills, {}]:
            held = in_doubt(place.records()) if place.db.exists() else set()
            last = self.life(place, kill)
            if last["exit"] >= 0:
                break
            died += 1
        if set(last.get("decided", ())) != held:
            self.wrong.append(f"{kills}: in doubt were {held}, and a person was asked of {last.get('decided')}")
        self.wrong += [f"{kills}: {problem}" for problem in problems(place, last, self.whole)]
        again = Counter(effect["key"] for effect in happened(place.effects))
        self.threads += 1
        self.kills += died
        self.decisions += len(held)
        self.reruns += sum(again.values()) - len(again)
        return died

    def every_arrival(self, point: str) -> None:
        """Die at the first arrival at that point, then at the second, until a life gets through."""
        for arrival in itertools.count(1):
            kill = {"point": point, "arrival": arrival}
            if not self.thread([kill]):
                return
            self.deadly.append(kill)

    def each(self, do: Callable[[Any], Any], of: Sequence[Any]) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(do, of))

    def close(self) -> None:
        for _ in range(2):
            self._servers.get().close()

    def _place(self) -> Place:
        number = next(self._numbers)
        return Place(self._folder / f"{number}.db", self._folder / f"{number}.jsonl")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    swept = Sweep(tmp_path_factory.mktemp("lives"))
    yield swept
    print(f"\n{swept}")
    swept.close()


def test_a_thread_that_is_killed_at_any_append_model_call_or_tool_ends_as_if_nothing_had_been(sweep: Sweep) -> None:
    sweep.each(sweep.every_arrival, POINTS)
    assert not sweep.wrong, str(sweep)
    assert {kill["point"] for kill in sweep.deadly} == set(POINTS)
    assert sweep.kills == len(sweep.deadly) > 60
    assert sweep.decisions > 10, str(sweep)
    assert sweep.reruns > 4, str(sweep)


def test_so_does_one_whose_resume_is_killed_too(sweep: Sweep) -> None:
    ways = [{"point": point, "arrival": 1} for point in POINTS]
    ways += [
        {"point": point, "arrival": number} for point in ("append.before", "append.after") for number in range(1, 20)
    ]
    chance, before = random.Random(1), sweep.kills
    sweep.each(sweep.thread, [(chance.choice(ways), chance.choice(ways)) for _ in range(50)])
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before > 60, str(sweep)


@pytest.mark.parametrize("point", ["append.after", "model.before", "model.after", "put.before", "put.after"])
def test_so_does_one_that_dies_eight_times_in_a_row_at_one_point(sweep: Sweep, point: str) -> None:
    assert sweep.thread([{"point": point, "arrival": 1}] * 8) == 8
    assert not sweep.wrong, str(sweep)


def test_so_does_one_that_is_killed_at_instants_that_nobody_chose(sweep: Sweep) -> None:
    chance, before = random.Random(2), sweep.kills
    alarms = [{"alarm_s": chance.uniform(0.001, sweep.whole_s)} for _ in range(40)]
    sweep.each(lambda alarm: sweep.thread([alarm]), alarms)
    assert not sweep.wrong, str(sweep)
    assert sweep.kills - before > 10, str(sweep)


def test_a_file_whose_maker_was_killed_in_its_first_write_is_rolled_back_and_used(tmp_path: Path) -> None:
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
