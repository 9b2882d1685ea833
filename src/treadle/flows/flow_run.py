"""One run of a flow's code along its log: what it asks for is written and done, what was done is given to it again.

`decide` says what a step needs, as of a model's calls; here it is done, beside whatever else runs.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakSet

from ..core import events as e
from ..core.call import CallState
from ..core.decide import Append, RunTools, decide
from ..core.errors import FlowChanged, SeqTaken, StepFailed
from ..core.tool import Tool
from ..runtime.end_turn import append_decided, cancel_call
from ..runtime.listeners import Delta
from ..runtime.log import Log, open_log
from ..runtime.loop import run_attempt
from ..runtime.settings import RunSettings
from ..runtime.step_ids import start_flow_code
from .flow_end import end_events
from .step_results import History, Step

GRACE_S = 0.05
"""How long nothing may move before the code is taken to wait for what nobody here can bring."""
SETTLING = 12
"""Rounds of the event loop in which code that has got a result comes to its next await, also through a gather."""
STOP_S = 0.5
"""How long the code may take to stop once it has been told to."""
GIVEN_UP = "the flow went on without it"


@dataclass(frozen=True)
class _Asked:
    """A step that the code awaits."""

    tool: Tool
    result: "asyncio.Future[Step]"


class FlowRun:
    """Drives one flow's turn, which is open, until it has ended or only people can go on with it."""

    def __init__(self, log: Log, job: RunSettings) -> None:
        self.log = log
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.error: BaseException | None = None
        """What the code raised, where it did."""
        self.history = History()
        assert log.state.turn
        for record in log.records[log.state.turn.opened_seq :]:
            self.history.add(record)
        self._job = job
        self._asked: dict[str, _Asked] = {}
        self._new: list[e.Call] = []
        self._given_up: list[str] = []
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._fault: BaseException | None = None
        self._moved = asyncio.Event()
        self._stopped = False

    async def ask(self, call: e.Call, tool: Tool) -> Step:
        """The step with its result, for the code that awaits it. Cancelled, the step is given up."""
        if self._stopped:  # the code is being taken down, and does something on its way out
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        try:
            step = self.history.ask(call)
        except FlowChanged as error:
            await self.changed(error)
            raise
        if step.at is None:
            self._new.append(call)
        asked = self._asked[call.id] = _Asked(tool, asyncio.get_running_loop().create_future())
        self._moved.set()
        try:
            return await asked.result
        except asyncio.CancelledError:
            step.given_up = True
            self._given_up.append(call.id)
            self._moved.set()
            raise

    async def child(self, call_id: str, name: str, tool: Tool, arguments: str) -> Log:
        """Run an agent or a flow as a step; its thread's log when its turn is over. Raises StepFailed."""
        step = await self.ask(e.Call(call_id, name, arguments), tool)
        below = await open_log(
            step.child, self.log.store, self.log.world
        )  # of a fork, it is its parent's
        if not below.records:
            raise StepFailed(getattr(step.came, "message", "it never began"), step=call_id)
        return below

    async def changed(self, error: FlowChanged) -> Any:
        """Raise it to whoever runs the flow, whose own code must not catch it. Never comes back."""
        self._fault = self._fault or error
        self._moved.set()
        await asyncio.get_running_loop().create_future()

    async def run(self, code: Coroutine[Any, Any, str]) -> None:
        """Run the code, which gives its value as JSON. Raises FlowChanged, and as `Log.append` does."""
        self.log.listeners += (self._hear,)
        main = start_flow_code(self, code)
        main.add_done_callback(lambda _: self._moved.set())
        try:
            while await self._goes_on(main):
                pass
        finally:
            self._stopped = True
            await _stop([main, *self.tasks, *self._attempts.values()])

    def _hear(self, what: e.Record | Delta) -> None:
        if isinstance(what, e.Record) and what.thread_id == self.log.thread_id:
            self.history.add(what)
            self._moved.set()

    async def _give(self) -> bool:
        """Give the code its next result, and let it come to where it awaits another; False where there is none."""
        step = self.history.next()
        if step is None:
            return False
        asked = self._asked.pop(step.call.id, None)
        if asked and not asked.result.done():
            asked.result.set_result(step)
        for _ in range(SETTLING):
            await asyncio.sleep(0)
        return True

    async def _goes_on(self, main: "asyncio.Task[str]") -> bool:
        """Do what there is to do, or wait for it; False once there is nothing more."""
        self._moved.clear()
        turn = self.log.state.turn
        if turn is None or turn.ended:
            return False
        if self._fault and not turn.limit:
            raise self._fault
        if await self._give():
            return True
        if main.done() and (left := [task for task in self.tasks if not task.done()]):
            await _stop(left)
            return True
        if self.history.missing:
            if main.done() or not await self._moves():
                raise self.history.changed() from (main.exception() if main.done() else None)
            return True
        try:
            if await self._act():
                return True
        except SeqTaken:  # somebody wrote since (an approval, say): decide again
            return True
        if main.done():
            return await self._end(main)
        if turn.calls and not self._attempts:
            return await self._moves()  # else all that is open waits for people
        await self._moved.wait()
        return True

    @property
    def _open(self) -> tuple[CallState, ...]:
        return self.log.state.turn.calls if self.log.state.turn else ()

    async def _moves(self) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), GRACE_S)
        return self._moved.is_set()

    async def _act(self) -> bool:
        """Write down what is new, and do what `decide` says; False where it is nothing."""
        if self._new:
            new, self._new = self._new, []
            await self.log.append(*map(e.StepAsked, new))
            return True
        if self._given_up:
            await self._give_up(self._given_up.pop())
            return True
        state = self.log.state
        if not state.turn or not (state.turn.calls or state.turn.limit):
            return False
        tools = {call_id: asked.tool for call_id, asked in self._asked.items()}
        job = replace(self._job, policy=replace(self._job.policy, steps=tools))
        match decide(state, job.policy):
            case Append(events) if self._attempts and isinstance(events[0], e.LimitReached):
                return False  # what runs may end first
            case Append(events):
                await append_decided(self.log, events, state.seq)
                return True
            case RunTools(calls):
                return await self._start(job, calls, state.seq)
        return False

    async def _start(self, job: RunSettings, calls: Sequence[CallState], seq: int) -> bool:
        fresh = [call for call in calls if call.id not in self._attempts]
        if first := [call for call in fresh if call.status != "retrying"]:
            await self.log.append(
                *job.start_events(self.log.state, self.log.thread_id, first), after=seq
            )
        for call in fresh:
            task = self._attempts[call.id] = asyncio.create_task(self._attempt(job, call))
            task.add_done_callback(lambda done, call_id=call.id: self._attempted(call_id, done))  # type: ignore[misc]
        return bool(fresh)

    async def _attempt(self, job: RunSettings, call: CallState) -> None:
        if call.status == "retrying":
            await self.log.world.sleep(call.retry_after_s)
            await self.log.append(*job.start_events(self.log.state, self.log.thread_id, [call]))
        await run_attempt(self.log, job, call)

    def _attempted(self, call_id: str, task: "asyncio.Task[None]") -> None:
        del self._attempts[call_id]
        self._fault = self._fault or (task.exception() if not task.cancelled() else None)
        self._moved.set()

    async def _give_up(self, call_id: str) -> None:
        """The code awaits this step no more: what runs of it is stopped, and the log says so with what it had used."""
        self._asked.pop(call_id, None)
        if call_id in self._attempts:
            await _stop([self._attempts[call_id]])
        for call in [one for one in self._open if one.id == call_id]:
            await cancel_call(self.log, call, GIVEN_UP)

    async def _end(self, main: "asyncio.Task[str]") -> bool:
        """Once the code has ended: give up what it left behind, then write its end."""
        if self._asked or self._open:
            self._given_up += {*self._asked, *(call.id for call in self._open)}
            return True
        self.error = (
            asyncio.CancelledError("the code cancelled itself")
            if main.cancelled()
            else main.exception()
        )
        await self.log.append(*end_events("" if self.error else main.result(), self.error))
        return False


async def _stop(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel them and wait until they have stopped; one that won't is left behind."""
    left = {task for task in tasks if not task.done()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=STOP_S)
    for task in left:
        task.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # read, so that nobody warns
