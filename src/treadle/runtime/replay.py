"""A recorded thread, run again offline: the same loop, with a model and tools that give what they gave then.

1. What came from outside (messages, approvals, claims, a cancel, replies, results) is taken from the recording.
2. What Treadle worked out itself (prompts, refusals, limits, the end) is worked out again, and compared.
3. Times are the recording's. So the replay's records equal it to the byte, or the first difference is named.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as settings_with
from typing import Any, TypeGuard

from msgspec.structs import asdict

from ..core import events as e
from ..core.context import Context
from ..core.errors import Fenced
from ..core.model import Called, Model
from ..core.tool import Tool
from ..stores.memory import MemoryStore
from .job import RunSettings
from .listeners import Delta
from .log import Log
from .loop import drive
from .world import World

Came = e.ToolReturned | e.ToolFailed | e.ChildWaits
"""What may come of an attempt of a tool."""


@dataclass(frozen=True)
class Divergence:
    """The first place where the replay went another way."""

    seq: int
    field: str
    """Of the event, or `event` where the events are of different kinds."""
    recorded: object
    replayed: object

    def __str__(self) -> str:
        return f"record {self.seq}: {self.field} was {self.recorded!r}, is now {self.replayed!r}"


class Diverged(Fenced):
    """The replay went another way, and stops like a drive that has lost its thread."""


async def replay(records: Sequence[e.Record], job: RunSettings) -> Divergence | None:
    """Run these records of one thread again; None if all came out the same. No network, no tool, no waiting.

    `job` is the agent of today: another prompt, tool schema or limit shows as the first difference that it makes.
    """
    return await _Replay(records, job).run()


def first_difference(recorded: e.Record, replayed: e.Record) -> Divergence | None:
    """How two records of one seq differ."""
    was, now = recorded.event, replayed.event
    if type(was) is not type(now):
        return Divergence(recorded.seq, "event", was, now)
    then, again = asdict(was), asdict(now)
    changed = [name for name in then if then[name] != again[name]]
    return (
        Divergence(recorded.seq, changed[0], then[changed[0]], again[changed[0]])
        if changed
        else None
    )


class _Recorded(Log):
    """The replay's log: what came from outside gets in at its place, before what is decided next."""

    def __init__(self, replayed: "_Replay") -> None:
        super().__init__(
            replayed.thread_id, MemoryStore(), World(now=lambda: replayed.next.at, sleep=_at_once)
        )
        self._replayed = replayed

    async def append(self, *events: e.Event, after: int | None = None) -> None:
        events = tuple(self._replayed.with_usage(events))
        while self._replayed.outside and events[0] is not self._replayed.next.event:
            self._replayed.check_drive()
            await super().append(self._replayed.next.event)
        shared = self._replayed.before_fork(len(events))
        await super().append(*events[:shared], after=after)
        if shared < len(events):
            self._replayed.check_drive()


class _Replay:
    def __init__(self, records: Sequence[e.Record], job: RunSettings) -> None:
        self._records = records
        self._job = settings_with(job, ask=self._ask, run_tool=self._run_tool)
        self.thread_id = records[0].thread_id
        self._moved = asyncio.Event()
        self._first: Divergence | None = None
        self._log = _Recorded(self)
        self._log.listeners = (self.compare,)

    async def run(self) -> Divergence | None:
        while not (self._done or self._first):
            if not self.outside:
                return Divergence(self.next.seq, "event", self.next.event, None)
            await self._log.append(self.next.event)
            if not self._done and not self.outside:
                with contextlib.suppress(Fenced):
                    await drive(self._log, self._job)
        return self._first

    def compare(self, replayed: e.Record | Delta) -> None:
        # What comes after the recording's end is not compared: it may have been cut off by a crash.
        if (
            isinstance(replayed, e.Record)
            and not self._first
            and replayed.seq <= len(self._records)
        ):
            self._first = first_difference(self._records[replayed.seq - 1], replayed)
        self._moved.set()

    @property
    def _done(self) -> bool:
        return len(self._log.records) >= len(self._records)

    @property
    def next(self) -> e.Record:
        """The first record that isn't replayed yet; the last one when all are."""
        return self._records[min(len(self._log.records), len(self._records) - 1)]

    @property
    def outside(self) -> bool:
        """Whether the next record came from outside. Calls that were cut off are told before what has ended them."""
        at = min(len(self._log.records), len(self._records) - 1)
        while _cut_off(self._records[at].event) and at + 1 < len(self._records):
            at += 1
        return _from_outside(self._records[at].event)

    def with_usage(self, events: Sequence[e.Event]) -> list[e.Event]:
        """These events, with what the children of calls that were cut off had used: the recording knows that."""
        done = len(self._log.records)
        used: dict[str, e.Event] = {}
        for record in self._records[done : done + len(events)]:
            if _cut_off(record.event):
                used[record.event.call_id] = record.event
        return [used.get(event.call_id, event) if _cut_off(event) else event for event in events]

    def before_fork(self, count: int) -> int:
        """How many of the next `count` records come before a fork, which may be in the midst of one append."""
        done = len(self._log.records)
        coming = self._records[done : done + count]
        return next(
            (
                index
                for index, r in enumerate(coming)
                if index and isinstance(r.event, e.ThreadForked)
            ),
            count,
        )

    def check_drive(self) -> None:
        """Raises Fenced where the recorded drive got no further, Diverged where the replayed one must not."""
        if self._first:
            raise Diverged(str(self._first))
        if self._done or isinstance(
            self.next.event, e.ThreadClaimed | e.ThreadForked | e.TurnEnded
        ):
            raise Fenced(
                "the recorded drive stopped here: it crashed, was cancelled, or is still going on"
            )

    async def _ask(self, model: Model, called: Called, *_: Any) -> e.ModelReplied | e.ModelFailed:
        self.check_drive()
        event = self.next.event
        if isinstance(event, e.ModelReplied | e.ModelFailed):
            return event
        raise self._stray(event)

    async def _run_tool(self, tool: Tool, arguments: str, context: Context, *_: Any) -> Came:
        while True:
            self._moved.clear()
            self.check_drive()
            event = self.next.event
            if self.outside:
                await self._log.append(event)
            elif not isinstance(event, Came) or event.call_id not in self._under_way:
                raise self._stray(event)
            elif event.call_id == context.call_id:
                return event
            else:
                await self._moved.wait()

    @property
    def _under_way(self) -> set[str]:
        turn = self._log.state.turn
        return {call.id for call in turn.calls if call.status == "started"} if turn else set()

    def _stray(self, event: e.Event) -> Diverged:
        """The recording goes on with what nothing under way can bring."""
        self._first = Divergence(self.next.seq, "event", event, None)
        self._moved.set()
        return Diverged(str(self._first))


def _cut_off(event: e.Event) -> TypeGuard[e.ToolFailed]:
    return isinstance(event, e.ToolFailed) and event.kind == "cancelled"


def _from_outside(event: e.Event) -> bool:
    """Whether it could not have been worked out from the records before."""
    if isinstance(event, e.TurnEnded):
        return event.status == "cancelled" or event.reason.startswith("a bug")
    if isinstance(event, e.OutcomeDecided):
        return event.by != "policy"
    outside = (
        e.ThreadStarted,
        e.ThreadClaimed,
        e.ThreadForked,
        e.NotesRecalled,
        e.UserSaid,
        e.ApprovalGiven,
    )
    return isinstance(event, outside)


async def _at_once(seconds: float) -> None:
    """Back-offs take no time in a replay."""
