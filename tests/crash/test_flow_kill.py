"""Flows and graphs survive kill -9 at any append: nothing that has finished runs twice."""

import asyncio
import itertools
import json
import queue
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crash.driving import Lives
from crash.flow_scenario import IDEMPOTENT
from crash.scenario import happened
from treadle import Record, SQLiteStore
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.world import World

SCENARIO = Path(__file__).with_name("flow_scenario.py")
POINTS = ("append.before", "append.after")
"""Between them lie all that a step does: one that dies just after its effect dies before its next append."""
EFFECTS = {
    "flow": {
        **{f"charge {said}": 1 for said in ("ann", "bob", "round 0", "round 1", "round 2", "wire")},
        **{"put ann": 1, "put bob": 1, "stamp ": 1},
    },
    "graph": {
        **{"search lamps one": 1, "search lamps two": 1, "facts lamps": 1, "stamp ": 2},
        **{"review 0": 1, "review 2": 1, "publish ": 1},
    },
}
"""How often each effect is had in a life that nothing disturbs, by what it did."""


def threads_of(db: Path) -> dict[str, list[Record]]:
    async def read() -> dict[str, list[Record]]:
        store = SQLiteStore(db)
        found = [info.thread_id for info in await store.threads()]
        records = {name: (await open_log(name, store, World())).records for name in found}
        store.close()
        return records

    return asyncio.run(read()) if db.exists() else {}


def in_doubt(threads: dict[str, list[Record]]) -> set[str]:
    """The calls that were started and have no result, of functions that aren't idempotent and aren't agents."""
    found: dict[str, str] = {}
    for thread, records in threads.items():
        names: dict[str, str] = {}
        for record in records:
            match record.event:
                case e.ModelReplied(calls=calls):
                    names |= {call.id: call.name for call in calls}
                case e.StepAsked(call=call):
                    names[call.id] = call.name
                case e.ToolStarted(call_id=call_id):
                    found[f"{thread} {call_id}"] = names[call_id]
                case (
                    e.ToolReturned(call_id=call_id)
                    | e.ToolFailed(call_id=call_id)
                    | e.OutcomeDecided(call_id=call_id)
                ):
                    found.pop(f"{thread} {call_id}", None)
    return {
        call
        for call, name in found.items()
        if name not in (*IDEMPOTENT, "writer", "approve", "sleep")
    }


def story(answer: str) -> Any:
    """The value, without the order in which parallel branches came."""
    value = json.loads(answer)
    return value | {"notes": sorted(value.get("notes", ()))}


def problems(what: str, db: Path, effects: Path, last: dict[str, Any], whole: Any) -> Iterator[str]:
    if last.get("status") != "answered" or story(last["answer"]) != whole:
        yield f"it ended with {last}"
        return
    done = happened(effects)
    keys = {f"{each['tool']} {each['said']}": Counter() for each in done}
    for each in done:
        keys[f"{each['tool']} {each['said']}"][each["key"]] += 1
    if {name: len(found) for name, found in keys.items()} != EFFECTS[what]:
        yield f"the effects were {keys}"
    for name, found in keys.items():
        if name.split()[0] not in IDEMPOTENT and max(found.values()) > 1:
            yield f"{name} had its effect more than once"
    for thread, records in threads_of(db).items():
        came = Counter(x.event.call_id for x in records if isinstance(x.event, e.ToolReturned))
        asked = Counter(x.event.call.id for x in records if isinstance(x.event, e.StepAsked))
        if max([*came.values(), *asked.values()], default=0) > 1:
            yield f"in {thread} a step was asked for or has a result twice: {came} {asked}"
        if sum(isinstance(x.event, e.TurnEnded) for x in records) != 1:
            yield f"{thread} has not ended once"


class Sweep:
    def __init__(self, what: str, folder: Path) -> None:
        self.what, self.folder = what, folder
        self.kills = self.decisions = 0
        self.wrong: list[str] = []
        self._numbers = itertools.count()
        self._servers: queue.SimpleQueue[Lives] = queue.SimpleQueue()
        for _ in range(2):
            self._servers.put(Lives(scenario=SCENARIO))
        place = self._place()
        last = self.life(place, {})
        self.whole = story(last["answer"])
        self.wrong += problems(what, *place, last, self.whole)

    def life(self, place: tuple[Path, Path], kill: dict[str, Any]) -> dict[str, Any]:
        server = self._servers.get()
        try:
            return server.live(what=self.what, db=place[0], effects=place[1], **kill)
        finally:
            self._servers.put(server)

    def thread(self, kills: Sequence[dict[str, Any]]) -> int:
        """One that dies in each of these ways, a life for each, and then lives to its end.

        How often it died.
        """
        place, died = self._place(), 0
        for kill in [*kills, {}]:
            held = in_doubt(threads_of(place[0]))
            last = self.life(place, kill)
            if last["exit"] >= 0:
                break
            died += 1
        if set(last.get("decided", ())) != held:
            self.wrong.append(
                f"{kills}: in doubt were {held}, and a person was asked of {last.get('decided')}"
            )
        self.wrong += [
            f"{kills}: {problem}" for problem in problems(self.what, *place, last, self.whole)
        ]
        self.kills += died
        self.decisions += len(held)
        return died

    def every_arrival(self, point: str) -> None:
        for arrival in itertools.count(1):
            if not self.thread([{"point": point, "arrival": arrival}]):
                return

    def close(self) -> None:
        for _ in range(2):
            self._servers.get().close()

    def _place(self) -> tuple[Path, Path]:
        number = next(self._numbers)
        return self.folder / f"{number}.db", self.folder / f"{number}.jsonl"


@pytest.fixture(scope="module", params=["flow", "graph"])
def sweep(request, tmp_path_factory) -> Iterator[Sweep]:
    swept = Sweep(request.param, tmp_path_factory.mktemp(request.param))
    yield swept
    print(
        f"\n{swept.what}: {swept.kills} kills, {swept.decisions} held calls decided, {len(swept.wrong)} wrong"
    )
    swept.close()


@pytest.mark.slow
def test_one_that_is_killed_at_any_append_ends_as_if_nothing_had_been(sweep):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sweep.every_arrival, POINTS))
    assert not sweep.wrong, "\n".join(sweep.wrong[:5])
    assert sweep.kills > 60
    assert sweep.decisions > 5


@pytest.mark.slow
def test_so_does_one_that_dies_again_and_again(sweep):
    ways = [
        {"point": point, "arrival": number}
        for point in ("append.before", "append.after")
        for number in (1, 4, 9)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sweep.thread, [[way] * 6 for way in ways]))
    assert not sweep.wrong, "\n".join(sweep.wrong[:5])
