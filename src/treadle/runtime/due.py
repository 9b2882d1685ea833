"""Finds the threads that somebody has to resume. Starts nothing."""

import asyncio
from collections.abc import Collection

import msgspec

from ..core.errors import IllegalEvent, StoreDamaged
from ..core.links import start_of_child
from ..core.waits import find_tree_waits
from ..stores.archive import ALL_THREADS
from ..stores.store import Store, ThreadInfo, Timed, Waking
from .drives import find_beat, find_beat_of
from .log import Log, open_log
from .waiting_children import read_waiting_children
from .world import World


class Due(msgspec.Struct, frozen=True):
    """A thread that somebody has to resume."""

    thread_id: str
    agent: str
    """The name of the agent or flow in charge."""
    updated_at: float
    """When the last record was written: seconds since the epoch, UTC."""


async def find_due(store: Store, world: World) -> list[Due]:
    """The threads that are unfinished, wait for nobody and have no living driver.

    The one that was left first comes first. No children, which go on with their parents, and no
    damaged ones. Raises StoreErrors.
    """
    due: list[Due] = []
    infos = await store.threads(ALL_THREADS, status="unfinished", parent="")
    if isinstance(store, Timed):
        infos += await store.find_waking(world.now())
    else:  # perhaps their time has come
        infos += await store.threads(ALL_THREADS, status="waiting", parent="")
    for info in sorted(infos, key=lambda each: each.position):
        await asyncio.sleep(0)  # else a thousand waiting threads hold the event loop up
        if isinstance(info, Waking) and info.claim is not None:
            if find_beat_of(store, info.thread_id, info.claim) is None:
                due.append(Due(info.thread_id, info.agent, info.updated_at))
            continue
        log = await _open(info, store, world)
        if log and await is_due(log):
            due.append(Due(info.thread_id, log.state.agent, info.updated_at))
    return due


async def name_due(store: Store, world: World, agents: Collection[str]) -> list[str]:
    """The names of those of which one of these agents is in charge."""
    return [each.thread_id for each in await find_due(store, world) if each.agent in agents]


async def is_due(log: Log) -> bool:
    """Whether the thread is unfinished, waits for nobody and has no living driver."""
    if not log.state.is_open or start_of_child(log.records):
        return False
    if find_beat(log) is not None:
        return False
    states = await read_waiting_children(log)
    states[log.thread_id] = log.state
    return not find_tree_waits(log.thread_id, states, now=log.world.now())


async def _open(info: ThreadInfo, store: Store, world: World) -> Log | None:
    """The thread's log; None if it is damaged."""
    try:
        return await open_log(info.thread_id, store, world)
    except (StoreDamaged, IllegalEvent):
        return None
