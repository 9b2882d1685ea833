"""What an agent's methods do: say something in a thread, go on with it, read how it ended."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.context import ChildResult, Context
from ..core.links import start_of_child
from ..core.result import Result, make_turn_error, read_result
from ..core.state import OPEN_PHASES
from ..core.turn_after import goes_on_when_resumed
from ..core.waits import find_tree_waits, is_held
from .agent_settings import reach_sources
from .answer_type import with_output
from .answered import require_answer
from .background import Begun, OnBegun, begin
from .child_agent import work_as_child
from .conflicts import turn_open
from .drive import cancelling_turn, drive_turn, new_claim
from .follow import STOPPED, follow_turn
from .given import Given
from .listeners import Delta
from .log import Log
from .loop import run_loop
from .one_turn import is_over, up_to_turn
from .resume import resume_thread
from .said import take_said
from .say_once import Message, address, say_once
from .serialize import to_json
from .step_ids import StepScope, check_within, current_scope, refuse_within
from .team import make_child_tool
from .unpriced import refuse_unpriced
from .waiting_children import read_waiting_children

if TYPE_CHECKING:
    from .agent import AnyAgent


@dataclass(frozen=True)
class AgentRuns:
    """The runs of an agent."""

    agent: "AnyAgent"

    async def say(
        self,
        said: str | e.UserSaid,
        thread: str | None,
        key: str | None,
        given: Given,
        within: float | None,
    ) -> Result[Any]:
        """As `Agent.run`."""
        scope = current_scope(alone=thread is not None or key is not None)
        if scope:
            step_id = scope.step_id(self.agent.name)
            return await self.run_as_step(scope, step_id, said, given, within)
        refuse_within(within)
        return await self._say(self._address(said, thread, key, given), given)

    async def start(
        self, said: str | e.UserSaid, thread: str | None, key: str | None, given: Given
    ) -> Begun:
        """As `Agent.start`."""
        current_scope(alone=True)
        message = self._address(said, thread, key, given)
        return await begin(partial(self._say, message, given))

    async def follow(
        self, thread: str, after: int | None, begun: Begun | None = None
    ) -> AsyncGenerator[Delta | e.Record | Result[Any], None]:
        """As `Agent.follow`; with `begun`, that turn."""
        agent = self.agent
        items = follow_turn(thread, agent._store, agent.world, after, self.end, begun)
        async with aclosing(items):
            async for item in items:
                yield item

    async def resume(self, thread: str, given: Given, take: bool) -> Result[Any]:
        """As `Agent.resume`."""
        go_on = partial(self.go_on, given=given)
        return await resume_thread(thread, self.agent._store, self.agent.world, take, go_on)

    def _address(self, said: Any, thread: str | None, key: str | None, given: Given) -> Message:
        agent = self.agent
        return address(take_said(said), thread, key, agent.name, agent.world, given.when_busy)

    async def _say(self, message: Message, given: Given, on_begun: OnBegun | None = None) -> Result:
        begin = partial(self._begin, said=message.said, given=given)
        finish = partial(self._finish, message.thread_id, given=given)
        store, world = self.agent._store, self.agent.world
        return await say_once(message, store, world, on_begun, begin, finish)

    async def _begin(self, log: Log, said: e.UserSaid, given: Given) -> Result:
        if log.state.phase not in ("empty", "idle"):
            raise turn_open(log)
        opening: list[e.Event] = []
        recalled = None
        world, notes = self.agent.world, self.agent._notes
        if not log.records:
            opening.append(e.ThreadStarted(self.agent.name, world.new_id()))
            if notes:
                recalled = await notes.recall_event(said.text)
        opening.append(new_claim(world))
        if recalled:
            opening.append(recalled)
        return await self.drive(log, given, *opening, said)

    async def _finish(self, thread_id: str, opened_seq: int, given: Given) -> Result:
        """Bring the turn of a message that was said already to its end."""

        async def go_on(log: Log, _: bool) -> Result:
            if is_over(log.state, opened_seq):
                return self.end(log, opened_seq)
            return await self.go_on(log, False, given)

        return await resume_thread(thread_id, self.agent._store, self.agent.world, False, go_on)

    async def go_on(self, log: Log, untouched: bool, given: Given, again: bool = False) -> Result:
        """Drive the open turn, or read how the last one ended: see `resume_thread`.

        `again`: of a child, which its parent wants to go on although its turn has failed.
        """
        again = again or (untouched and not start_of_child(log.records))
        reopens = again and goes_on_when_resumed(log.state.turn)
        if not log.state.trusted or (log.state.phase == "idle" and not reopens):
            return self._read(log)
        await reach_sources(self.agent)
        self.agent.run_settings.refuse_missing(log.state)
        return await self.drive(log, given, new_claim(self.agent.world, reopens))

    async def drive(self, log: Log, given: Given, *opening: e.Event) -> Result:
        """Drive the turn that these events open, or that is open; its Result."""
        await reach_sources(self.agent)
        is_resumed = not any(isinstance(event, e.UserSaid) for event in opening)
        settings = replace(
            self.agent.run_settings,
            deps=given.deps,
            settings_of_run=given.asked,
            instructions_from_log=is_resumed and given.deps is None,
        )
        settings.refuse_uncarried()
        refuse_unpriced(settings, log.paid_by.accounts)
        for event in opening:
            if isinstance(event, e.UserSaid):
                for budget in settings.budgets:
                    budget.of(
                        settings.name, event.by or log.paid_by.user
                    )  # raises where the user isn't named
        work = partial(run_loop, log, settings)
        was_let_go = await drive_turn(log, self.agent.listeners, opening, work)
        result = self.end(log)
        if result.status == "waiting":
            async with cancelling_turn(log):
                if await self._has_more(log):
                    return await self.resume(log.thread_id, given, False)
        if was_let_go and result.status == "unfinished":
            return replace(result, reason=STOPPED)
        return result

    async def _has_more(self, log: Log) -> bool:
        """Whether something was said to a turn that waits just as its driver left it.

        Looked at once nobody drives it: whoever spoke before that found it driven, and left it.
        """
        if log.is_child or is_held(log.state):
            return False
        await log.refresh()
        if log.lost_reason or log.state.phase not in OPEN_PHASES:
            return False
        states = {**await read_waiting_children(log), log.thread_id: log.state}
        policy = self.agent.run_settings.in_charge(log.state).policy
        return not find_tree_waits(log.thread_id, states, policy)

    async def run_as_step(
        self,
        scope: StepScope,
        step_id: str,
        said: str | e.UserSaid,
        given: Given,
        within: float | None = None,
    ) -> Result:
        """`run` as a step of a flow, within so many seconds."""
        check_within(within)
        agent = replace(self.agent, settings=given.asked.over(self.agent.settings))

        async def work(context: Context) -> ChildResult:
            return await work_as_child(agent, said, replace(context, deps=given.deps))

        tool = make_child_tool(agent.limits, work)
        call = e.Call(step_id, agent.name, to_json({"task": said}))
        log: Log = await scope.caller.child(call, tool, within)
        return require_answer(f"the agent {agent.name}", step_id, lambda: self.end(log))

    def end(self, log: Log, opened_seq: int | None = None) -> Result:
        """The result of the last turn, or of the one opened at this seq; raises where it failed."""
        if opened_seq is None:
            opened_seq = log.state.seq
        records, state = up_to_turn(log.records, log.state, opened_seq)
        result = read_result(records, state)
        if result.status == "failed":
            raise make_turn_error(result, state)
        return self._with_output(result, state.agent)

    def _read(self, log: Log) -> Result:
        return self._with_output(read_result(log.records, log.state), log.state.agent)

    def _with_output(self, result: Result, agent: str) -> Result:
        return with_output(result, self.agent._team.get(agent, self.agent)._answer_type)
