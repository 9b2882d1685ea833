"""A recorded thread with the agent of today: what was said, replied and returned then, decided on anew.

1. Messages, the model's replies, the tools' results and people's decisions are the recording's. No network, no tool.
2. All else is the agent's: its checks of arguments, its limits, its rules of approval, its retries. So a prompt may
   change, where a replay (../replay.py) would stop at the first byte; what changes the calls' fates is seen.
3. Where the agent asks for what the recording can't give, the run fails as a test does.
4. The clock is the recording's seconds of work: waiting for people, and being down, take none.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as settings_with
from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context
from ..core.errors import Fenced
from ..core.model import Called, Model
from ..core.result import Result, read_result
from ..core.state import State, apply
from ..core.tool import Tool
from ..core.turn import find_call
from ..evals.json_diff import find_differences
from ..evals.trajectory import ActualCall, actual_calls, parse_arguments
from ..models.scripted import ScriptedModel
from ..runtime.agent import Agent
from ..runtime.answers import Answers
from ..runtime.job import RunSettings
from ..runtime.log import Log
from ..runtime.loop import append_opening, drive
from ..runtime.world import World
from ..stores.memory import MemoryStore

Outcome = e.ToolReturned | e.ToolFailed
Decision = e.ApprovalGiven | e.UserSaid
RAN_KINDS = ("raised", "timeout", "result")
"""The kinds of failure of a call that was run."""


class NotRecorded(AssertionError):
    """The agent of today asks for what the recording doesn't have."""


class _Stopped(Fenced):
    """The recorded turn was stopped here, so this one is."""


@dataclass
class _Turn:
    """What one recorded turn can give."""

    said: e.Record
    replies: deque[e.Record] = field(default_factory=deque)
    summaries: deque[e.Record] = field(default_factory=deque)
    """What the model replied when it was asked to compact; the prompt of today may need none."""
    outcomes: dict[str, deque[e.Record]] = field(default_factory=dict)
    """By call id."""
    decisions: dict[str, Decision] = field(default_factory=dict)
    """By call id."""
    ended: e.TurnEnded | None = None

    @property
    def stopped(self) -> bool:
        """Whether it came to no end of its own: it was cancelled, a bug ended it, or the recording breaks off."""
        return (
            self.ended is None
            or self.ended.status == "cancelled"
            or self.ended.reason.startswith("a bug")
        )


async def rerun(records: Sequence[e.Record], agent: Agent) -> tuple[Result, ...]:
    """The result of each turn. Raises NotRecorded, and UsageError for an agent whose settings can't be."""
    if agent.model is None or isinstance(agent.model, str):
        agent = settings_with(agent, model=make_stand_in(records))
    answers = Answers(agent.output) if agent.output is not None else None
    clock = _Clock(records[0].at)
    log = Log(records[0].thread_id, MemoryStore(), World(now=lambda: clock.at, sleep=_at_once))
    calls = {call.call_id: call for call in actual_calls(records)}
    await log.append(e.ThreadStarted(agent.name, log.world.new_id()))
    results = []
    for turn in _turns(_at_work(records)):
        done = await _Rerun(turn, calls, log, agent.run_settings, clock).result(agent.name)
        if answers and done.status == "answered" and answers.check(done.answer) is None:
            done = settings_with(done, output=answers.parse(done.answer))
        results.append(done)
    return tuple(results)


def make_stand_in(records: Sequence[e.Record]) -> Model:
    """A model of the recorded one's name that is never asked, needs no key and cuts no prompt."""
    called = [record.event for record in records if isinstance(record.event, e.ModelCalled)]
    most = max((call.max_output_tokens for call in called), default=4096)
    name = called[0].model if called else "recorded"
    return ScriptedModel([], name=name, context_tokens=10_000_000, max_output_tokens=most)


@dataclass
class _Clock:
    at: float

    def given(self, record: e.Record) -> Any:
        """The record's event; it is now as late as it was then."""
        self.at = max(self.at, record.at)
        return record.event


def _at_work(records: Sequence[e.Record]) -> list[e.Record]:
    """The records, each at the time that it would be if nobody had ever waited."""
    state, before_s, timed = State(), 0.0, []
    for record in records:
        if isinstance(record.event, e.UserSaid) and not record.event.answers and state.turn:
            before_s += state.turn.active_s
        state = apply(state, record)
        worked_s = before_s + (state.turn.active_s if state.turn else 0.0)
        timed.append(replace(record, at=records[0].at + worked_s))
    return timed


def _turns(records: Sequence[e.Record]) -> list[_Turn]:
    turns: list[_Turn] = []
    aside = False
    for record in records:
        match record.event:
            case e.UserSaid(answers=""):
                turns.append(_Turn(record))
            case e.ModelCalled(purpose=purpose):
                aside = purpose == "compact"
            case e.ModelReplied() | e.ModelFailed():
                (turns[-1].summaries if aside else turns[-1].replies).append(record)
            case e.ToolFailed(kind=kind) if kind not in RAN_KINDS:
                pass  # refused without being run: whether it is now is decided anew
            case e.ToolReturned(call_id=call_id) | e.ToolFailed(call_id=call_id):
                turns[-1].outcomes.setdefault(call_id, deque()).append(record)
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell") as decided:
                outcome = replace(record, event=_as_outcome(decided))
                turns[-1].outcomes.setdefault(call_id, deque()).append(outcome)
            case e.ApprovalGiven(call_id=call_id) | e.UserSaid(answers=call_id) as decision:
                turns[-1].decisions[call_id] = decision
            case e.TurnEnded() as ended:
                turns[-1].ended = ended
    return turns


def _as_outcome(decided: e.OutcomeDecided) -> Outcome:
    """What a person said of an interrupted call, as if the tool had: no crash comes here."""
    if decided.outcome == "ran":
        return e.ToolReturned(decided.call_id, decided.content, 0.0)
    return e.ToolFailed(
        decided.call_id, "raised", decided.reason or "nobody knows whether it had its effect"
    )


@dataclass
class _Rerun:
    turn: _Turn
    calls: dict[str, ActualCall]
    log: Log
    run_settings: RunSettings
    clock: _Clock
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def result(self, agent: str) -> Result:
        self.log.listeners = (lambda _: self.moved.set(),)
        job = settings_with(self.run_settings, ask=self._ask, run_tool=self._run_tool)
        await append_opening(
            self.log,
            [
                e.ThreadClaimed(self.log.world.new_id(), job.identity(agent)),
                self.clock.given(self.turn.said),
            ],
        )
        try:
            await drive(self.log, job)
            while waiting := read_result(self.log.records, self.log.state).waiting:
                await self._decide(waiting)
                await drive(self.log, job)
        except _Stopped:
            if self.turn.ended:
                await self.log.append(self.turn.ended)
        return read_result(self.log.records, self.log.state)

    async def _decide(self, waiting: Sequence[e.PendingDecision]) -> None:
        """Write what people said then of the calls that wait. Raises _Stopped, NotRecorded where they said nothing."""
        decided = [call for call in waiting if call.id in self.turn.decisions]
        if not decided and self.turn.stopped:
            raise _Stopped
        if not decided:
            call = waiting[0]
            raise NotRecorded(
                f"{call.name}({call.final_arguments}) waits for a person now: {call.reason or call.status}. In the"
                f" recording nobody was asked, and the call was {self.calls[call.id].status}"
            )
        for call in decided:
            turn = self.log.state.turn
            if turn and find_call(turn, call.id).status in (
                "waiting",
                "question",
            ):  # an "always" may have allowed it
                await self.log.append(self.turn.decisions[call.id])

    async def _ask(self, model: Model, called: Called, *_: Any) -> e.ModelReplied | e.ModelFailed:
        replies = self.turn.summaries if called.event.purpose == "compact" else self.turn.replies
        if replies:
            came: e.ModelReplied | e.ModelFailed = self.clock.given(replies.popleft())
            return came
        if self.turn.stopped:
            raise _Stopped
        last = called.request.messages[-1]
        raise NotRecorded(
            f"the model is asked once more than in the recording; the last message is the {last.role}'s: {last.text}"
        )

    async def _run_tool(self, tool: Tool, arguments: str, context: Context, *_: Any) -> Outcome:
        then, outcomes = self.calls[context.call_id], self.turn.outcomes.get(context.call_id)
        if outcomes:
            changed = "; ".join(find_differences(then.arguments, parse_arguments(arguments)))
            if changed:
                raise NotRecorded(
                    f"{tool.name} would run with other arguments than in the recording: {changed}"
                )
            came: Outcome = self.clock.given(outcomes.popleft())
            return came
        if not self.turn.stopped:
            raise NotRecorded(
                f"{tool.name}({arguments}) runs now; in the recording it didn't, but was {then.status}: {then.result}"
            )
        while any(
            self.turn.outcomes.get(call.id) for call in self._running
        ):  # those that did end come first
            self.moved.clear()
            await self.moved.wait()
        raise _Stopped

    @property
    def _running(self) -> list[CallState]:
        turn = self.log.state.turn
        return [call for call in turn.calls if call.status == "started"] if turn else []


async def _at_once(seconds: float) -> None:
    """Back-offs take no time here."""
