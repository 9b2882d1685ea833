"""The place of a thread among those that wait for room in accounts.

1. Whoever waits stands in line for the accounts that had no room for it, and for no others.
2. The first in line looks whether anything was written, and tries again. Whoever stands behind
   another of the same event loop only waits for that one to leave: so many that wait cost nothing.
3. Drivers that are dead, or that stand still, are waited for by nobody.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from ..core.account import Holder
from ..core.errors import AccountFull, SeqTaken, StoreError, TreadleError
from ..stores.store import Queued, Watchable
from .drives import find_beat_of, rest
from .log import Log
from .resume import Pulse

LOOK_S = 0.02
"""How soon the first in line looks whether anything was written; later it looks less often."""
SLOW_LOOK_S = 0.1
TRY_S = 1.0
"""How often it tries where nothing was."""
TRY_BEHIND_S = 5.0
"""As above, for one that stands behind another of this event loop."""

_lines: dict[tuple[asyncio.AbstractEventLoop, int], dict[str, asyncio.Event]] = {}
"""By what they have in common, the threads that wait. Empty lines are forgotten."""


class Line:
    """The place of one thread, for one model call."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._accounts: list[str] = []
        """Those that had no room."""
        self._left = asyncio.Event()
        """Set once it waits no longer."""
        self._pulses: dict[str, Pulse] = {}
        """By claim."""

    async def wait(self, full: AccountFull) -> bool:
        """Wait until room may have come; False where none will. Raises SeqTaken, Stopped."""
        log = self.log
        ahead = await self._drop_dead(full.ahead)
        if len(ahead) < len(full.ahead):
            return True  # they are out of the way
        holders = [holder for holder in full.balance.holders if self._is_alive(holder)]
        if not ahead and not holders and full.again_s is None:
            return False
        await self._queue(full)
        seq = log.state.seq
        with log.idle.running(waits=True):
            if before := _find_before(log, ahead):
                await self._rest_behind(before)
            elif full.again_s is not None and not ahead:
                await self._rest_until_written(full.again_s)
            else:
                await self._rest_until_written(TRY_S)
        if log.state.seq != seq:
            raise SeqTaken(f"somebody wrote to thread {log.thread_id} while its model call waited")
        return True

    async def leave(self) -> None:
        """Wait no longer."""
        log = self.log
        if not self._accounts:
            return
        lines = _lines.get(_beside(log), {})
        if lines.get(log.thread_id) is self._left:
            del lines[log.thread_id]
            if not lines:
                del _lines[_beside(log)]
        self._left.set()
        if isinstance(log.store, Queued):
            with contextlib.suppress(TreadleError):  # its claim shows others that nobody waits
                await log.store.leave_queue(log.thread_id, log.own_claim)

    async def _queue(self, full: AccountFull) -> None:
        is_new = full.account not in self._accounts
        if is_new:
            self._accounts.append(full.account)
        _lines.setdefault(_beside(self.log), {})[self.log.thread_id] = self._left
        if isinstance(self.log.store, Queued) and (is_new or not full.is_queued):
            await self.log.store.queue(self.log.thread_id, self.log.own_claim, self._accounts)

    async def _rest_behind(self, before: asyncio.Event) -> None:
        """Rest until that one has left the line, or something was written to the thread."""
        seq, rested_s = self.log.state.seq, 0.0
        while rested_s < TRY_BEHIND_S and not before.is_set() and self.log.state.seq == seq:
            await rest(self.log, TRY_S, before)
            rested_s += TRY_S

    async def _rest_until_written(self, seconds: float) -> None:
        """Rest so long, or until anything is written to the store."""
        store = self.log.store
        if not isinstance(store, Watchable):
            await rest(self.log, min(LOOK_S, seconds))
            return
        before, rested_s = _version(store), 0.0
        while rested_s < seconds and before is not None and _version(store) == before:
            pause_s = min(max(LOOK_S, rested_s / 4), SLOW_LOOK_S, seconds - rested_s)
            await rest(self.log, pause_s)
            rested_s += pause_s

    async def _drop_dead(self, ahead: Sequence[Holder]) -> list[Holder]:
        """Those of them that still wait; the others are taken out of the line."""
        living: list[Holder] = []
        for holder in ahead:
            if self._is_alive(holder):
                living.append(holder)
            elif isinstance(self.log.store, Queued):
                await self.log.store.leave_queue(holder.thread_id, holder.claim)
        return living

    def _is_alive(self, holder: Holder) -> bool:
        """Whether a driver works on the thread: then it settles or leaves by itself."""
        beat = find_beat_of(self.log.store, holder.thread_id, holder.claim)
        if beat is None:
            return False
        clock = asyncio.get_running_loop().time
        pulse = self._pulses.setdefault(holder.claim, Pulse(clock))
        return not pulse.stands(beat)


def _version(store: Watchable) -> object:
    try:
        return store.version()
    except StoreError:
        return None  # the next try will meet it


def _find_before(log: Log, ahead: Sequence[Holder]) -> asyncio.Event | None:
    """Of the last of these that waits in this event loop, what it sets as it leaves the line."""
    lines = _lines.get(_beside(log), {})
    found = [lines[each.thread_id] for each in ahead if each.thread_id in lines]
    return found[-1] if found else None


def _beside(log: Log) -> tuple[asyncio.AbstractEventLoop, int]:
    """What those have in common that wait in this event loop for accounts of the log's store."""
    return asyncio.get_running_loop(), id(log.store)


def count_in_line() -> int:
    """How many threads of this process wait for room in accounts just now. From any thread."""
    return sum(len(lines) for lines in list(_lines.values()))
