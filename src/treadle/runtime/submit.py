"""Leaves a turn to a worker, on whatever machine: one that is said, or one that is to go on.

1. What is said is in the log before anybody is told of it. So it is never lost: where the engine
   can't be reached, or this process dies in between, a worker's sweep finds the thread.
2. Without an engine the thread goes on in this process, in the background.
"""

import asyncio
import logging
import math
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypedDict

from ..core import events as e
from ..core.check_settings import refuse_unknown
from ..core.errors import EngineError, SeqTaken
from ..core.links import start_of_child
from ..core.result import Result
from ..core.turn_after import goes_on
from ..core.type_variables import Output
from ..engines import Engine, GivenEngine, Job, open_engine
from ..stores.store import Store, tenant_of
from .background import Begun, go_on_alone
from .children import refuse_child
from .drives import find_beat, refuse_while_stopping
from .follow import Items
from .given import Given
from .log import Log, open_log
from .message_key import Message, address, find_message, refuse_deleted
from .require_log import require_log
from .runs import Runs
from .said import Said
from .step_ids import refuse_in_flow

TOLD_S = 1.0
"""How long is waited for the engine: what was said is in the log, so nobody needs to."""

_logger = logging.getLogger("treadle")


@dataclass(frozen=True)
class Submitted(Generic[Output]):
    """Where what was said has come; a worker brings its turn to its end."""

    thread_id: str
    turn_seq: int
    """Of the message that opened its turn, in the thread's log."""
    _runs: Runs[Output] = field(repr=False, compare=False)

    def follow(self) -> Items[Output]:
        """The records of its turn as they come, and its Result last; as `Agent.follow`, but for as
        long as it takes until a worker comes."""
        begun = Begun(self.thread_id, self.turn_seq)
        return self._runs.follow(self.thread_id, None, begun, math.inf)

    async def result(self) -> Result[Output]:
        """How its turn ended, or what it waits for. That is waited for, however long it takes.

        Raises as `run` where it failed; Stopped where this process is told to stop.
        """
        while True:
            refuse_while_stopping()
            async with aclosing(self.follow()) as items:
                async for item in items:
                    if isinstance(item, Result) and item.status != "unfinished":
                        return item


class SubmitOptions(TypedDict, total=False):
    """What `submit` of an agent takes besides the message."""

    thread: str | None
    """As in `Options`. Where it has an open turn, the message is said into that."""
    key: str | None
    engine: GivenEngine
    """An engine or its address, such as temporal://localhost:7233. None: that of TREADLE_ENGINE."""


async def submit(runs: Runs[Output], said: Said, options: SubmitOptions) -> Submitted[Output]:
    """Say it in that thread or a new one, and let a worker know. Raises UsageError, StoreErrors.

    UsageError, too, in a flow's code, which would say it again each time that it is resumed.
    """
    refuse_unknown("submit()", options, SubmitOptions)
    refuse_in_flow("submit()")
    turns = runs.turns
    owner, opened = turns.owner, open_engine(options.get("engine"))
    thread, key = options.get("thread"), options.get("key")
    message = address(turns.take(said), thread, key, owner.name, owner.world)
    log = await open_log(message.thread_id, turns.store, owner.world)
    turn_seq = await _say(runs, log, message)
    await go_on(runs, log.thread_id, opened)
    return Submitted(log.thread_id, turn_seq, runs)


async def go_on(
    runs: Runs, thread_id: str, engine: Engine | None, take: bool = False, again: bool = False
) -> None:
    """Have done what `resume` does: by a worker, or in the background where there is no engine.

    What was taken or reopened for a worker is claimed for nobody, so that any of them finds it due.
    Raises UnknownThread, UsageError, StoreErrors.
    """
    if engine is None:
        go_on_alone(thread_id, runs.resume(thread_id, Given(), take, again))
        return
    await reopen(runs, thread_id, take, again)
    await tell_engine(engine, runs.turns.store, runs.turns.owner.name, thread_id)


async def reopen(runs: Runs, thread_id: str, take: bool = False, again: bool = False) -> None:
    """Claim for nobody what `resume` would take or reopen: then its turn is open, and due.

    Raises as `go_on`.
    """
    turns = runs.turns
    log = await require_log(thread_id, turns.store, turns.owner.world)
    while log.state.trusted:
        turns.refuse_other(log)
        reopens = goes_on(log.state.turn, 0, resumed=True, again=again)
        reopens = reopens and not start_of_child(log.records)
        takes = take and log.state.is_open and find_beat(log) is not None
        if not (reopens or takes):
            break
        claim = e.ThreadClaimed(log.world.new_id(), reopens=reopens)
        try:
            await log.append(claim, after=log.state.seq)
            break
        except SeqTaken:  # somebody else wrote; the log has been taken in
            continue


async def tell_engine(engine: Engine, store: Store, agent: str, thread_id: str) -> None:
    """Have a worker resume the thread. Where the engine can't be told, its sweep finds it.

    An engine that is slow, as one that is down may be, is told in the background.
    """

    async def tell() -> None:
        try:
            await engine.submit(Job("resume", agent, thread_id, tenant_of(store)))
        except EngineError as error:
            _logger.warning("thread %s waits for the next sweep: %s", thread_id, error)

    telling = go_on_alone(thread_id, tell())
    await asyncio.wait({telling}, timeout=TOLD_S)


async def _say(runs: Runs, log: Log, message: Message) -> int:
    """Append the message, without a claim; the seq of the one that opened its turn."""
    said, turns = message.said, runs.turns
    while True:
        if found := find_message(log, said, message.made_by_key):
            return found[1]
        await refuse_deleted(log, said)
        refuse_child(log, "say it there by `steer`, which whoever drives its parent sees")
        if log.records and turns.kind == "agent":
            return (await runs.steer(log, said)).turn_seq
        before = [
            event for event in await turns.open(log, said) if not isinstance(event, e.ThreadClaimed)
        ]
        try:
            await log.append(*before, said, after=log.state.seq)
        except SeqTaken:  # the same message may come at the same moment
            await log.refresh()
            continue
        return log.state.seq
