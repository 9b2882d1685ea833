"""Brings a thread to its end, whoever drives it: the living are followed, the dead are replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..core.errors import Fenced, SeqTaken
from ..core.state import OPEN_PHASES
from ..core.waits import is_at_work
from ..stores.store import Store
from .children import refuse_child
from .drives import find_beat, find_drive, refuse_while_stopping, wait_for_drive
from .end_turn import end_abandoned_children
from .log import Log
from .pulse import Pulse
from .require_log import require_log
from .world import World

LOOK_S = 0.1
"""How often a follower looks how far the driver has come."""

T = TypeVar("T")


async def resume_thread(
    thread_id: str,
    store: Store,
    world: World,
    take: bool,
    go_on: Callable[[Log, bool], Awaitable[T]],
) -> T:
    """What `go_on` gives, which drives the thread's open turn or reads how the last one ended.

    It is called once nobody alive drives the thread, or at once with `take`, and is told whether
    the thread is as it was at first: a turn that has failed meanwhile isn't tried again by those
    who have only waited for it. Raises as `go_on`; UnknownThread; UsageError for a child at work,
    which only its parent's driver may drive.
    """
    seen_seq = turn_seq = 0
    while True:
        log = await require_log(thread_id, store, world, turn_seq)
        seen_seq = seen_seq or log.state.seq
        if not turn_seq and log.state.turn and log.state.phase in OPEN_PHASES:
            # Somebody may say something new as soon as this turn is over: that isn't asked for.
            turn_seq = log.turn_seq = log.state.turn.opened_seq
        if log.state.phase in OPEN_PHASES:
            refuse_child(log, "it goes on when its parent's thread is resumed")
        if not take:
            await follow_driver(log)
        await end_abandoned_children(log)
        found_seq = log.state.seq
        try:
            result = await go_on(log, found_seq == seen_seq)
            if log.has_claimed or log.state.seq == found_seq or not is_at_work(log.state):
                return result
        except (Fenced, SeqTaken):
            if log.has_claimed:
                raise
        take = False  # somebody else was faster, or goes on after all: follow them


async def follow_driver(log: Log) -> None:
    """Return once the turn is over, or nobody alive drives it.

    Raises StoreErrors; Stopped where this process is to stop and another one drives the turn.
    """
    pulse = Pulse(asyncio.get_running_loop().time)
    while log.state.phase in OPEN_PHASES:
        beat = find_beat(log)
        if beat is None:
            await log.refresh()
            if find_beat(log) is None:
                return
            continue
        if pulse.stands((log.state.claim, beat)):
            return
        if not find_drive(log.store, log.thread_id):
            refuse_while_stopping()  # else whoever only waits would hold up the end
        await wait_for_drive(log.store, log.thread_id, LOOK_S)
        await log.refresh()
