"""Runs a recorded thread again, offline: the same loop, with a recorded model and recorded tools.

1. What came from outside is taken from the recording: messages, approvals, claims, a cancellation,
   replies, results.
2. What Treadle worked out itself is worked out again, and compared: prompts, refusals, limits, the
   end of the turn.
3. Times are the recording's. So all records are the same to the byte, or the first difference is
   named.
4. Without an agent, recorded_settings.py says what is taken from the recording besides.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as settings_with
from typing import Any, TypeGuard, TypeVar

from ..core import events as e
from ..core.call import CallState, CallStatus
from ..core.context import Context
from ..core.errors import ReplayEnds, SeqTaken
from ..core.limits import Ceiling
from ..core.next_action import RunCheck
from ..core.tool import Tool
from ..stores.memory import MemoryStore
from .divergence import Diverged, Divergence, first_difference, first_setting_that_differs
from .listeners import Delta
from .log import Log
from .loop import run_loop
from .recorded_events import (
    as_recorded,
    begins_drive,
    comes_from_outside,
    count_before_fork,
    decided_at,
    ends_drive,
    ends_with_turn,
    find_ids,
    is_beside,
    is_of_other,
    is_reply,
    is_said_of,
    is_written_by_tool,
)
from .recorded_settings import RecordedSettings, is_taken_from_recording, refuse_brought_in
from .run_tool import ToolOutcome
from .settings import Hands, RunSettings
from .world import World, no_sleep

E = TypeVar("E", bound=e.Event)


async def replay(
    records: Sequence[e.Record], settings: RunSettings | None = None
) -> Divergence | None:
    """Run these records of one thread again; the first difference, or None if there is none. It
    uses no network, runs no tool and waits for nothing. The settings are today's: another prompt,
    schema or limit shows in the first record that it changes. None: the recording's, from which
    what the agent's code said is taken; UsageError where it doesn't tell enough."""
    refuse_brought_in(records)
    return await _Replay(records, settings).run()


class _ReplayLog(Log):
    """The replay's log: events from outside are put in at their place in the recording."""

    def __init__(self, replayed: "_Replay") -> None:
        world = World(now=lambda: replayed.next.at, sleep=no_sleep)
        super().__init__(replayed.thread_id, MemoryStore(), world)
        self.decides_at = lambda: decided_at(replayed.next, self.state)
        self._replayed = replayed

    def _worked_s(self, index: int) -> float | None:
        return self._replayed.worked_s(index)

    async def put_in(self, event: e.Event) -> None:
        """Write what came from outside, as it was recorded."""
        await super().append(event)

    async def append(
        self,
        *events: e.Event,
        after: int | None = None,
        ceilings: Mapping[str, Ceiling] | None = None,
    ) -> None:
        replayed = self._replayed
        events = replayed.as_recorded(events)  # it was paid then: accounts refuse nothing
        while events[0] is not replayed.next.event or replayed.was_cut_off:
            if replayed.next_is_external:
                replayed.check_drive()
                came = replayed.next.event
                await self.put_in(came)
                if isinstance(came, e.LimitReached):  # it came in the place of the model call
                    raise SeqTaken("others have used it up")
            elif not await replayed.wait_for_background():
                break
        replayed.started |= {each.call_id for each in events if isinstance(each, e.ToolStarted)}
        shared = count_before_fork(replayed.upcoming(len(events)), len(events))
        await super().append(*events[:shared], after=after)
        if shared < len(events):
            self._replayed.check_drive()


class _Replay:
    def __init__(self, records: Sequence[e.Record], settings: RunSettings | None) -> None:
        self._records = records
        self._given = settings
        self._recorded = RecordedSettings(records, lambda: len(self._log.records))
        self.thread_id = records[0].thread_id
        self._moved = asyncio.Event()
        self.started: set[str] = set()  # the calls that the drive has started which is replayed now
        self._first: Divergence | None = None
        self._log = _ReplayLog(self)
        self._log.listeners = (self._compare,)

    async def run(self) -> Divergence | None:
        while not (self._is_done or self._first):
            if not self.next_is_external:
                return Divergence(self.next.seq, "event", self.next.event, None)
            self._check_description()
            came = self.next.event
            await self._log.put_in(came)
            is_driven = not self.next_is_external or begins_drive(came, self._log.state)
            if is_driven and not self._is_done:
                self.started.clear()
                with contextlib.suppress(ReplayEnds):
                    await run_loop(self._log, self._settings)
        return self._first

    @property
    def _settings(self) -> RunSettings:
        """Those given, else those that the recording has at this place. Raises UsageError."""
        state = self._log.state
        if self._given:
            settings = self._given.as_recorded(state.last_described)
        else:
            settings = self._recorded.settings(state)
        hands = Hands(
            self._call_model,
            self._run_tool,
            self._check_call,
            self._recorded.find_place,
            self._run_check,
            are_live=False,
        )
        return settings_with(settings, run=settings_with(settings.run, hands=hands))

    def _compare(self, replayed: e.Record | Delta) -> None:
        is_own = replayed.thread_id == self._log.thread_id  # not of a child that ends with it
        # not what comes after the recording's end
        if is_own and isinstance(replayed, e.Record) and replayed.seq <= len(self._records):
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
        """The first record that isn't replayed yet, or the last one."""
        return self._records[self._next_index]

    @property
    def next_is_external(self) -> bool:
        """Whether the next record came from outside.

        Calls that were cut off stand before the event that has cut them off; that one tells.
        """
        index = self._next_index
        while ends_with_turn(self._records[index].event) and index + 1 < len(self._records):
            index += 1
        event, state = self._records[index].event, self._log.state
        # It ran on while the loop stopped for other settings:
        ran_on = is_beside(event, state) and event.call_id not in self.started
        return ran_on or comes_from_outside(event, state) or self._stops_for(index)

    @property
    def was_cut_off(self) -> bool:
        """Whether the next record ends a call for an end of the turn that came from outside."""
        return ends_with_turn(self.next.event) and self.next_is_external

    def _stops_for(self, index: int) -> bool:
        """Whether the loop stops before that record, to go on with other settings or a limit."""
        before, event = self._records[index - 1].event, self._records[index].event
        if isinstance(event, e.AgentDescribed):
            return True
        turn = self._log.state.turn
        if isinstance(event, e.LimitReached) and event.account:
            return True  # others have used up what the next call was to be paid from
        if isinstance(event, e.ContextCompacted) and turn and turn.limit:
            return True  # how much a last word may be shown depends on what others have used
        return self._given is None and is_taken_from_recording(event, before)

    def as_recorded(self, events: Sequence[e.Event]) -> tuple[e.Event, ...]:
        """These events, with what only the stores of then knew as it was recorded."""
        if self._given is None:
            events = [self._recorded.with_price(each, self._log.state) for each in events]
        return as_recorded(events, self.upcoming(len(events)))

    def upcoming(self, count: int) -> Sequence[e.Record]:
        return self._records[len(self._log.records) :][:count]

    def worked_s(self, index: int) -> float | None:
        """What the recording says of the record at this place of the next append."""
        at = min(len(self._log.records) + index, len(self._records) - 1)
        return self._records[at].worked_s

    def _check_description(self) -> None:
        """Name what is asked of the model today, where no prompt can show the difference."""
        recorded = self.next
        if self._given and isinstance(recorded.event, e.AgentDescribed) and not self._first:
            settings = self._given.as_recorded(recorded.event)
            today = settings.in_charge(self._log.state).with_model(recorded.event.model).describe()
            self._first = first_setting_that_differs(recorded, today)

    def check_drive(self) -> None:
        """Raise ReplayEnds where the recorded driver stopped, Diverged after a first difference."""
        if self._first:
            raise Diverged(str(self._first))
        event = self.next.event
        if self._is_done or ends_drive(event) or self._stops_for(self._next_index):
            raise ReplayEnds(
                "the recorded drive stopped here: it crashed, was cancelled, or goes on"
            )

    async def wait_for_background(self) -> bool:
        """Wait until something is replayed, if that is what came of a call in the background."""
        if not is_beside(self.next.event, self._log.state):
            return False
        self._moved.clear()
        await self._moved.wait()
        if self._first:
            raise Diverged(str(self._first))
        return True

    async def _call_model(self, *_: Any) -> e.ModelReplied | e.ModelFailed:
        return await self._come_to(is_reply)

    async def _run_check(self, _: Log, __: RunSettings, asked: RunCheck) -> e.Checked:
        return await self._come_to(is_said_of(asked))

    async def _come_to(self, is_wanted: Callable[[e.Event], TypeGuard[E]]) -> E:
        """The recorded event that is wanted now; what somebody said before it comes first."""
        while True:
            self.check_drive()
            event = self.next.event
            if is_wanted(event):
                return event
            if self.next_is_external:
                await self._log.put_in(event)
            elif not await self.wait_for_background():
                raise self._diverge(event)

    async def _run_tool(self, tool: Tool, arguments: str, context: Context, *_: Any) -> ToolOutcome:
        return await self._outcome(context.call_id, "started", ToolOutcome)  # type: ignore[no-any-return]

    async def _check_call(self, log: Log, _: Tool, call: CallState, *__: Any) -> Any:
        return await self._outcome(call.id, "unknown", e.OutcomeDecided)

    async def _outcome(self, call_id: str, status: CallStatus, kind: Any) -> Any:
        """The recorded event that the call's attempt or check ends in; None: others came first."""
        while True:
            self._moved.clear()
            if call_id not in find_ids(self._log.state, status):  # somebody else gave its result
                return None if status == "unknown" else e.ToolReturned(call_id, "", 0.0)
            self.check_drive()
            event = self.next.event
            if self.next_is_external or is_written_by_tool(event):
                await self._log.put_in(event)
            elif isinstance(event, kind) and getattr(event, "call_id", "") == call_id:
                return event
            elif is_of_other(event, call_id, self._log.state, self._settings):
                await self._moved.wait()
            else:
                raise self._diverge(event)

    def _diverge(self, event: e.Event) -> Diverged:
        """The error of a recording whose next event nothing can end in."""
        self._first = self._first or Divergence(self.next.seq, "event", event, None)
        self._moved.set()
        return Diverged(str(self._first))
