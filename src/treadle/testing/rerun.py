"""Runs a recorded thread again with today's agent, with the recorded messages, replies and results.

1. Messages, model replies, tool results and people's decisions come from the recording. No network,
   no tool.
2. Everything else is the agent's: its checks of arguments, limits, approval rules and retries. So a
   prompt may change, where a replay (runtime/replay.py) would stop at the first different byte; but
   a change of what becomes of a call shows.
3. If the agent needs something that was not recorded, the run fails with an AssertionError.
4. The clock shows the recorded seconds of work: waiting for people and downtime take none.
5. Its checks, and rules with functions, are asked with the deps that are given. Without deps, a
   function of instructions isn't called: the recorded ones are taken.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as settings_with
from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context
from ..core.decide import Wait, decide
from ..core.errors import IllegalEvent, ReplayEnds
from ..core.model import Model, PreparedCall
from ..core.result import Result, read_result
from ..core.state import State, apply
from ..core.tool import Tool
from ..core.turn import find_call
from ..core.verify import VERIFY
from ..evals.actual_calls import ActualCall, actual_calls, parse_arguments
from ..evals.json_diff import find_differences
from ..runtime.agent import AnyAgent
from ..runtime.answer_type import with_output
from ..runtime.drive import append_opening
from ..runtime.log import Log
from ..runtime.loop import run_loop
from ..runtime.settings import Hands, OfRun, RunSettings
from ..runtime.world import World, no_sleep
from ..stores.memory import MemoryStore
from .recorded_turns import Outcome, RecordedTurn, split_turns
from .stand_ins import make_stand_in, make_stand_ins


class NotRecorded(AssertionError):
    """Today's agent needs something that was not recorded."""


class _Stopped(ReplayEnds):
    """The recorded turn was stopped here, so this one is too."""


async def rerun(
    records: Sequence[e.Record], agent: AnyAgent, deps: Any = None
) -> tuple[Result, ...]:
    """The result of each turn.

    Raises NotRecorded, and UsageError for an agent with wrong settings; NeedsDeps for a check that
    is of no use without deps.
    """
    if agent.model is None or isinstance(agent.model, str):
        agent = settings_with(agent, model=make_stand_in(records))
    elif isinstance(agent.model, Sequence):
        agent = settings_with(agent, model=make_stand_ins(agent.model, records))
    clock = _Clock(records[0].at)
    log = Log(
        records[0].thread_id,
        MemoryStore(),
        World(now=lambda: clock.at, monotonic=lambda: clock.at, sleep=no_sleep),
    )
    calls = {call.call_id: call for call in actual_calls(records)}
    await log.append(e.ThreadStarted(agent.name, log.world.new_id()))
    settings = agent.run_settings
    if deps is None:
        settings = _with_recorded_instructions(settings, records)
    results = []
    for turn in split_turns(_leave_out_waiting(records)):
        done = await _Rerun(turn, calls, log, settings, clock, deps).run()
        results.append(with_output(done, agent._answer_type))
    return tuple(results)


def _with_recorded_instructions(settings: RunSettings, records: Sequence[e.Record]) -> RunSettings:
    """The settings, with what each agent's model was told, where today's instructions are a
    function."""
    events = [record.event for record in records]
    described = {event.agent: event for event in events if isinstance(event, e.AgentDescribed)}
    team = {name: each.told_as(described.get(name)) for name, each in settings.team.items()}
    return settings_with(settings.told_as(described.get(settings.name)), team=team)


@dataclass
class _Clock:
    """The recorded time, moved on by each record that is used."""

    at: float

    def use(self, record: e.Record) -> Any:
        """The record's event; the clock moves to its time."""
        self.at = max(self.at, record.at)
        return record.event


def _leave_out_waiting(records: Sequence[e.Record]) -> list[e.Record]:
    """The records, each at the time that it would have had without any waiting."""
    state = State()
    before_s = 0.0
    timed: list[e.Record] = []
    for record in records:
        if isinstance(record.event, e.UserSaid) and not record.event.answers and state.turn:
            before_s += state.turn.active_s
        state = apply(state, record)
        worked_s = before_s
        if state.turn:
            worked_s += state.turn.active_s
        timed.append(replace(record, at=records[0].at + worked_s))
    return timed


async def _find_nothing(log: Log, tool: Tool, call: CallState, _: Context) -> e.OutcomeDecided:
    """What a tool's `verify` says: where it told what became of the call, that is recorded."""
    return e.OutcomeDecided(call.id, "unclear", VERIFY)


@dataclass
class _Rerun:
    """One turn that is run again."""

    turn: RecordedTurn
    calls: dict[str, ActualCall]
    log: Log
    run_settings: RunSettings
    clock: _Clock
    deps: Any
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Result:
        self.log.listeners = (lambda _: self.moved.set(),)
        # What others have used of its budgets isn't in the recording.
        run = OfRun(self.deps, hands=Hands(self._call_model, self._run_tool, _find_nothing))
        settings = settings_with(self.run_settings, run=run, budgets=())
        claimed = e.ThreadClaimed(self.log.world.new_id())
        first, *later = self.turn.raises
        await append_opening(self.log, [claimed, self.clock.use(self.turn.said), *first])
        try:
            await self._go_on(settings)
            for raises in later:
                if read_result(self.log.records, self.log.state).status != "limit":
                    break
                reopened = e.ThreadClaimed(self.log.world.new_id(), reopens=True)
                await self.log.append(*raises, reopened)
                await self._go_on(settings)
        except _Stopped:
            if self.turn.ended:
                await self.log.append(self.turn.ended)
        result = read_result(self.log.records, self.log.state)
        await self._take_back()
        return result

    async def _go_on(self, settings: RunSettings) -> None:
        """Drive the turn until it ends, with the recorded decisions where it waits for them."""
        await run_loop(self.log, settings)
        while waiting := read_result(self.log.records, self.log.state).waiting:
            await self._decide(waiting)
            await run_loop(self.log, settings)

    async def _decide(self, waiting: Sequence[e.PendingDecision]) -> None:
        """Append the recorded decisions on these calls.

        Raises _Stopped or NotRecorded if there are none.
        """
        decided = [call for call in waiting if self.turn.decisions.get((call.id, call.status))]
        if not decided and self.turn.stopped:
            raise _Stopped
        if not decided:
            call = waiting[0]
            raise NotRecorded(
                f"{call.name}({call.final_arguments}) waits for a person now:"
                f" {call.reason or call.status}. In the recording nobody was asked,"
                f" and the call was {self.calls[call.id].status}"
            )
        for call in decided:
            turn = self.log.state.turn
            # An "always" may have allowed the call in the meantime.
            if turn and find_call(turn, call.id).status == call.status:
                await self.log.append(self.turn.decisions[call.id, call.status].popleft())
        outcomes = [self.turn.outcomes.get(call.id) for call in decided]
        await self._take_back(self.turn.replies, *outcomes)

    async def _take_back(self, *coming: Sequence[e.Record] | None) -> None:
        """Take back the permissions that a person took back before any of this came."""
        upto_seq = min((each[0].seq for each in coming if each), default=math.inf)
        taken_back = self.turn.taken_back
        while taken_back and taken_back[0].seq < upto_seq:
            with contextlib.suppress(IllegalEvent):  # today nobody has given it
                await self.log.append(taken_back.popleft().event)

    async def _call_model(
        self, model: Model, prepared: PreparedCall, *_: Any
    ) -> e.ModelReplied | e.ModelFailed:
        replies = self.turn.replies
        if prepared.event.purpose == "compact":
            replies = self.turn.summaries
        if replies:
            await self._take_back(replies)
            reply: e.ModelReplied | e.ModelFailed = self.clock.use(replies.popleft())
            return reply
        if self.turn.stopped:
            raise _Stopped
        last = prepared.request.messages[-1]
        raise NotRecorded(
            "the model is asked once more than in the recording;"
            f" the last message is the {last.role}'s: {last.text}"
        )

    async def _run_tool(self, tool: Tool, arguments: str, context: Context, *_: Any) -> Outcome:
        recorded = self.calls[context.call_id]
        outcomes = self.turn.outcomes.get(context.call_id)
        if outcomes:
            changed = "; ".join(find_differences(recorded.arguments, parse_arguments(arguments)))
            if changed:
                raise NotRecorded(
                    f"{tool.name} would run with other arguments than in the recording: {changed}"
                )
            while self._is_early(tool, outcomes[0]):
                self.moved.clear()
                await self.moved.wait()
            await self._take_back(outcomes)
            outcome: Outcome = self.clock.use(outcomes.popleft())
            return outcome
        if pending := self.turn.pending.get(context.call_id):
            noted: e.CallNoted = self.clock.use(pending)
            return noted
        if cut_off := self.turn.cut_off.pop(context.call_id, None):
            unknown: e.ToolFailed = self.clock.use(cut_off)
            return unknown
        if not self.turn.stopped:
            raise NotRecorded(
                f"{tool.name}({arguments}) runs now; in the recording it didn't,"
                f" but was {recorded.status}: {recorded.result}"
            )
        # Calls that did end come first.
        while any(self.turn.outcomes.get(call.id) for call in self._running):
            self.moved.clear()
            await self.moved.wait()
        raise _Stopped

    def _is_early(self, tool: Tool, outcome: e.Record) -> bool:
        """Whether something is still to come that came before it, as calls ran in the background:
        another reply, or the outcome of such a call."""
        if self.turn.replies and self.turn.replies[0].seq < outcome.seq:
            return tool.background and not self._is_idle
        others = [self.turn.outcomes.get(call.id) for call in self._running if call.deferred]
        return any(each and each[0].seq < outcome.seq for each in others)

    @property
    def _is_idle(self) -> bool:
        """Whether nothing goes on before a call in the background has ended."""
        state = self.log.state
        policy = self.run_settings.in_charge(state).policy
        is_called = state.turn and state.turn.called
        return not is_called and isinstance(decide(state, policy), Wait)

    @property
    def _running(self) -> list[CallState]:
        turn = self.log.state.turn
        if turn is None:
            return []
        return [call for call in turn.calls.values() if call.status == "started"]
