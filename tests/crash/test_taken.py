"""A thread that is taken from a living driver after any append: what its calls did is known, and done once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash.scripts import Ordered, Plot, settled
from crash.test_waiting_logs import BELOW, MIXED, WAYS, goes_on, plots, team
from fakes import live
from treadle import Agent, Limits
from treadle.core import events as e
from treadle.core.late import is_late
from treadle.core.state import fold
from treadle.core.waits import after_claim
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.store import Row

RUN_AGAIN = ("sure", "weak")
LONGEST_S = 30.0
"""Longer than all that a driver may still have under way."""


class Counting(Ordered):
    """Says when so many appends are there."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self.reached = asyncio.Event()

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
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
    """The names of calls of which nobody knows what they did, though their process lives."""
    found = []
    for records in await store.logs():
        turn = after_claim(fold(records)).turn
        calls_of = turn.calls.values() if turn and not turn.ended else ()
        found += [call.name for call in calls_of if call.status == "unknown"]
    return [name for name in found if name not in RUN_AGAIN]


COUNTS = st.lists(st.integers(2, 40), min_size=1, max_size=3, unique=True)
PAYS = Plot((calls("alone", "once"), says("done")), Limits(), (2.0,), ())
ASKS_HELPER = Plot((calls(("helper", {"task": "a"})), says("done")), Limits(), (0.35,), ())


@example(PAYS, PAYS, WAYS[0], False, range(1, 12))
@example(ASKS_HELPER, PAYS, WAYS[1], True, range(1, 16))
@given(plots(MIXED), plots(BELOW), st.sampled_from(WAYS), st.booleans(), COUNTS)
@settings(max_examples=12)
def test_what_a_driver_had_begun_ends_in_the_log_when_its_thread_is_taken(
    top: Plot, below: Plot, way: str, works: bool, counts: Sequence[int]
) -> None:
    """`counts`: after how many appends, of all threads together, it is taken."""

    async def whole() -> None:
        for count in counts:
            await taken_after(count)

    async def taken_after(count: int) -> None:
        store, effects = Counting(count), ([], [])  # type: ignore[var-annotated]
        first, second = (team(top, below, store, effects) for _ in range(2))
        running = asyncio.create_task(settled(first.run("go", thread="t"), first))
        reached = asyncio.create_task(store.reached.wait())
        await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if running.done():
            return
        await take(second, store, works)
        await running
        await asyncio.sleep(LONGEST_S)
        assert not await left_unknown(store)
        await goes_on(top, below, store, way, effects)
        for keys in effects:
            assert max(Counter(keys).values(), default=0) <= 1

    live(whole())


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
