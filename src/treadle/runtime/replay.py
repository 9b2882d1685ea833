"""Runs a recorded thread again, offline: the same loop, with a recorded model and recorded tools.

1. What came from outside is taken from the recording: messages, approvals, claims, a cancellation,
   replies, results.
2. What Treadle worked out itself is worked out again, and compared: prompts, refusals, limits, the
   end of the turn.
3. Times are the recording's. So all records are the same to the byte, or the first difference is
   named.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as settings_with
from typing import Any, TypeGuard

from msgspec.structs import asdict, replace

from ..core import events as e
from ..core.context import Context
from ..core.errors import Fenced
from ..core.model import Model, PreparedCall, is_hash_of_said
from ..core.tool import Tool
from ..stores.memory import MemoryStore
from .listeners import Delta
from .log import Log
from .loop import run_loop
from .settings import RunSettings
from .world import World

ToolOutcome = e.ToolReturned | e.ToolFailed | e.ChildWaits
"""The events that an attempt of a tool may end in."""
END_OF_DRIVE = e.ThreadClaimed | e.ThreadForked | e.TurnEnded
"""The events that no driver writes while it works."""


@dataclass(frozen=True)
class Divergence:
    """The first difference between a recording and its replay."""

    seq: int
    field: str
    """Of the event, or `event` where the events are of different kinds."""
    recorded: object
    replayed: object

    def __str__(self) -> str:
        return f"record {self.seq}: {self.field} was {self.recorded!r}, is now {self.replayed!r}"


class Diverged(Fenced):
    """The replay differs from the recording. It stops like a driver that has lost its thread."""


async def replay(records: Sequence[e.Record], settings: RunSettings) -> Divergence | None:
    """Run these records of one thread again; the first difference, or None if there is none.

    Uses no network, runs no tool and waits for nothing. The settings are today's: another system
    prompt, tool schema or limit shows in the first record that it changes.
    """
    return await _Replay(records, settings).run()


def first_difference(recorded: e.Record, replayed: e.Record) -> Divergence | None:
    """How two records of one seq differ; None if they don't."""
    if type(recorded.event) is not type(replayed.event):
        return Divergence(recorded.seq, "event", recorded.event, replayed.event)
    fields = asdict(replayed.event)
    unknown = _incomparable(recorded.event)
    for name, value in asdict(recorded.event).items():
        if value != fields[name] and name not in unknown:
            return Divergence(recorded.seq, name, value, fields[name])
    return None


def _incomparable(event: e.Event) -> Sequence[str]:
    """The fields that this version works out in another way than the one that recorded them did."""
    if isinstance(event, e.ModelCalled) and not is_hash_of_said(event.prompt_hash):
        return ("prompt_hash", "prompt_tokens", "max_output_tokens", "reserved_usd")
    return ()


class _ReplayLog(Log):
    """The replay's log: events from outside are put in at their place in the recording."""

    def __init__(self, replayed: "_Replay") -> None:
        world = World(now=lambda: replayed.next.at, sleep=_no_sleep)
        super().__init__(replayed.thread_id, MemoryStore(), world)
        self._replayed = replayed

    def _worked_s(self, index: int) -> float | None:
        return self._replayed.worked_s(index)

    async def append(self, *events: e.Event, after: int | None = None) -> None:
        events = self._replayed.with_usage(events)
        while self._replayed.next_is_external and events[0] is not self._replayed.next.event:
            self._replayed.check_drive()
            self._replayed.check_description()
            await super().append(self._replayed.next.event)
        shared = self._replayed.count_before_fork(len(events))
        await super().append(*events[:shared], after=after)
        if shared < len(events):
            self._replayed.check_drive()


class _Replay:
    def __init__(self, records: Sequence[e.Record], settings: RunSettings) -> None:
        self._records = records
        self._settings = settings_with(
            settings,
            call_model=self._call_model,
            run_tool=self._run_tool,
            records_description=False,
        )
        self.thread_id = records[0].thread_id
        self._moved = asyncio.Event()
        self._first: Divergence | None = None
        self._log = _ReplayLog(self)
        self._log.listeners = (self._compare,)

    async def run(self) -> Divergence | None:
        while not (self._is_done or self._first):
            if not self.next_is_external:
                return Divergence(self.next.seq, "event", self.next.event, None)
            await self._log.append(self.next.event)
            if not self._is_done and not self.next_is_external:
                with contextlib.suppress(Fenced):
                    await run_loop(self._log, self._settings)
        return self._first

    def _compare(self, replayed: e.Record | Delta) -> None:
        # What comes after the recording's end is not compared: a crash may have cut it off.
        if isinstance(replayed, e.Record) and replayed.seq <= len(self._records):
            recorded = self._records[replayed.seq - 1]
            self._first = self._first or first_difference(recorded, replayed)
        self._moved.set()

    @property
    def _is_done(self) -> bool:
        return len(self._log.records) >= len(self._records)

    @property
    def _next_index(self) -> int:
        return min(len(self._log.records), len(self._records) - 1)

    @property
    def next(self) -> e.Record:
        """The first record that isn't replayed yet; the last one when all are."""
        return self._records[self._next_index]

    @property
    def next_is_external(self) -> bool:
        """Whether the next record came from outside.

        Calls that were cut off stand before the event that has cut them off; that one tells.
        """
        index = self._next_index
        while _is_cut_off(self._records[index].event) and index + 1 < len(self._records):
            index += 1
        return _is_external(self._records[index].event)

    def with_usage(self, events: Sequence[e.Event]) -> tuple[e.Event, ...]:
        """These events; calls that were cut off, with the usage of their children as recorded."""
        recorded: dict[str, e.Event] = {}
        for record in self._upcoming(len(events)):
            if _is_cut_off(record.event):
                recorded[record.event.call_id] = record.event
        return tuple(
            recorded.get(event.call_id, event) if _is_cut_off(event) else event for event in events
        )

    def count_before_fork(self, count: int) -> int:
        """How many of the next `count` records come before a fork, which may split one append."""
        for index, record in enumerate(self._upcoming(count)):
            if index and isinstance(record.event, e.ThreadForked):
                return index
        return count

    def _upcoming(self, count: int) -> Sequence[e.Record]:
        done = len(self._log.records)
        return self._records[done : done + count]

    def worked_s(self, index: int) -> float | None:
        """What the recording says of the record at this place of the next append."""
        at = min(len(self._log.records) + index, len(self._records) - 1)
        return self._records[at].worked_s

    def check_description(self) -> None:
        """Name the difference where the agent of today isn't made of what the recording says."""
        recorded = self.next
        if isinstance(recorded.event, e.AgentDescribed) and not self._first:
            today = self._settings.in_charge(self._log.state).describe()
            self._first = first_difference(recorded, replace(recorded, event=today))

    def check_drive(self) -> None:
        """Raise Fenced where the recorded driver stopped, Diverged after a first difference."""
        if self._first:
            raise Diverged(str(self._first))
        if self._is_done or isinstance(self.next.event, END_OF_DRIVE):
            raise Fenced(
                "the recorded drive stopped here: it crashed, was cancelled, or is still going on"
            )

    async def _call_model(
        self, model: Model, prepared: PreparedCall, *_: Any
    ) -> e.ModelReplied | e.ModelFailed:
        self.check_drive()
        event = self.next.event
        if isinstance(event, e.ModelReplied | e.ModelFailed):
            return event
        raise self._diverge(event)

    async def _run_tool(self, tool: Tool, arguments: str, context: Context, *_: Any) -> ToolOutcome:
        while True:
            self._moved.clear()
            self.check_drive()
            event = self.next.event
            if self.next_is_external:
                await self._log.append(event)
            elif not isinstance(event, ToolOutcome) or event.call_id not in self._started_ids:
                raise self._diverge(event)
            elif event.call_id == context.call_id:
                return event
            else:
                await self._moved.wait()

    @property
    def _started_ids(self) -> set[str]:
        turn = self._log.state.turn
        calls = turn.calls if turn else ()
        return {call.id for call in calls if call.status == "started"}

    def _diverge(self, event: e.Event) -> Diverged:
        """The error of a recording whose next event nothing under way can end in."""
        self._first = Divergence(self.next.seq, "event", event, None)
        self._moved.set()
        return Diverged(str(self._first))


def _is_cut_off(event: e.Event) -> TypeGuard[e.ToolFailed]:
    return isinstance(event, e.ToolFailed) and event.kind == "cancelled"


def _is_external(event: e.Event) -> bool:
    """Whether the event can't be worked out from the records before it."""
    match event:
        case e.TurnEnded():
            return event.status == "cancelled" or event.reason.startswith("a bug")
        case e.OutcomeDecided():
            return event.by != "policy"
        case e.ThreadStarted() | e.ThreadClaimed() | e.ThreadForked() | e.AgentDescribed():
            return True
        case e.TrustChanged() | e.NotesRecalled() | e.UserSaid() | e.ApprovalGiven():
            return True
    return False


async def _no_sleep(seconds: float) -> None:
    """Back-offs take no time in a replay."""
