"""Time, chance and names: the one place they come from. Nothing here does I/O.

The pure modules never see this; the loop asks it and writes what it said into the log.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


def _new_id() -> str:
    """Sorts by time to the millisecond: 9 characters of it, 10 of chance, in base 32."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = (time.time_ns() // 1_000_000 << 50) | (int.from_bytes(os.urandom(7)) & ((1 << 50) - 1))
    return "".join(alphabet[number >> shift & 31] for shift in range(90, -5, -5))


@dataclass(frozen=True)
class World:
    """What a run takes from outside. Replace a field to make a run repeatable."""

    now: Callable[[], float] = time.time
    """Seconds since the epoch."""
    chance: Callable[[], float] = random.random
    """In [0, 1): the jitter of back-offs."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for a back-off. Limits and time-outs go by the event loop's clock."""
    new_id: Callable[[], str] = _new_id
    """A name for a thread, a worker, a key; unique."""
