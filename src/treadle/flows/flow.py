"""Flow: an async function whose steps are kept in the log of a thread, so that it survives a crash.

1. The code always runs from its start. Steps whose results are in the log get them from there and
   don't run again.
2. A thread holds one run of a flow: its arguments open the only turn, and its value ends it.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack, overload

from ..core import events as e
from ..core.budget import Budget
from ..core.check_settings import check_choice, check_kind
from ..core.context import ChildResult, Context
from ..core.errors import FlowChanged, UsageError
from ..core.limits import Limits
from ..core.phases import OF_A_FLOW
from ..core.policy import Policy
from ..core.result import Result
from ..core.thread_summary import ThreadSummary
from ..core.tool import Tool
from ..core.type_variables import P, R
from ..engines import GivenEngine
from ..models.scripted import ScriptedModel
from ..runtime.arguments import write_arguments
from ..runtime.background import go_on_alone
from ..runtime.check_kinds import check_flow_function, check_run
from ..runtime.due import name_due
from ..runtime.follow import Items
from ..runtime.fork import Fork, fork
from ..runtime.given import Given
from ..runtime.listeners import Listener
from ..runtime.log import Log
from ..runtime.post import Amounts, Post, post, raise_limit
from ..runtime.require_log import require_log
from ..runtime.runs import Runs
from ..runtime.settings import NO_MODEL, RunSettings
from ..runtime.settle import Posted, Settled, settle
from ..runtime.submit import SubmitOptions, Submitted, submit
from ..runtime.summary import read_summary
from ..runtime.sync import run_sync
from ..runtime.team import find_run_settings, make_child_tool
from ..runtime.world import World
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store
from .flow_turns import FlowTurns
from .replay_flow import replay_flow

Q = ParamSpec("Q")
T = TypeVar("T")

DEFAULT_LIMITS = Limits(steps=None, tool_calls=1000, tokens=None, seconds=None)
"""A flow may take weeks. A thousand steps are more than most need, and stop an endless one."""
GIVEN = Given(when_busy="refuse")
"""A thread holds one run of a flow, so that nothing more can be said there."""


class FlowSettings(TypedDict, total=False):
    """What `@flow` takes: see the fields of Flow."""

    name: str
    description: str
    limits: Limits
    budgets: Sequence[Budget]
    unknown: Literal["ask", "tell"]
    store: GivenStore
    listeners: Sequence[Listener]
    world: World


@dataclass(frozen=True)
class Flow(Generic[P, R]):
    """An async function whose steps are kept in a log. Made by `@flow`; it never changes.

    `P` and `R` are the function's parameters and what it returns.
    """

    function: Callable[P, Coroutine[Any, Any, R]]
    _: KW_ONLY
    name: str = "flow"
    description: str = ""
    limits: Limits = DEFAULT_LIMITS
    """For the whole run. `tool_calls` counts its steps; tokens and cost include child agents."""
    budgets: Sequence[Budget] = ()
    """What the model calls of all that works for it are paid from besides, as `Agent.budgets`."""
    unknown: Literal["ask", "tell"] = "ask"
    """What to do about a step that a crash or a time-out cut off, unless it is idempotent.

    "ask" waits for a person, "tell" raises StepFailed.
    """
    store: GivenStore = None
    listeners: Sequence[Listener] = ()
    world: World = World()
    thread: str | None = None
    """As in `options`."""
    key: str | None = None
    """As in `options`."""
    by: str = ""
    """As in `options`."""
    engine: GivenEngine = None
    """As in `options`."""

    def __post_init__(self) -> None:
        check_flow_function(self.function)
        check_run(self, "Flow")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function itself, as a part of the flow that calls it."""
        return self.function(*args, **kwargs)

    def options(
        self,
        *,
        thread: str | None = None,
        key: str | None = None,
        by: str = "",
        engine: GivenEngine = None,
    ) -> "Flow[P, R]":
        """The flow for one run: `month.options(thread="march").run_sync(["ann", "bob"])`.

        `thread` is the new thread's name. With the same `key` again, `run` brings that run to its
        end and gives its result; without `thread`, the key makes the thread's name. `by` is who
        begins it, as in UserSaid. `engine` is that of `submit`, as in its options for an agent.
        They stand apart from the function's arguments, which may have any name.
        """
        return replace(self, store=self._store, thread=thread, key=key, by=by, engine=engine)

    async def run(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Run it in a new thread; `Result.output` is what it returned. See `options`.

        It also returns when the flow waits for people (status `waiting`). Raises TurnFailed, from
        the code's own error; TurnOpen if the thread has begun already; UsageError for wrong
        arguments, and a key of other ones; FlowChanged; Fenced; Stopped. Cancelling it ends the run
        as cancelled. Within another flow it is a step with a child thread.
        """
        arguments = self._turns.encode_arguments(args, kwargs)
        return await self.runs.say(arguments, self.thread, self.key, GIVEN)

    def run_sync(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """`run`, from code that isn't async."""
        return run_sync(self.run(*args, **kwargs))

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Begin a run in the background; the thread's name. As `Agent.start`."""
        arguments = self._turns.encode_arguments(args, kwargs)
        return (await self.runs.start(arguments, self.thread, self.key, GIVEN)).thread_id

    async def submit(self, *args: P.args, **kwargs: P.kwargs) -> Submitted[R]:
        """Leave a run to a worker; as `Agent.submit`. `Submitted.result()` waits for its end."""
        arguments = self._turns.encode_arguments(args, kwargs)
        options = SubmitOptions(thread=self.thread, key=self.key, engine=self.engine)
        return await submit(self.runs, arguments, options)

    def follow(self, thread: str, *, after: int | None = None) -> Items[R]:
        """The records of a run as they come, and its Result last; as `Agent.follow`."""
        return self.runs.follow(thread, after)

    async def stream(self, *args: P.args, **kwargs: P.kwargs) -> Items[R]:
        """`start` and `follow` in one; as `Agent.stream`: leaving it stops nothing."""
        arguments = self._turns.encode_arguments(args, kwargs)
        begun = await self.runs.start(arguments, self.thread, self.key, GIVEN)
        async with aclosing(self.runs.follow(begun.thread_id, None, begun)) as items:
            async for item in items:
                yield item

    async def due(self) -> list[str]:
        """The runs that `resume` would bring forward now; as `Agent.due`."""
        return await name_due(self._store, self.world, (self.name,))

    async def resume(
        self, thread: str, *, take: bool = False, retry_failed: bool = False
    ) -> Result[R]:
        """Bring a run to its end, and give its result; as `Agent.resume`. Raises as `run`, and
        UnknownThread.

        With `retry_failed`, a run that has failed goes on: the steps that its error came from run
        again, also within inner flows, and those that have a result don't. What was stopped beside
        them goes on as after a crash.
        """
        return await self.runs.resume(thread, GIVEN, take, retry_failed)

    def resume_in_background(self, thread: str) -> None:
        """Begin what `resume` does, and return at once; as `Agent.resume_in_background`."""
        go_on_alone(thread, self.resume(thread))

    async def post(self, thread: str, fact: Post) -> None:
        """Record what a person says to a run, in whatever process it waits; as `Agent.post`."""
        if isinstance(fact, e.UserSaid) and not fact.answers:
            raise UsageError(f"thread {thread}: {OF_A_FLOW}")
        log = await self._known(thread)
        await post(log, fact, lambda: find_run_settings(log, self.run_settings))

    async def raise_limit(self, thread: str, by: str = "", **more: Unpack[Amounts]) -> None:
        """Let a run that waits at a limit, or has ended at one, use more; as `Agent.raise_limit`.

        What works for it goes on where it was once the run is resumed.
        """
        await raise_limit(await self._known(thread), by, more)

    async def settle(
        self, handle: Any, result: Any = None, *, thread: str | None = None, by: str = ""
    ) -> list[Settled]:
        """Give the steps that have noted this handle their result; as `Agent.settle`."""
        posted = Posted(handle, result, thread, by)
        find = partial(find_run_settings, top=self.run_settings)
        return await settle(self._store, self.world, find, posted)

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
        self._turns.refuse_other(log)
        return await replay_flow(log, self.run_settings, self._turns.code)

    async def summary(self, thread: str) -> ThreadSummary:
        """Totals of a run and its children; as `Agent.summary`."""
        return await read_summary(thread, self._store)

    def as_tool(self, name: str = "", description: str = "") -> Tool:
        """This flow as a tool for an agent: each call runs in a child thread."""
        from ..core.schema import read_signature

        made = read_signature(self.function)
        about = description or self.description or made.description

        async def give(context: Context, **given: Any) -> ChildResult:
            arguments = write_arguments(self.function, (), given, marks=True).text
            return await self.runs.work_as_child(arguments, context, GIVEN)

        tool = make_child_tool(self.limits, give, made.check)
        tool = replace(tool, parameters=made.parameters, given_as=made.given_as)
        return replace(tool, name=name or self.name, description=about)

    @cached_property
    def runs(self) -> Runs[R]:
        """What its methods do."""
        return Runs(self._turns)

    @cached_property
    def _turns(self) -> FlowTurns:
        return FlowTurns(self)

    @cached_property
    def run_settings(self) -> RunSettings:
        """The settings of its runs, as `explain` needs them."""
        code = getattr(getattr(self.function, "__code__", None), "co_code", b"")
        code_hash = blake2b(code, digest_size=6).hexdigest()
        check_kind("flow(limits=)", self.limits, Limits, "Limits(...)")
        check_choice("flow(unknown", self.unknown, "ask", "tell")
        limits = replace(self.limits, repeats=None, last_word=False)
        policy = Policy(limits=limits, unknown=self.unknown)
        model = ScriptedModel([], name=NO_MODEL)
        budgets = tuple(self.budgets)
        return RunSettings(policy, model, f"{self.name} {code_hash}", budgets=budgets)

    async def _known(self, thread: str) -> Log:
        return await require_log(thread, self._store, self.world)

    @cached_property
    def _store(self) -> Store:
        return open_store(self.store)


Code = Callable[Q, Coroutine[Any, Any, T]]


@overload
def flow(function: Code[Q, T], /, **settings: Unpack[FlowSettings]) -> Flow[Q, T]: ...
@overload
def flow(**settings: Unpack[FlowSettings]) -> Callable[[Code[Q, T]], Flow[Q, T]]: ...
def flow(function: Any = None, /, **settings: Any) -> Any:
    """Make a flow of an async function: `@flow`, or `@flow(store=store, limits=...)`.

    The settings are those of `FlowSettings`.
    """
    if function is None:
        return lambda function: _make_flow(function, settings)
    return _make_flow(function, settings)


def _make_flow(function: Any, settings: dict[str, Any]) -> Flow[Any, Any]:
    unknown = settings.keys() - FlowSettings.__annotations__.keys()
    if unknown:
        known = ", ".join(FlowSettings.__annotations__)
        raise UsageError(f"@flow has no setting {sorted(unknown)}; there are: {known}")
    check_flow_function(function)
    return Flow(function, **({"name": function.__name__} | settings))
