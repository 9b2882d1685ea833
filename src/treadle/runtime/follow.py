"""Follows a turn, whoever drives it: its records, its children's, and at last how it ended.

1. Following changes nothing. Who stops following stops nothing, however they leave.
2. Where this process drives the thread, its drive tells each record and piece of text. Elsewhere
   the logs are read whenever they have grown. A record is given once, whatever way it came.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.links import is_child_in
from ..core.result import Result
from ..core.type_variables import Output
from ..stores.store import Attended
from .background import Begun
from .drives import Drive, find_beat, find_drive, is_stopping
from .listeners import Delta
from .log import Log, open_log
from .one_turn import is_over, seq_before
from .resume import Pulse
from .waiting_children import read_tree_waits
from .watch import wait_at_most, watching

LOOK_S = 0.5
"""How often a follower looks whether anybody drives the turn, where nothing is written."""
LOST_S = 3.0
"""A turn that nobody has driven for so long is given as unfinished, unless a worker is to come."""

Items = AsyncGenerator[Delta | e.Record | Result[Output], None]
"""Of a turn: pieces of text and records as they come, and its Result last."""

STOPPED = "this process was told to stop; resume the thread to go on"
LEFT = "nobody has driven it for a while; resume the thread to go on"
"""The reasons of a turn that is unfinished."""

ReadEnd = Callable[[Log, int], Result[Output]]
"""Makes the Result of the turn that was opened at this seq; raises what `run` would raise."""


class FollowedTree:
    """A thread and its children, as far as they were given."""

    def __init__(self, log: Log, after: int) -> None:
        self.log = log
        self._logs: dict[str, Log] = {log.thread_id: log}
        self._given: dict[str, int] = {log.thread_id: after}
        self._children: dict[tuple[str, str], str] = {}
        """By a call's thread and id, the thread that works for it."""

    def take(self, record: e.Record) -> bool:
        """Whether the record is to be given now. The answer is yes once."""
        if record.seq <= self._given.get(record.thread_id, 0):
            return False
        self._given[record.thread_id] = record.seq
        return True

    async def read(self, drive: Drive | None = None) -> list[e.Record]:
        """The records that are to be given now; what a child did before what came of it."""
        # Before anything is awaited: what the drive tells from now on is not in its records yet.
        driven = _read_drives(drive) if drive else {}
        new: dict[str, list[e.Record]] = {}
        for records in await self._read_all(driven):
            if records:  # a drive that comes too late has none
                new[records[0].thread_id] = [record for record in records if self.take(record)]
        return list(self._order(new, self.log.thread_id))

    def _order(self, new: dict[str, list[e.Record]], thread_id: str) -> Iterator[e.Record]:
        for record in new.pop(thread_id, ()):
            call_id = getattr(record.event, "call_id", "")
            child = self._children.get((thread_id, call_id), "")
            if not isinstance(record.event, e.ToolStarted | e.ChildStarted):
                yield from self._order(new, child)
            yield record
        for (parent, _), child in self._children.items():
            if parent == thread_id:
                yield from self._order(new, child)

    async def _read_all(self, driven: dict[str, list[e.Record]]) -> list[Sequence[e.Record]]:
        threads: list[Sequence[e.Record]] = []
        waiting = [await self._read_one(self.log.thread_id, driven)]
        while waiting:
            records = waiting.pop()
            threads.append(records)
            for started in self._find_children(records):
                begun = await self._read_one(started.thread_id, driven)
                if is_child_in(records, started, begun):
                    waiting.append(begun)
                    self._children[records[0].thread_id, started.call_id] = started.thread_id
        return threads

    async def _read_one(
        self, thread_id: str, driven: dict[str, list[e.Record]]
    ) -> Sequence[e.Record]:
        if thread_id in driven:
            return driven[thread_id]
        if thread_id in self._logs:
            await self._logs[thread_id].refresh()
        else:
            log = await open_log(thread_id, self.log.store, self.log.world)
            self._logs[thread_id] = log
        return self._logs[thread_id].records

    def _find_children(self, records: Sequence[e.Record]) -> Iterator[e.ChildStarted]:
        """The children that may have records to give: their calls weren't over by then."""
        after = self._given[self.log.thread_id]
        if records and records[0].thread_id != self.log.thread_id:
            after = 0
        last: dict[str, e.ChildStarted] = {}
        for record in records:
            match record.event:
                case e.ChildStarted(call_id=call_id) as started:
                    last[call_id] = started
                case (
                    e.ToolReturned(call_id=call_id)
                    | e.ToolFailed(call_id=call_id, retry_after_s=None)
                ) if record.seq <= after and call_id in last:
                    del last[call_id]
        yield from last.values()

    async def wait_for_growth(self) -> None:
        """Wait until one of these logs may have grown, or for LOOK_S."""
        with watching(*self._logs.values()) as grown:
            await wait_at_most(LOOK_S, grown)


def _read_drives(drive: Drive) -> dict[str, list[e.Record]]:
    """By thread, the records of what this process drives: the thread and its children at work."""
    found: dict[str, list[e.Record]] = {}
    drives = [drive]
    while drives:
        log = drives.pop().log
        found[log.thread_id] = list(log.records)
        for call in log.state.calls.values():
            child = call.child and find_drive(log.store, call.child.thread_id)
            if child and child.log.thread_id not in found:
                drives.append(child)
    return found


async def follow_log(
    log: Log,
    after: int | None,
    read_end: ReadEnd[Output],
    begun: Begun | None = None,
    lost_s: float = LOST_S,
) -> Items[Output]:
    """The records after this seq (None: those of the last turn), then the last turn's Result.

    With `begun` that is the last turn: a later one may have been opened meanwhile. The log is read
    on. A turn that nobody has driven for `lost_s` is given as unfinished. Raises as `read_end`, or
    what has ended this process's drive; UsageError.
    """
    thread_id, store = log.thread_id, log.store
    if log.state.turn is None:
        raise UsageError(f"thread {thread_id} has no turn to follow")
    opened_seq = log.state.turn.opened_seq
    if after is None:
        after = seq_before(log.records, opened_seq)
    tree = FollowedTree(log, after)
    pulse = Pulse(asyncio.get_running_loop().time, lost_s)
    while True:
        drive = None
        if not is_over(log.state, opened_seq):
            drive = find_drive(store, thread_id)
        if drive:
            async with contextlib.aclosing(_hear(tree, drive)) as told:
                async for item in told:
                    yield item
        error = (drive and drive.error) or (begun and begun.error)
        if error:
            raise error
        for record in await tree.read():
            yield record
        if is_over(log.state, opened_seq) or (drive and drive.let_go):
            break
        if not (begun and begun.is_at_work) and await _is_left(log, pulse):
            break
        if not find_drive(store, thread_id):
            if is_stopping():  # else who watches another process's turn would hold up the end
                break
            await tree.wait_for_growth()
    result = read_end(log, opened_seq)
    if result.status == "unfinished":
        was_stopped = is_stopping() or (drive and drive.let_go)
        result = replace(result, reason=STOPPED if was_stopped else LEFT)
    yield result


async def _hear(tree: FollowedTree, drive: Drive) -> AsyncGenerator[Delta | e.Record, None]:
    """What is to be given until the drive ends."""
    with drive.hear() as queue:
        for record in await tree.read(drive):
            yield record
        while (what := await queue.get()) is not None:
            if isinstance(what, Delta) or tree.take(what):
                yield what


async def _is_left(log: Log, pulse: Pulse) -> bool:
    """Whether the turn waits for people, or nobody has driven it for so long.

    Whoever has written since the last look was alive then.
    """
    if await _is_driven(log):
        pulse.stands(None)
        return False
    return bool(await read_tree_waits(log)) or pulse.stands(log.state.seq)


async def _is_driven(log: Log) -> bool:
    """Whether somebody alive drives the turn, as far as that can be known."""
    if find_drive(log.store, log.thread_id) or find_beat(log) is not None:
        return True
    if isinstance(log.store, Attended) or not log.state.driver:
        return False
    return not await read_tree_waits(log)  # its driver may be in another process
