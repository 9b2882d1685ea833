"""A thread survives kill -9 at any point: nothing recorded is lost or repeated, no effect is silently repeated."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crash.driving import Lives
from crash.scenario import EFFECTS, IDEMPOTENT, SYSTEM, THREAD, Pilot, happened, toolbox
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
POOL = 2
ANSWER = (
    "charge is done; charge_later is done; put is done; put_later is done;"
    " error: ValueError: no such account; flaky is done; put is done; wire is done"
)


@pytest.fixture(scope="module")
def lives() -> Iterator[list[Lives]]:
    servers = [Lives() for _ in range(POOL)]
    yield servers
    for server in servers:
        server.close()


@dataclass
class Totals:
    """What a sweep went through, for the message of its assertion."""

    runs: int = 0
    kills: int = 0
    decisions: int = 0
    reruns: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = f"{self.runs} threads, {self.kills} kills, {self.decisions} held calls decided"
        return f"{counted}, {self.reruns} idempotent calls run again, {len(self.wrong)} wrong: {self.wrong[:3]}"


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
    for message in messages(records, SYSTEM, 10**6):
        asked = [(numbers.setdefault(call.id, len(numbers)), call.name, call.arguments) for call in message.calls]
        told.append((message.role, message.text, asked, numbers.get(message.call_id)))
    ends = [record.event for record in records if isinstance(record.event, e.TurnEnded)]
    given = [(x.event.allowed, x.event.by) for x in records if isinstance(x.event, e.ApprovalGiven)]
    return [told, ends, given, sum(isinstance(record.event, e.ModelReplied) for record in records)]


def problems(place: Place, kills: Sequence[dict[str, Any]], last: dict[str, Any], whole: list[Any]) -> Iterator[str]:
    """What is wrong with a thread that was brought to its end after these kills."""
    records = place.records()
    if (last.get("status"), last.get("answer")) != ("answered", ANSWER):
        yield f"ended as {last}"
        return
    if story(records) != whole:
        yield f"another story: {story(records)}"
    ended = Counter(x.event.call_id for x in records if isinstance(x.event, e.ToolReturned))
    if any(times > 1 for times in ended.values()):
        yield f"a call has two results: {ended}"
    effects = happened(place.effects)
    for name, times in EFFECTS.items():
        keys = Counter(effect["key"] for effect in effects if effect["tool"] == name)
        if len(keys) != times:
            yield f"{name} ran under {len(keys)} keys, not {times}"
        if name not in IDEMPOTENT and any(count != 1 for count in keys.values()):
            yield f"{name} had its effect more than once: {keys}"
    logged = {x.event.key for x in records if isinstance(x.event, e.ToolStarted)}
    if not {effect["key"] for effect in effects} <= logged:
        yield "an effect under a key that isn't in the log"
    setup = Setup({tool.name: tool for tool in toolbox(place.effects, Pilot.no_fate())})
    diverged = asyncio.run(replay(records, Job(setup, Pilot(), SYSTEM)))
    if diverged is not None:
        yield f"its replay diverged: {diverged}"


def thread_of(lives: Lives, place: Place, kills: Sequence[dict[str, Any]], whole: list[Any], totals: Totals) -> bool:
    """One thread that dies as told, once in each life, and then lives to its end. False if it outlived a kill."""
    died, last = 0, {}
    for kill in (*kills, {}):
        doubted = in_doubt(place.records()) if place.db.exists() else set()
        last = lives.live(db=place.db, effects=place.effects, **kill)
        if last["exit"] >= 0:
            held = set(last.get("decided", ()))
            totals.decisions += len(held)
            if not doubted <= held | in_doubt([]) and "status" in last:
                totals.wrong.append(f"{kills}: in doubt were {doubted}, held {held}")
            break
        died += 1
    totals.runs += 1
    totals.kills += died
    totals.wrong += [f"{kills}: {problem}" for problem in problems(place, kills, last, whole)]
    idempotent = Counter(effect["key"] for effect in happened(place.effects) if effect["tool"] in IDEMPOTENT)
    totals.reruns += sum(count - 1 for count in idempotent.values())
    return died == len(kills)
