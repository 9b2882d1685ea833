"""Waits for whoever drives a thread: the living are followed, the dead are replaced.

This says only whom not to disturb. Who may write is up to the log: it takes one of two claims that
come at once.
"""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from .drives import find_beat, find_drive, refuse_while_stopping
from .log import Log

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
        drive = find_drive(log.store, log.thread_id)
        if drive is None:
            refuse_while_stopping()  # else whoever only waits would hold up the end
        if drive and drive.task is not asyncio.current_task():
            await drive.wait_for_end(LOOK_S)
        else:
            await asyncio.sleep(LOOK_S)
        await log.refresh()


async def is_driven(log: Log) -> bool:
    """Whether somebody drives the turn whose beat goes on. Takes a moment where somebody might.

    A driver that stands still isn't to be disturbed yet: `follow_driver` waits until it is sure.
    """
    claim, beat = log.state.claim, find_beat(log)
    if not log.state.is_open or beat is None:
        return False
    await asyncio.sleep(BEATEN_S)
    await log.refresh()
    return (log.state.claim, find_beat(log)) != (claim, beat)


BEATEN_S = 1.5
"""Within so long a driver has beaten that is alive."""
FROZEN_S = 3.0
"""A driver without a beat for so long is taken for dead: it is stopped, or its event loop is."""
LONGEST_LOOK_S = 0.5
"""The most that the time between two looks counts: a follower that stood still itself saw nothing.

So when a laptop or a container wakes, nobody looks dead.
"""


@dataclass
class Pulse:
    """How long the last beat of a driver was the last."""

    clock: Callable[[], float]
    most_s: float = FROZEN_S
    longest_look_s: float = LONGEST_LOOK_S
    _last: Hashable = None
    _stood_s: float = 0.0
    _looked_at: float | None = None

    def stands(self, beat: Hashable) -> bool:
        """Whether this is the beat that has been seen for `most_s` seconds."""
        now = self.clock()
        if self._looked_at is not None:
            self._stood_s += min(now - self._looked_at, self.longest_look_s)
        self._looked_at = now
        if beat != self._last:
            self._last = beat
            self._stood_s = 0.0
        return self._stood_s >= self.most_s
