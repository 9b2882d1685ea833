"""Threads that are killed as they are told, and what is wrong with them afterwards."""

import asyncio
import importlib
import itertools
import queue
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crash.driving import Lives
from crash.scenario import Fate, Play, happened
from treadle import Agent, Record, SQLiteStore
from treadle.core import events as e
from treadle.core.prompt import messages
from treadle.core.state import fold
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.world import World

Threads = dict[str, list[Record]]
"""By name, what is in a store."""

Kill = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where one thread lives, with those below it."""

    db: Path
    effects: Path

    def threads(self) -> Threads:
        if not self.db.exists():
            return {}
        store = SQLiteStore(self.db)

        async def read() -> Threads:
            names = [info.thread_id for info in await store.threads()]
            return {name: (await open_log(name, store, World())).records for name in names}

        try:
            return asyncio.run(read())
        finally:
            store.close()


def in_doubt(threads: Threads, idempotent: Sequence[str]) -> set[tuple[str, str]]:
    """The calls of tools that aren't idempotent which were started and have no result: read straight off the logs."""
    names: dict[tuple[str, str], str] = {}
    found: set[tuple[str, str]] = set()
    children: set[tuple[str, str]] = set()
    for record in itertools.chain(*threads.values()):
        thread = record.thread_id
        match record.event:
            case e.ModelReplied(calls=calls):
                names |= {(thread, call.id): call.name for call in calls}
            case e.ToolStarted(call_id=call_id):
                found.add((thread, call_id))
            case (
                e.ToolReturned(call_id=call_id)
                | e.ToolFailed(call_id=call_id)
                | e.OutcomeDecided(call_id=call_id)
            ):
                found.discard((thread, call_id))
            case e.ChildStarted(call_id=call_id):
                children.add((thread, call_id))
    return {call for call in found - children if names[call] not in idempotent}


def story(threads: Threads) -> dict[str, list[Any]]:
    """By agent, the thread as its model saw it, and how it ended; calls numbered: their ids tell of claims between."""
    stories = {}
    for records in threads.values():
        assert isinstance(records[0].event, e.ThreadStarted)
        numbers: dict[str, int] = {}
        told = []
        for message in messages(records, ""):
            asked = [
                (numbers.setdefault(call.id, len(numbers)), call.name, call.arguments)
                for call in message.calls
            ]
            told.append((message.role, message.text, asked, numbers.get(message.call_id)))
        ends = [record.event for record in records if isinstance(record.event, e.TurnEnded)]
        given = [
            (x.event.allowed, x.event.by) for x in records if isinstance(x.event, e.ApprovalGiven)
        ]
        replies = sum(isinstance(record.event, e.ModelReplied) for record in records)
        assert records[0].event.agent not in stories, "a second thread for the same work"
        stories[records[0].event.agent] = [told, ends, given, replies]
    return stories


def problems(
    place: Place,
    play: Play,
    agents: dict[str, Agent],
    last: dict[str, Any],
    whole: dict[str, list[Any]],
) -> Iterator[str]:
    """What is wrong with threads that were brought to their end."""
    threads, effects = place.threads(), happened(place.effects)
    if (last.get("status"), last.get("answer")) != ("answered", play.answer):
        yield f"it ended with {last}"
        return
    if story(threads) != whole:
        yield f"its story differs: {story(threads)}"
    for name, times in play.effects.items():
        keys = Counter(effect["key"] for effect in effects if effect["tool"] == name)
        if len(keys) != times:
            yield f"{name} had its effect under {len(keys)} keys, not {times}"
        if name not in play.idempotent and max(keys.values(), default=0) > 1:
            yield f"{name} had its effect more than once: {keys}"
    known = {
        x.event.key
        for x in itertools.chain(*threads.values())
        if isinstance(x.event, e.ToolStarted)
    }
    if not {effect["key"] for effect in effects} <= known:
        yield "an effect has a key that no log knows"
    for thread, records in threads.items():
        yield from unsound(thread, records, threads)
        job = agents[records[0].event.agent].run_settings  # type: ignore[union-attr]
        if diverged := asyncio.run(asyncio.wait_for(replay(records, job), 60)):
            yield f"the replay of {thread} diverges: {diverged}"


def unsound(thread: str, records: Sequence[Record], threads: Threads) -> Iterator[str]:
    """Results that came twice, and children that used something else than their parents were told."""
    children: dict[str, str] = {}
    results: Counter[str] = Counter()
    for record in records:
        match record.event:
            case e.ChildStarted(call_id=call_id, thread_id=child):
                children[call_id] = child
            case e.ToolReturned(call_id=call_id, usage=usage):
                results[call_id] += 1
                turn = fold(threads[children[call_id]]).turn if call_id in children else None
                if turn and turn.usage != usage:
                    yield f"{thread} was told that {children[call_id]} used {usage}, but it used {turn.usage}"
    if max(results.values(), default=0) > 1:
        yield f"a call of {thread} has two results: {results}"


class Sweep:
    """Threads that die as they are told, two at a time; counts what they went through."""

    def __init__(self, folder: Path, module: str) -> None:
        self.play: Play = importlib.import_module(module).PLAY
        self.agents = self.play.agents(Fate())
        self.threads = self.kills = self.decisions = self.reruns = 0
        self.wrong: list[str] = []
        self.deadly: list[Kill] = []
        """The kills that were the first of a thread and found it alive."""
        self._folder = folder
        self._numbers = itertools.count()
        self._servers: queue.SimpleQueue[Lives] = queue.SimpleQueue()
        for _ in range(2):
            self._servers.put(Lives(module))
        place = self._place()
        last = self.life(place, {})
        self.whole_s = self.life(self._place(), {})["took_s"]
        self.whole = story(place.threads())
        self.wrong += problems(place, self.play, self.agents, last, self.whole)
        assert Counter(effect["tool"] for effect in happened(place.effects)) == self.play.effects

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
        """One thread that dies in each of these ways, a life for each, and then lives to its end.

        How often it died.
        """
        kills, died, place = list(kills), 0, self._place()
        for kill in [*kills, {}]:
            held = in_doubt(place.threads(), self.play.idempotent)
            last = self.life(place, kill)
            if last["exit"] >= 0:
                break
            died += 1
        if (asked := {(thread, call) for thread, call in last.get("decided", ())}) != held:
            self.wrong.append(f"{kills}: in doubt were {held}, and a person was asked of {asked}")
        self.wrong += [
            f"{kills}: {problem}"
            for problem in problems(place, self.play, self.agents, last, self.whole)
        ]
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
