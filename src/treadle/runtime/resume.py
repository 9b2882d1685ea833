"""Waits for whoever drives a thread: the living are followed, the dead are replaced."""

import asyncio

from .drives import find_beat, find_drive, refuse_while_stopping, wait_for_drive
from .log import Log
from .pulse import Pulse

LOOK_S = 0.1
"""How often a follower looks how far the driver has come."""


async def follow_driver(log: Log) -> None:
    """Return once the turn is over, or nobody alive drives it.

    Raises StoreErrors; Stopped where this process is to stop and another one drives the turn.
    """
    pulse = Pulse(asyncio.get_running_loop().time)
    while log.state.is_open:
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
