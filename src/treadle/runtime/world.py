"""The world: the one place that clock, chance and new ids come from. Does no I/O.

The pure modules never see it. The loop asks it, and writes what it says into the log.
"""

import asyncio
import os
import platform
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _new_id() -> str:
    """19 digits in base 32: 9 of the time, so that ids sort by it, and 10 of chance."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(7)) & ((1 << 50) - 1)
    number = (milliseconds << 50) | chance
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(90, -5, -5)])


def _driver_name() -> str:
    return f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True)
class World:
    """What a run takes from outside. Replace a field to make a run repeatable."""

    now: Callable[[], float] = time.time
    """Seconds since the epoch."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds by a clock that never jumps: limits of time go by it."""
    chance: Callable[[], float] = random.random
    """A number in [0, 1), which varies the back-offs."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for a back-off. Limits and time-outs go by the event loop's clock."""
    new_id: Callable[[], str] = _new_id
    """A unique name for a thread, a claim or a key."""
    driver: Callable[[], str] = _driver_name
    """Names this process, for the people who read a log."""


async def no_sleep(seconds: float) -> None:
    """Takes no time, as back-offs in a replay."""


async def wait_for_any(
    world: World,
    events: Iterable[asyncio.Event],
    seconds: float | None,
    tasks: Iterable["asyncio.Future[Any]"] = (),
) -> None:
    """Wait until one of these is set or done, or so long by the world's clock; None: for ever."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    if seconds is not None:
        waits.append(asyncio.ensure_future(world.sleep(max(0.0, seconds))))
    try:
        await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if waits[-1].done():
            waits[-1].result()
    finally:
        for each in waits:
            each.cancel()  # which does nothing to one that is done
