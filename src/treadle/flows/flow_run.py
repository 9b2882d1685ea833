"""Runs a flow's code along its log: new steps are recorded and run, recorded results are reused.

`decide` says what a step needs, as for the calls of a model; it is done here, while other steps
run.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn
from weakref import WeakSet

from ..core import events as e
from ..core.call import CallState
from ..core.decide import Append, PollCalls, RunTools, decide
from ..core.errors import FlowChanged, SeqTaken, Stopped, StoreError
from ..core.tool import Tool
from ..core.waits import waits_or_polls
from ..runtime.children import append_started
from ..runtime.drives import rest
from ..runtime.end_turn import append_decided, cancel_call
from ..runtime.flow_tasks import find_ready, settle, start_flow_code
from ..runtime.listeners import Delta
from ..runtime.log import Log
from ..runtime.loop import check_outcome, run_attempt
from ..runtime.poll_tool import poll_call, poll_of
from ..runtime.settings import RunSettings
from ..runtime.waiting_children import ChildWatch, refresh_children
from .awaits import find_strays, refuse_timers, refuse_to_stop, why_missing
from .child_step import open_child_of
from .flow_end import end_events, error_of, stop_all, wait_for_end
from .step_results import History, Step

GIVEN_UP = "the flow went on without it"


@dataclass(frozen=True)
class _Asked:
    """A step that the code awaits."""

    tool: Tool
    result: "asyncio.Future[Step]"


class FlowRun:
    """Drives a flow's open turn until it ends or waits for people."""

    def __init__(self, log: Log, job: RunSettings) -> None:
        self.log = log
        self.tasks: WeakSet[asyncio.Task[object]] = WeakSet()
        self.error: BaseException | None = None
        """What the code raised, if it did."""
        self.history = History()
        assert log.state.turn
        for record in log.records[log.state.turn.opened_seq :]:
            self.history.add(record)
        self._job = job
        self._asked: dict[str, _Asked] = {}
        self._new: list[e.StepAsked] = []
        self._given_up: list[str] = []
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._fault: BaseException | None = None
        self._moved = asyncio.Event()
        self._polled: set[tuple[str, float | None]] = set()  # what tools were asked
        self._below = ChildWatch(log)
        self._looked_at = 0.0  # when it was last decided what to do
        self._stopped = False
        self._waits = waits_or_polls(log.state, log.thread_id, log.world.now())
        self._reading = 0  # how many children's logs are being read: the code isn't at rest then

    async def ask(
        self, call: e.Call, tool: Tool, within: float | None = None, *, early: bool = False
    ) -> Step:
        """The step with its result, for the code that awaits it, at most so many seconds. If the
        code cancels the wait, the step is given up. `early` as in StepAsked."""
        if self._stopped:  # the code is being cancelled, and asks for a step while it unwinds
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        try:
            step = self.history.ask(call)
        except FlowChanged as error:
            await self.changed(error)
        if step.at is None:
            until = None if within is None else self.log.world.now() + within
            told = (tool.idempotent, until, early, bool(tool.verify), tool.labels)
            self._new.append(e.StepAsked(call, *told))
        asked = self._asked[call.id] = _Asked(tool, asyncio.get_running_loop().create_future())
        self._moved.set()
        try:
            return await asked.result
        except asyncio.CancelledError:
            step.given_up = True
            self._given_up.append(call.id)
            self._moved.set()
            raise

    def edited(self, call_id: str) -> str | None:
        """What a person has made of a step's arguments; None if nobody has changed them."""
        return self.log.state.calls[call_id].arguments

    async def child(self, call: e.Call, tool: Tool, within: float | None = None) -> Log:
        """Run an agent or a flow as a step; its log when its turn is over. Raises StepFailed."""
        step = await self.ask(call, tool, within)
        self._reading += 1
        try:
            return await open_child_of(step, self.log)
        except StoreError as error:
            await self.changed(error)
        finally:
            self._reading -= 1
            self._moved.set()

    async def changed(self, error: FlowChanged | StoreError) -> NoReturn:
        """Raise the error to whoever runs the flow: the flow's own code must not see it."""
        self._fault = self._fault or error
        self._moved.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("the code goes on, though its run is over")

    async def run(self, code: Coroutine[Any, Any, str]) -> None:
        """Run the code, which returns its value as JSON. Raises FlowChanged, or as `Log.append`."""
        self.log.listeners += (self._hear,)
        try:
            await self._claim()
        except BaseException:
            code.close()
            raise
        main = start_flow_code(self, code)
        main.add_done_callback(lambda _: self._moved.set())
        try:
            while await self._goes_on(main):
                pass
        finally:
            self._below.close()
            self._stopped = True
            for task in [main, *self.tasks, *self._attempts.values()]:
                task.cancel()
            await settle(self, main, find_ready())
            await wait_for_end([main, *self.tasks, *self._attempts.values()])

    async def _claim(self) -> None:
        """Claim the thread before the code does what no log shows."""
        if not self._waits and not self.history.missing:
            await self.log.claim_now()

    def _hear(self, what: e.Record | Delta) -> None:
        if isinstance(what, e.Record) and what.thread_id == self.log.thread_id:
            self.history.add(what)
            self._moved.set()

    def _give(self) -> bool:
        step = self.history.next()
        if step is None:
            return False
        asked = self._asked.pop(step.call.id, None)
        if asked and not asked.result.done():
            asked.result.set_result(step)
        return True

    async def _goes_on(self, main: "asyncio.Task[str]") -> bool:
        """Do the next thing, or wait until there is one; False when the run is over."""
        await self._claim()
        await settle(self, main, find_ready())
        self._moved.clear()
        turn = self.log.state.turn
        if turn is None or turn.ended:
            return False
        if self._fault and not turn.limit:
            raise self._fault
        if self.log.lost_reason:
            raise self.log.lost_error()
        if self._reading:
            await self._moved.wait()
            return True
        if self._give():
            return True
        if main.done():
            left = [task for task in self.tasks if not task.done()]
            if left:
                await stop_all(left)
                return True
        if self.history.missing:
            strays = find_strays([main, *self.tasks])
            raise why_missing(self.history, strays, bool(self._asked)) from error_of(main)
        try:
            if await self._act():
                return True
            if turn.calls and await self._look_below():
                return True
        except SeqTaken:  # somebody else wrote, such as an approval: decide again
            return True
        if main.done():
            return await self._end(main)
        if not self._attempts:
            self.log.refuse_if_stopping()
            refuse_to_stop(self, [main, *self.tasks], bool(self._asked))
            return False
        await self._below.wait(self._looked_at, self._moved)
        return True

    async def _look_below(self) -> bool:
        """Whether what the children wait for has changed: looked at beside steps that run only
        where it may have."""
        if self._attempts and not await self._below.has_news():
            return False
        return await refresh_children(self.log, self._job)

    async def _act(self) -> bool:
        """Record what is new, or do what `decide` says; False if there is nothing to do."""
        state = self.log.state
        # Another driver, which was taken for dead, may have asked for the same steps meanwhile.
        new = [asked for asked in self._new if self.history.steps[asked.call.id].at is None]
        if new:
            refuse_timers(self, stops=False)
            await self.log.append(*new, after=state.seq)
            self._new = [asked for asked in self._new if asked not in new]
            return True
        if self._given_up:
            await self._give_up(self._given_up.pop())
            return True
        if not state.turn or not (state.turn.calls or state.turn.limit):
            return False
        tools = {call_id: asked.tool for call_id, asked in self._asked.items()}
        job = self._job.with_raised(state)
        job = replace(job, policy=replace(job.policy, step_tools=tools))
        self._looked_at = self.log.world.now()
        match decide(state, job.policy, self._looked_at):
            case Append(events) if self._attempts and isinstance(events[0], e.LimitReached):
                return False  # running steps may end first
            case Append(events):
                await self._stop(events)
                await append_decided(self.log, events, state.seq)
                return True
            case RunTools() as decided if not self.log.stop_asked.is_set():
                return await self._start(job, decided, state.seq)
            case PollCalls(calls) if job.run.hands.are_live:
                unasked = [call for call in calls if poll_of(call) not in self._polled]
                self._polled |= set(map(poll_of, unasked))
                return self._run({call.id: poll_call(self.log, job, call) for call in unasked})
        return self.log.state.seq != state.seq

    async def _stop(self, events: Sequence[e.Event]) -> None:
        """Stop the attempts of those steps that these events say have failed: their time is up."""
        failed = [event.call_id for event in events if isinstance(event, e.ToolFailed)]
        await stop_all([self._attempts[each] for each in failed if each in self._attempts])

    async def _start(self, job: RunSettings, decided: RunTools, seq: int) -> bool:
        fresh = [call for call in decided.calls if call.id not in self._attempts]
        checks = [call for call in decided.checks if call.id not in self._attempts]
        if first := [call for call in fresh if call.status != "retrying"]:
            await append_started(self.log, job, first, seq)
        works = {call.id: self._attempt(job, call) for call in fresh}
        works |= {call.id: check_outcome(self.log, job, call) for call in checks}
        return self._run(works)

    def _run(self, works: Mapping[str, Coroutine[Any, Any, None]]) -> bool:
        for call_id, work in works.items():
            task = self._attempts[call_id] = asyncio.create_task(work)
            task.add_done_callback(partial(self._attempted, call_id))
        return bool(works)

    async def _attempt(self, job: RunSettings, call: CallState) -> None:
        if call.status == "retrying":
            await rest(self.log, call.retry_after_s)
            await append_started(self.log, job, [call])
        await run_attempt(self.log, job, call)

    def _attempted(self, call_id: str, task: "asyncio.Task[None]") -> None:
        del self._attempts[call_id]
        if not task.cancelled() and isinstance(task.exception(), Stopped):
            self.log.stop_asked.set()  # the other attempts go on to their end
        elif not task.cancelled():
            self._fault = self._fault or task.exception()
        self._moved.set()

    async def _give_up(self, call_id: str) -> None:
        """Stop a step that the code no longer awaits, and record that with what it had used."""
        self._asked.pop(call_id, None)
        if call_id in self._attempts:
            await stop_all([self._attempts[call_id]])
        if call := self.log.state.calls.get(call_id):
            await cancel_call(self.log, call, GIVEN_UP)

    async def _end(self, main: "asyncio.Task[str]") -> bool:
        """After the code has ended: give up the steps it left open, then record the end."""
        if self._asked or self.log.state.calls:
            self._given_up += {*self._asked, *self.log.state.calls}
            return True
        self.error = error_of(main)
        value = "" if self.error else main.result()
        limits = self._job.with_raised(self.log.state).policy.limits
        spent_s = self.log.state.spent.seconds
        await self.log.append(*end_events(value, self.error, limits, spent_s))
        return False
