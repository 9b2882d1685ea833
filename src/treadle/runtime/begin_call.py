"""Begins a model call: reserves what it may use in all accounts that pay for it, or waits for that.

1. Where an account has no room, the call waits as long as a living driver holds a part of it, or
   waits in front; for a minute's account, until its time comes.
2. Where waiting would bring nothing, the call is made smaller. Where not even that fits, the limit
   is a fact.
3. Nobody waits holding anything, and waiting costs no seconds of work.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from ..core import events as e
from ..core.account import Balance, Holder, is_of_minute, name_of_limit
from ..core.ceiling import NO_CEILING, Ceiling
from ..core.decide import CallModel
from ..core.errors import AccountFull, SeqTaken, TreadleError
from ..core.model import PreparedCall
from ..stores.store import Attended, Queued, Watchable
from .account import Account, find_accounts
from .drives import find_drive, rest
from .log import Log
from .pulse import Pulse
from .request import prepare_call
from .settings import RunSettings

LOOK_S = 0.02
"""How often a call that waits looks whether anything was written."""
TRY_S = 1.0
"""How often it tries where nothing was."""


async def begin_model_call(
    log: Log, settings: RunSettings, asked: CallModel
) -> PreparedCall | None:
    """The call that `decide` asked for, once its ModelCalled is in the log.

    None where another event had to come first: a limit, or what the prompt leaves out from here on.
    Raises as `Log.append`; SeqTaken where somebody wrote to the thread while the call waited.
    """
    room: Ceiling = NO_CEILING
    line: _Line | None = None
    full: Account | None = None
    balance = Balance()
    try:
        while True:
            prepared = prepare_call(log.state, log.prompt, settings, asked, room)
            if not isinstance(prepared, PreparedCall):
                if full and isinstance(prepared, e.LimitReached):
                    prepared = _limit_of(full, balance, prepared.limit, asked)
                await log.append(prepared)
                return None
            accounts = {account.name: account for account in find_accounts(log, settings)}
            called = replace(prepared.event, accounts=tuple(accounts))
            ceilings = {name: account.find_ceiling() for name, account in accounts.items()}
            try:
                # Before it is sent: a crash in flight must leave a mark.
                await log.append(called, ceilings=ceilings)
                return PreparedCall(prepared.request, called, prepared.tries)
            except AccountFull as error:
                line = line or _Line(log)
                room, full, balance = NO_CEILING, accounts[error.account], error.balance
                if not await line.wait(error, tuple(accounts)):
                    room = _room_in(ceilings[full.name], balance)
    finally:
        if line:
            await line.leave()


def _room_in(ceiling: Ceiling, balance: Balance) -> Ceiling:
    """What is left between the two."""
    tokens, usd = ceiling.tokens, ceiling.usd
    return Ceiling(
        tokens if tokens is None else max(0, tokens - balance.tokens),
        usd if usd is None else max(0.0, usd - balance.usd),
    )


def _limit_of(account: Account, balance: Balance, limit: str, asked: CallModel) -> e.LimitReached:
    """The fact that an account has no room for what comes next."""
    ceiling = account.find_ceiling()
    used: float = balance.tokens
    allowed: float | None = ceiling.tokens
    if limit == "cost_usd":
        used, allowed = balance.usd, ceiling.usd
    # A last word isn't waited for: the turn is over without it.
    waits = account.waits and asked.purpose != "answer"
    name = name_of_limit(account.name, limit)
    return e.LimitReached(name, used, allowed or 0.0, account.name, waits, account.until)


@dataclass
class _Line:
    """The place of a thread among those that wait for room in accounts."""

    log: Log
    _is_queued: bool = False
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    """By claim."""

    async def wait(self, full: AccountFull, accounts: Sequence[str]) -> bool:
        """Wait until room may have come; False where none will. Raises SeqTaken, Stopped."""
        log = self.log
        ahead = await self._drop_dead(full.ahead)
        is_next = not ahead and not any(map(self._is_alive, full.balance.holders))
        if is_next and full.again_s is None and not full.ahead:
            return False
        seq, began = log.state.seq, log.world.monotonic()
        if isinstance(log.store, Queued) and not self._is_queued:
            await log.store.queue(log.thread_id, log.own_claim, accounts)
            self._is_queued = True
        if not is_of_minute(full.account) or ahead:
            await self._rest_until_written(TRY_S)
        elif full.again_s is not None:
            await self._rest_until_written(full.again_s)
        log.leave_out(log.world.monotonic() - began)
        if log.state.seq != seq:
            raise SeqTaken(f"somebody wrote to thread {log.thread_id} while its model call waited")
        return True

    async def leave(self) -> None:
        """Wait no longer."""
        if self._is_queued and isinstance(self.log.store, Queued):
            with contextlib.suppress(TreadleError):  # its claim shows others that nobody waits
                await self.log.store.leave_queue(self.log.thread_id)

    async def _rest_until_written(self, seconds: float) -> None:
        """Rest so long, or until anything is written to the store."""
        store = self.log.store
        before = store.version() if isinstance(store, Watchable) else None
        rested_s = 0.0
        while rested_s < seconds:
            pause_s = min(LOOK_S, seconds - rested_s)
            await rest(self.log, pause_s)
            rested_s += pause_s
            if before is None or (isinstance(store, Watchable) and store.version() != before):
                return

    async def _drop_dead(self, ahead: Sequence[Holder]) -> list[Holder]:
        """Those of them that still wait; the others are taken out of the line."""
        living: list[Holder] = []
        for holder in ahead:
            if self._is_alive(holder):
                living.append(holder)
            elif isinstance(self.log.store, Queued):
                await self.log.store.leave_queue(holder.thread_id)
        return living

    def _is_alive(self, holder: Holder) -> bool:
        """Whether a driver works on the thread: then it settles or leaves by itself."""
        store = self.log.store
        if not isinstance(store, Attended):
            return find_drive(store, holder.thread_id) is not None
        beat = store.find_beat(holder.claim)
        if beat is None:
            return False
        clock = asyncio.get_running_loop().time
        pulse = self._pulses.setdefault(holder.claim, Pulse(clock))
        return not pulse.stands(beat)
