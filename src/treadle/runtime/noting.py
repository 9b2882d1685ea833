"""Writes what a tool notes of work elsewhere, while its call runs."""

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from ..core import events as e
from ..core.call import CallState
from ..core.errors import Fenced, IllegalEvent, Stopped
from ..core.pending import POLL_AFTER_S, Pending, due_at, write_handle
from .late import Learn
from .log import Log


@dataclass(frozen=True)
class CallNotes:
    """The notes of one attempt of a call, whose tool may be asked what became of it (`polls`)."""

    log: Log
    call_id: str
    polls: bool
    learn: Learn
    loop: asyncio.AbstractEventLoop

    def note(self, handle: object) -> Awaitable[None]:
        """As `Context.note`."""
        event = e.CallNoted(self.call_id, write_handle(handle), polls=self.polls)
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # a plain function, in a thread of its own: it waits
            asyncio.run_coroutine_threadsafe(self._write(event), self.loop).result()
            return _Done()
        return asyncio.ensure_future(self._write(event))

    def describe(self, pending: Pending) -> e.CallNoted:
        """The event of an attempt that ends without a result, which comes later."""
        now = self.log.world.now()
        until = due_at(pending.due, now)
        if until is None and self.polls:
            until = now + POLL_AFTER_S
        calls = self.log.state.turn.calls if self.log.state.turn else {}
        handle = new_handle(calls.get(self.call_id), pending)
        return e.CallNoted(self.call_id, handle, True, until, self.polls)

    async def _write(self, event: e.CallNoted) -> None:
        try:
            with contextlib.suppress(IllegalEvent):  # by an earlier note it has its result already
                await self.log.append(event)
        except Fenced as error:  # the work may have begun: whoever has the thread learns its name
            writing = self.learn(event)
            if writing:
                await asyncio.shield(writing)
            raise Stopped(f"{error}: nothing may begin here") from None


def new_handle(call: CallState | None, pending: Pending) -> str:
    """The handle, as its event has it: "" where the call has noted it already."""
    return "" if call and call.handle == pending.handle else pending.handle


class _Done:
    """What there is nothing to wait for."""

    def __await__(self) -> Any:
        yield from ()
