"""What came of a worker's job."""

import msgspec

from ..core.due import next_look
from ..runtime.log import Log


class Done(msgspec.Struct, frozen=True):
    """What came of a job, once a worker has seen to it."""

    outcome: str
    """The status of the thread that was resumed; `idle` where there was nothing to do, `held` where
    somebody alive drives it, `crowded` where as many are driven as may be; `swept` and `looked`, of
    sweeps and timetables; else why it wasn't done: `interrupted`, `unavailable`, `unfit`, where
    this worker's code isn't for it, `bug`.
    """
    again_s: float | None = None
    """The seconds after which it is to be done again."""
    lag_s: float | None = None
    """How long the thread had been due, in seconds; None where none was resumed."""
    error: str = ""
    """The kind of the error that ended it."""


def find_lag_s(log: Log) -> float:
    """How long the thread has been due: since it was left alone, or since its time came."""
    now, since, look = log.world.now(), log.records[-1].at, next_look(log.state)
    if look is not None and look <= now:
        since = max(since, look)
    return max(0.0, now - since)
