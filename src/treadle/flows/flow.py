"""Flow: an async function whose steps are kept in the log of a thread, so that it survives a crash.

1. The code always runs from its start. Steps whose results are in the log get them from there and
   don't run again.
2. A thread holds one run of a flow: its arguments open the only turn, and its value ends it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, overload

from ..core import events as e
from ..core.check_settings import check_choice, check_kind
from ..core.context import ChildResult, Context
from ..core.errors import FlowChanged, TurnFailed, UsageError
from ..core.limits import Limits
from ..core.policy import Policy
from ..core.result import Result, make_child_result, read_result
from ..core.thread_summary import ThreadSummary
from ..core.tool import Tool
from ..core.turn_after import may_reopen
from ..models.known_secrets import redact_error
from ..models.scripted import ScriptedModel
from ..runtime.answered import require_answer
from ..runtime.arguments import write_arguments
from ..runtime.border import contain
from ..runtime.check_kinds import check_flow_function, check_run
from ..runtime.children import open_child_log, refuse_child, require_own, starts_again
from ..runtime.conflicts import flow_begun
from ..runtime.drive import Post, drive_turn, new_claim, post, run_guarded
from ..runtime.fork import Fork, fork
from ..runtime.listeners import Listener
from ..runtime.log import Log, open_log, require_log
from ..runtime.resume import resume_thread
from ..runtime.serialize import read_value, return_type, write_value
from ..runtime.settings import NO_MODEL, RunSettings
from ..runtime.step_ids import StepScope, current_scope
from ..runtime.summary import read_summary
from ..runtime.sync import run_sync
from ..runtime.team import MAX_DEPTH, child_limits, find_run_settings, make_child_tool
from ..runtime.thread_name import name_or_new
from ..runtime.world import World
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store
from .flow_arguments import decode_arguments, encode_arguments
from .flow_run import FlowRun
from .replay_flow import replay_flow

DEFAULT_LIMITS = Limits(steps=None, tool_calls=1000, tokens=None, seconds=None)
"""A flow may take weeks. A thousand steps are more than most need, and stop an endless one."""


@dataclass(frozen=True)
class Flow:
    """An async function whose steps are kept in a log. Made by `@flow`; it never changes."""

    function: Callable[..., Coroutine[Any, Any, Any]]
    _: KW_ONLY
    name: str = "flow"
    description: str = ""
    limits: Limits = DEFAULT_LIMITS
    """For the whole run. `tool_calls` counts its steps; tokens and cost include child agents."""
    unknown: Literal["ask", "tell"] = "ask"
    """What to do about a step that a crash interrupted, unless it is idempotent.

    "ask" waits for a person, "tell" raises StepFailed.
    """
    store: GivenStore = None
    listeners: Sequence[Listener] = ()
    world: World = World()

    def __post_init__(self) -> None:
        check_flow_function(self.function)
        check_run(self, "Flow")

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Call the function itself, as a part of the flow that calls it."""
        return self.function(*args, **kwargs)

    async def run(self, *args: Any, thread: str | None = None, **kwargs: Any) -> Result:
        """Run it in a new thread, named `thread` if given; `Result.output` is what it returned.

        It also returns when the flow waits for people (status `waiting`). Raises TurnFailed, from
        the code's own error; TurnOpen if the thread has begun already; UsageError for wrong
        arguments; FlowChanged; Fenced. Cancelling it ends the run as cancelled. Within another flow
        it is a step with a child thread.
        """
        said = encode_arguments(self.name, self.function, args, kwargs)
        if branch := current_scope(alone=thread is not None):
            return await self.run_as_step(branch, branch.step_id(self.name), said)
        log = await open_log(name_or_new(thread, self.world), self._store, self.world)
        require_own(log)
        if log.records:
            raise flow_begun(log)
        start = e.ThreadStarted(self.name, self.world.new_id())
        return await self._drive(log, start, new_claim(self.world), e.UserSaid(said))

    def run_sync(self, *args: Any, thread: str | None = None, **kwargs: Any) -> Result:
        """`run`, from code that isn't async."""
        return run_sync(self.run(*args, thread=thread, **kwargs))

    async def resume(
        self, thread: str, *, take: bool = False, retry_failed: bool = False
    ) -> Result:
        """Bring a run to its end, and give its result; as `Agent.resume`. Raises as `run`, and
        UnknownThread.

        With `retry_failed`, a run that has failed goes on: the steps that its error came from run
        again, also within inner flows, and those that have a result don't.
        """

        async def go_on(log: Log, untouched: bool) -> Result:
            if retry_failed:
                refuse_child(log, "what failed runs again when its parent's thread is resumed")
            return await self._go_on(log, retry_failed and untouched)

        return await resume_thread(thread, self._store, self.world, take, go_on)

    async def post(self, thread: str, fact: Post) -> None:
        """Record what a person says to a run, in whatever process it waits; as `Agent.post`."""
        log = await self._known(thread)
        await post(log, fact, lambda: find_run_settings(log, self.run_settings))

    async def fork(self, thread: str, *, at: int | None = None) -> Fork:
        """A new thread that shares this one's records up to seq `at` (None: all).

        Resume it to go on.
        """
        return await fork(self._store, thread, at=at, world=self.world)

    async def replay(self, thread: str) -> FlowChanged | None:
        """Run today's code against a recorded run: the first difference, or None.

        Runs no step and writes nothing.
        """
        log = await self._known(thread)
        self._refuse_other(log)
        return await replay_flow(log, self.run_settings, self._code)

    async def summary(self, thread: str) -> ThreadSummary:
        """Totals of a run and its children; as `Agent.summary`."""
        return await read_summary(thread, self._store)

    def as_tool(self, name: str = "", description: str = "") -> Tool:
        """This flow as a tool for an agent: each call runs in a child thread."""
        from ..core.schema import read_signature

        made = read_signature(self.function)
        about = description or self.description or made.description

        async def give(context: Context, **given: Any) -> ChildResult:
            return await self._work(
                write_arguments(self.function, (), given, marks=True).text, context
            )

        tool = make_child_tool(self.limits, give, made.check)
        return replace(tool, name=name or self.name, description=about, parameters=made.parameters)

    async def run_as_step(self, branch: StepScope, step_id: str, arguments: str) -> Result:
        """Run it as a step of another flow."""

        async def work(context: Context) -> ChildResult:
            try:
                return await self._work(arguments, context)
            except FlowChanged as error:
                return await branch.caller.changed(error)  # type: ignore[no-any-return]

        tool = make_child_tool(self.limits, work)
        log: Log = await branch.caller.child(e.Call(step_id, self.name, arguments), tool)
        return require_answer(f"the flow {self.name}", step_id, lambda: self._ended(log, None))

    @cached_property
    def run_settings(self) -> RunSettings:
        """The settings of its runs, as `explain` needs them."""
        code = getattr(getattr(self.function, "__code__", None), "co_code", b"")
        code_hash = blake2b(code, digest_size=6).hexdigest()
        check_kind("flow(limits=)", self.limits, Limits, "Limits(...)")
        check_choice("flow(unknown", self.unknown, "ask", "tell")
        limits = replace(self.limits, repeats=None, last_word=False)
        policy = Policy(limits=limits, unknown=self.unknown)
        return RunSettings(policy, ScriptedModel([], name=NO_MODEL), f"{self.name} {code_hash}")

    async def _go_on(self, log: Log, again: bool = False) -> Result:
        self._refuse_other(log)
        reopens = again and may_reopen(log.state.turn)
        if not log.state.trusted or (log.state.phase == "idle" and not reopens):
            return self._result(log)
        return await self._drive(log, new_claim(self.world, reopens))

    def _refuse_other(self, log: Log) -> None:
        if log.state.agent != self.name:
            raise UsageError(
                f"thread {log.thread_id} is one of {log.state.agent!r},"
                f" not of the flow {self.name!r}"
            )

    async def _work(self, arguments: str, context: Context) -> ChildResult:
        """Start or continue the child thread of a call, within its share of the limits."""
        above = context.parent
        assert above
        if above.depth >= MAX_DEPTH:
            return ChildResult(
                f"threads are {MAX_DEPTH} deep; do it without", e.Usage(), 0.0, failed=True
            )
        me = replace(
            self, store=above.store, world=above.world, limits=child_limits(self.limits, above)
        )
        log = await open_child_log(context)
        with suppress(TurnFailed):  # the child's log has it; the caller gets it as a tool error
            if log.records:
                await me._go_on(log, await starts_again(log))
            else:
                start = e.ThreadStarted(
                    self.name,
                    me.world.new_id(),
                    context.thread_id,
                    context.call_id,
                    above.depth + 1,
                    above.root_id,
                )
                await me._drive(log, start, new_claim(me.world), e.UserSaid(arguments))
        return make_child_result(self.name, read_result(log.records, log.state))

    async def _drive(self, log: Log, *opening: e.Event) -> Result:
        error: BaseException | None = None

        async def run() -> None:
            nonlocal error
            flow_run = FlowRun(log, self.run_settings)
            try:
                code: Any = self._code(log)
                code.__qualname__ = self.name  # so that warnings name it
                await run_guarded(log, flow_run.run(code))
            finally:
                error = flow_run.error

        await drive_turn(log, self.listeners, opening, run)
        return self._ended(log, error)

    async def _code(self, log: Log) -> str:
        assert log.state.turn
        said = log.records[log.state.turn.opened_seq - 1].event
        assert isinstance(said, e.UserSaid)
        arguments = decode_arguments(self.name, self.function, said.text)
        value = await contain(self.function(**arguments), f"the flow {self.name}")
        return write_value(value, return_type(self.function))

    def _ended(self, log: Log, error: BaseException | None) -> Result:
        done = self._result(log)
        if done.status == "failed":
            failed = TurnFailed(done.reason)
            failed.add_note(f"in thread {log.thread_id}, which has it all")
            raise failed from (error and redact_error(error))
        return done

    def _result(self, log: Log) -> Result:
        done = read_result(log.records, log.state)
        value = log.state.turn and log.state.turn.ended and log.state.turn.ended.value
        if not value:
            return done
        return replace(done, output=read_value(value, return_type(self.function)))

    async def _known(self, thread: str) -> Log:
        return await require_log(thread, self._store, self.world)

    @cached_property
    def _store(self) -> Store:
        return open_store(self.store)


@overload
def flow(function: Callable[..., Awaitable[Any]], /) -> Flow: ...
@overload
def flow(**settings: Any) -> Callable[[Callable[..., Awaitable[Any]]], Flow]: ...
def flow(function: Any = None, /, **settings: Any) -> Any:
    """Make a flow of an async function: `@flow`, or `@flow(store=store, limits=...)`.

    The settings are the fields of Flow.
    """
    if function is None:
        return lambda function: _make_flow(function, settings)
    return _make_flow(function, settings)


def _make_flow(function: Any, settings: dict[str, Any]) -> Flow:
    unknown = settings.keys() - Flow.__dataclass_fields__.keys()
    if unknown:
        known = ", ".join(Flow.__dataclass_fields__)
        raise UsageError(f"@flow has no setting {sorted(unknown)}; there are: {known}")
    check_flow_function(function)
    return Flow(function, **({"name": function.__name__} | settings))
