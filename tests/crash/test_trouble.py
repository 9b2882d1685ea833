"""Random teams in trouble: a crash, a crash loop, a thread that is taken from a living driver.

Each example is short: one trouble, after one append. So many are tried in little time, and the search
for mutants begins here (tests/fuzz.py).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash.scripts import Ordered, Plot, settled
from crash.test_waiting_logs import BELOW, MIXED, WAYS, goes_on, plots, team
from fakes import Died, live
from treadle import Agent, Limits
from treadle.core import events as e
from treadle.core.late import is_late
from treadle.core.state import fold
from treadle.core.waits import after_claim, is_held
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.store import Row

RUN_AGAIN = ("sure", "weak")
LONGEST_S = 30.0
"""Longer than all that a driver may still have under way."""


class Counting(Ordered):
    """Says when so many appends are there; with `dies`, nothing is written after them."""

    def __init__(self, count: int, dies: bool = False) -> None:
        super().__init__()
        self._count = count
        self._dies = dies
        self.reached = asyncio.Event()

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if self._dies and self.reached.is_set():
            raise Died
        await super().append(thread_id, rows)
        if len(self.appends) == self._count:
            self.reached.set()


async def take(lead: Agent, store: Counting, works: bool) -> None:
    """Another process takes the thread, and goes on with it at once or does nothing yet."""
    if works:
        await settled(lead.resume("t", take=True), lead)
        return
    log = await open_log("t", store, World())
    await log.append(e.ThreadClaimed("another"))


async def left_unknown(store: Ordered) -> list[str]:
    """The names of calls of which nobody knows what they did, though their process lives.

    Of those that were cut off when their time was up, nobody can know it.
    """
    found = []
    for records in await store.logs():
        failed = [each.event for each in records if isinstance(each.event, e.ToolFailed)]
        cut_off = {event.call_id for event in failed if event.unknown}
        turn = after_claim(fold(records)).turn
        calls_of = turn.calls.values() if turn and not turn.ended else ()
        unknown = [call for call in calls_of if call.status == "unknown" and call.id not in cut_off]
        found += [call.name for call in unknown]
    return [name for name in found if name not in RUN_AGAIN]


PAYS = Plot((calls("alone", "once"), says("done")), Limits(), (2.0,), ())
ASKS_HELPER = Plot((calls(("helper", {"task": "a"})), says("done")), Limits(), (0.35,), ())
HURRIES = Plot((calls(("helper", {"task": "b"})),), Limits(seconds=2.0), (0.0,), ())
BREAKS = Plot((calls(("sure", {"number": 0}), ("broken", {})),), Limits(), (0.0, 0.0, 2.0), ())
PAYS_TWICE = Plot((calls("alone", "broken"), says("done")), Limits(), (0.35,), ())


@dataclass(frozen=True)
class Trouble:
    """What comes in the way of a thread after so many appends, of all its threads together."""

    kind: str
    """`crash`: its process dies. `taken`, `worked on`: another one takes the thread from it, and does
    nothing yet, or goes on with it. `deaths`: it dies, and so do the next that come to its child."""
    count: int


EXAMPLES = 20
if not settings.default.derandomize:  # a search, which stops at what it finds
    EXAMPLES = 60
TROUBLES = st.builds(
    Trouble, st.sampled_from(["crash", "taken", "worked on", "deaths"]), st.integers(2, 25)
)


async def meets(trouble: Trouble, top: Plot, below: Plot, effects: Any) -> Ordered | None:
    """The store after the trouble; None where the thread was over before."""
    store = Counting(trouble.count, dies=trouble.kind in ("crash", "deaths"))
    first, second = (team(top, below, store, effects) for _ in range(2))
    running = asyncio.create_task(settled(first.run("go", thread="t"), first))
    reached = asyncio.create_task(store.reached.wait())
    await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if not store.reached.is_set():
        return None
    if trouble.kind in ("taken", "worked on"):
        await take(second, store, trouble.kind == "worked on")
        await running
        await asyncio.sleep(LONGEST_S)
        assert not await left_unknown(store)
        return store
    running.cancel()
    await asyncio.wait({running})
    left = await Ordered(store.appends).lived()
    if trouble.kind == "deaths":
        logs = await left.logs()
        at_work = [records[0].thread_id for records in logs if fold(records).phase != "idle"]
        for thread in [name for name in at_work if name != "t"] or at_work:
            await die_at(left, thread)
    return left


async def die_at(store: Ordered, thread: str) -> None:
    """As many processes as may take the thread, one after the other, and each dies."""
    log = await open_log(thread, store, World())
    while not is_held(log.state):
        await log.append(e.ThreadClaimed(f"dead {log.state.seq}"))


@pytest.mark.slow
@example(PAYS, PAYS, WAYS[0], Trouble("taken", 5))
@example(ASKS_HELPER, PAYS, WAYS[1], Trouble("worked on", 8))
@example(ASKS_HELPER, PAYS, WAYS[1], Trouble("deaths", 8))
@example(PAYS_TWICE, PAYS, WAYS[0], Trouble("crash", 5))
@example(HURRIES, BREAKS, WAYS[0], Trouble("worked on", 2))
@given(plots(MIXED), plots(BELOW), st.sampled_from(WAYS), TROUBLES)
@settings(max_examples=EXAMPLES)
def test_a_thread_in_trouble_comes_to_its_end_and_does_everything_once(
    top: Plot, below: Plot, way: str, trouble: Trouble
) -> None:
    async def whole() -> None:
        effects = ([], [])  # type: ignore[var-annotated]
        store = await meets(trouble, top, below, effects)
        if store:
            await goes_on(top, below, store, way, effects)
            for keys in effects:
                assert max(Counter(keys).values(), default=0) <= 1

    live(whole())


@pytest.mark.slow
def test_such_drivers_have_something_to_tell() -> None:
    """Or the test above would say nothing."""

    async def late_events(top: Plot, below: Plot, count: int) -> list[Any]:
        store = Counting(count)
        first, second = (team(top, below, store) for _ in range(2))
        running = asyncio.create_task(settled(first.run("go", thread="t"), first))
        await store.reached.wait()
        await take(second, store, True)
        await running
        await asyncio.sleep(LONGEST_S)
        return [r.event for records in await store.logs() for r in records if is_late(r.event)]

    assert any(isinstance(each, e.ToolReturned) for each in live(late_events(PAYS, PAYS, 5)))
    below = [live(late_events(ASKS_HELPER, PAYS, count)) for count in range(5, 12)]
    assert any(below)
