"""Tells a driver that works from one that stands still."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

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
    _last: Hashable = None
    _stood_s: float = 0.0
    _looked_at: float | None = field(default=None)

    def stands(self, beat: Hashable) -> bool:
        """Whether this is the beat that has been seen for FROZEN_S seconds."""
        now = self.clock()
        if self._looked_at is not None:
            self._stood_s += min(now - self._looked_at, LONGEST_LOOK_S)
        self._looked_at = now
        if beat != self._last:
            self._last = beat
            self._stood_s = 0.0
        return self._stood_s > FROZEN_S
