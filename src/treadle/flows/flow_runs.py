"""What a flow's methods do: run its code in a thread, go on with it, read how it ended."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.context import ChildResult, Context
from ..core.errors import FlowChanged, TurnFailed, UsageError
from ..core.result import Result, make_child_result, read_result
from ..core.turn_after import goes_on_when_resumed, may_reopen
from ..models.known_secrets import redact_error
from ..runtime.answered import require_answer
from ..runtime.arguments import read_by_annotations, write_arguments
from ..runtime.background import Begun, OnBegun, begin
from ..runtime.border import contain
from ..runtime.children import open_child_log, refuse_child, starts_again
from ..runtime.conflicts import flow_begun
from ..runtime.drive import drive_turn, new_claim, run_guarded
from ..runtime.follow import STOPPED, follow_turn
from ..runtime.listeners import Delta
from ..runtime.log import Log
from ..runtime.resume import resume_thread
from ..runtime.say_once import Message, address, say_once
from ..runtime.serialize import read_value, return_type, write_value
from ..runtime.step_ids import StepScope, current_scope
from ..runtime.team import MAX_DEPTH, child_limits, make_child_tool
from .flow_run import FlowRun

if TYPE_CHECKING:
    from .flow import Flow


@dataclass(frozen=True)
class FlowRuns:
    """The runs of a flow."""

    flow: "Flow[Any, Any]"

    async def run(self, arguments: str, thread: str | None, key: str | None) -> Result[Any]:
        """As `Flow.run`, with the arguments as JSON."""
        if scope := current_scope(alone=thread is not None or key is not None):
            return await self.run_as_step(scope, scope.step_id(self.flow.name), arguments)
        return await self._run(self._address(arguments, thread, key))

    async def start(self, arguments: str, thread: str | None, key: str | None) -> Begun:
        """As `Flow.start`, with the arguments as JSON."""
        current_scope(alone=True)
        return await begin(partial(self._run, self._address(arguments, thread, key)))

    async def follow(
        self, thread: str, after: int | None, begun: Begun | None = None
    ) -> AsyncGenerator[Delta | e.Record | Result[Any], None]:
        """As `Flow.follow`; with `begun`, that run."""
        flow = self.flow

        def read_end(log: Log, _: int) -> Result:  # it has only one turn
            return self._end(log, None)

        told = follow_turn(thread, flow._store, flow.world, after, read_end, begun)
        async with aclosing(told) as items:
            async for item in items:
                yield item

    async def resume(self, thread: str, take: bool, retry_failed: bool) -> Result[Any]:
        """As `Flow.resume`."""

        async def go_on(log: Log, untouched: bool) -> Result:
            if retry_failed:
                refuse_child(log, "what failed runs again when its parent's thread is resumed")
            return await self.go_on(log, retry_failed and untouched)

        return await resume_thread(thread, self.flow._store, self.flow.world, take, go_on)

    def _address(self, arguments: str, thread: str | None, key: str | None) -> Message:
        return address(e.UserSaid(arguments), thread, key, self.flow.name, self.flow.world)

    async def _run(self, message: Message, on_begun: OnBegun | None = None) -> Result:
        flow = self.flow

        async def begin(log: Log) -> Result:
            if log.records:
                raise flow_begun(log)
            start = e.ThreadStarted(flow.name, flow.world.new_id(), flow=True)
            return await self._drive(log, start, new_claim(flow.world), message.said)

        async def finish(_: int) -> Result:  # it has only one turn
            return await self._finish(message.thread_id)

        return await say_once(message, flow._store, flow.world, on_begun, begin, finish)

    async def _finish(self, thread: str) -> Result:
        """Bring a run that was asked for already to its end."""

        async def go_on(log: Log, _: bool) -> Result:
            if log.state.phase == "idle":
                return self._end(log, None)
            return await self.go_on(log)

        return await resume_thread(thread, self.flow._store, self.flow.world, False, go_on)

    async def go_on(self, log: Log, again: bool = False) -> Result:
        """Drive the open run, or read how it ended: see `resume_thread`.

        `again`: what failed in it runs again.
        """
        self.refuse_other(log)
        turn = log.state.turn
        reopens = goes_on_when_resumed(turn) or (again and may_reopen(turn))
        if not log.state.trusted or (log.state.phase == "idle" and not reopens):
            return self._read(log)
        return await self._drive(log, new_claim(self.flow.world, reopens))

    def refuse_other(self, log: Log) -> None:
        """Raise UsageError for a thread of another flow, or of an agent."""
        if log.state.agent != self.flow.name:
            raise UsageError(
                f"thread {log.thread_id} is one of {log.state.agent!r},"
                f" not of the flow {self.flow.name!r}"
            )

    async def work(self, arguments: str, context: Context) -> ChildResult:
        """Start or continue the child thread of a call, which is paid from the turn's account."""
        above = context.parent
        assert above
        if above.depth >= MAX_DEPTH:
            return ChildResult(
                f"threads are {MAX_DEPTH} deep; do it without", e.Usage(), 0.0, failed=True
            )
        limits = child_limits(self.flow.limits, above)
        runs = replace(self.flow, store=above.store, world=above.world, limits=limits).runs
        log = await open_child_log(context)
        with suppress(TurnFailed):  # the child's log has it; the caller gets it as a tool error
            if log.records:
                await runs.go_on(log, await starts_again(log))
            else:
                place = (context.thread_id, context.call_id, above.depth + 1, above.root_id)
                start = e.ThreadStarted(self.flow.name, above.world.new_id(), *place, flow=True)
                await runs._drive(log, start, new_claim(above.world), e.UserSaid(arguments))
        return make_child_result(self.flow.name, read_result(log.records, log.state))

    async def run_as_step(self, scope: StepScope, step_id: str, arguments: str) -> Result:
        """Run it as a step of another flow."""

        async def work(context: Context) -> ChildResult:
            try:
                return await self.work(arguments, context)
            except FlowChanged as error:
                return await scope.caller.changed(error)  # type: ignore[no-any-return]

        tool = make_child_tool(self.flow.limits, work)
        call = e.Call(step_id, self.flow.name, arguments)
        log: Log = await scope.caller.child(call, tool)
        return require_answer(f"the flow {call.name}", step_id, lambda: self._end(log, None))

    async def _drive(self, log: Log, *opening: e.Event) -> Result:
        error: BaseException | None = None

        async def run() -> None:
            nonlocal error
            flow_run = FlowRun(log, self.flow.run_settings)
            try:
                code: Any = self.code(log)
                code.__qualname__ = self.flow.name  # so that warnings name it
                await run_guarded(log, flow_run.run(code))
            finally:
                error = flow_run.error

        was_let_go = await drive_turn(log, self.flow.listeners, opening, run)
        result = self._end(log, error)
        if was_let_go and result.status == "unfinished":
            return replace(result, reason=STOPPED)
        return result

    async def code(self, log: Log) -> str:
        """Run the flow's function with the recorded arguments; its value as JSON."""
        assert log.state.turn
        said = log.records[log.state.turn.opened_seq - 1].event
        assert isinstance(said, e.UserSaid)
        function = self.flow.function
        value = await contain(
            function(**self._decode_arguments(said.text)), f"the flow {self.flow.name}"
        )
        return write_value(value, return_type(function))

    def _end(self, log: Log, error: BaseException | None) -> Result:
        """The run's result. Raises TurnFailed, from the code's error, where it failed."""
        result = self._read(log)
        if result.status == "failed":
            failed = TurnFailed(result.reason)
            failed.result = result
            failed.add_note(f"in thread {log.thread_id}, which has it all")
            raise failed from (error and redact_error(error))
        return result

    def _read(self, log: Log) -> Result:
        result = read_result(log.records, log.state)
        value = log.state.turn and log.state.turn.ended and log.state.turn.ended.value
        if not value:
            return result
        return replace(result, outputs=(read_value(value, return_type(self.flow.function)),))

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The arguments as JSON. Raises UsageError for what can't be kept, before anything runs."""
        function = self.flow.function
        return_type(function)
        said = write_arguments(function, args, kwargs, marks=True).text
        self._decode_arguments(said)
        return said

    def _decode_arguments(self, text: str) -> dict[str, Any]:
        """The arguments with the types of the function's annotations.

        They are read from the log in every run, so that every run gets the same.
        """
        try:
            return read_by_annotations(self.flow.function, text)
        except UsageError as error:
            raise UsageError(f"the flow {self.flow.name}: {error}") from None
