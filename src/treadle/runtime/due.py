"""Finds the threads that are due: somebody has to resume them. Starts nothing.

A thread is due when its turn is open and no living driver has it, and it waits for nobody or the
time of what it waits for has come.
"""

import asyncio
import math
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import msgspec

from ..core.errors import IllegalEvent, StoreDamaged
from ..core.links import start_of_child
from ..core.waits import find_tree_waits
from ..stores.archive import ALL_THREADS
from ..stores.store import Store, ThreadInfo, Timed, Waking
from .drives import find_beat, find_beat_of
from .log import Log, open_log
from .resume import Pulse
from .waiting_children import read_tree_waits
from .world import World

DAMAGED = (StoreDamaged, IllegalEvent)
"""What a log raises that can't be read: the other threads are looked at all the same."""


class Due(msgspec.Struct, frozen=True):
    """A thread that somebody has to resume."""

    thread_id: str
    agent: str
    """The name of the agent or flow in charge."""
    updated_at: float
    """When the last record was written: seconds since the epoch, UTC."""


class _Seen(msgspec.Struct, frozen=True):
    """What an unfinished thread was when its log was read last."""

    mark: tuple[int, int, float]
    """What its line in the list of threads says of its last record."""
    claim: str
    agent: str
    """The one in charge."""
    is_open: bool
    """Whether it has an open turn, and is no child and not damaged."""


class _Looks(msgspec.Struct):
    """What is remembered of a look at a store's threads."""

    seen: dict[str, _Seen] = {}
    pulses: dict[str, Pulse] = {}
    """Those of the threads' drivers."""


async def find_due(store: Store, world: World) -> list[Due]:
    """The threads that are unfinished, wait for nobody and have no living driver.

    The one that was left first comes first. No children, which go on with their parents, and no
    damaged ones, nor those that wait for a damaged child. A driver that stands still is found by
    the second look, some seconds after the first; `resume` makes sure of it. Raises StoreErrors.
    """
    due: list[Due] = []
    infos = await store.threads(ALL_THREADS, status="unfinished", parent="")
    unfinished = {info.thread_id for info in infos}
    if isinstance(store, Timed):
        infos += await store.find_waking(world.now())
    else:  # perhaps their time has come
        infos += await store.threads(ALL_THREADS, status="waiting", parent="")
    last, looks = _last_looks(store), _Looks()
    for info in sorted(infos, key=lambda each: each.position):
        await asyncio.sleep(0)  # else a thousand waiting threads hold the event loop up
        if info.thread_id in unfinished:
            found = await _look(info, last.seen.get(info.thread_id), store, world)
            looks.seen[info.thread_id] = found
            if found.is_open and _is_alone(info, found.claim, store, world, last, looks):
                due.append(Due(info.thread_id, found.agent, info.updated_at))
        elif isinstance(info, Waking) and info.claim is not None:
            if _is_alone(info, info.claim, store, world, last, looks):
                due.append(Due(info.thread_id, info.agent, info.updated_at))
        else:
            log = await _open(info, store, world)
            with suppress(*DAMAGED):  # of a child that it waits for: nobody knows if it is due
                if log and await is_due(log):
                    due.append(Due(info.thread_id, log.state.agent, info.updated_at))
    last.seen, last.pulses = looks.seen, looks.pulses
    return due


def _last_looks(store: Store) -> _Looks:
    """What was seen of this store's threads when they were looked at last."""
    extras: dict[str, Any] = getattr(store, "extras", {})
    found: _Looks = extras.setdefault("due", _Looks())
    return found


def _is_alone(
    info: ThreadInfo, claim: str, store: Store, world: World, last: _Looks, looks: _Looks
) -> bool:
    """Whether nobody drives the thread by this claim, or its driver has stood still for a while."""
    beat = find_beat_of(store, info.thread_id, claim)
    if beat is None:
        return True
    pulse = last.pulses.get(info.thread_id) or Pulse(world.monotonic, longest_look_s=math.inf)
    looks.pulses[info.thread_id] = pulse
    return pulse.stands((claim, beat))


async def _look(info: ThreadInfo, seen: _Seen | None, store: Store, world: World) -> _Seen:
    """What the thread is: its log is read only where that may have changed since.

    Where the driver that it had is alive, all that has been written since is of no matter.
    """
    mark = (info.position, info.records, info.updated_at)
    if seen and (seen.mark == mark or find_beat_of(store, info.thread_id, seen.claim) is not None):
        return seen
    log = await _open(info, store, world)
    if log is None:
        return _Seen(mark, "", info.agent, is_open=False)
    is_open = log.state.is_open and not start_of_child(log.records)
    is_open = is_open and not find_tree_waits(log.thread_id, {log.thread_id: log.state})
    return _Seen(mark, log.state.claim, log.state.agent, is_open)


async def name_due(store: Store, world: World, agents: Collection[str]) -> list[str]:
    """The names of those of which one of these agents is in charge."""
    return [each.thread_id for each in await find_due(store, world) if each.agent in agents]


async def is_due(log: Log) -> bool:
    """Whether the thread is unfinished, waits for nobody and has no living driver."""
    if not log.state.is_open or start_of_child(log.records):
        return False
    if find_beat(log) is not None:
        return False
    return not await read_tree_waits(log, now=log.world.now())


async def _open(info: ThreadInfo, store: Store, world: World) -> Log | None:
    """The thread's log; None if it is damaged."""
    try:
        return await open_log(info.thread_id, store, world)
    except DAMAGED:
        return None
