"""Agent: frozen settings, and the ways to start and resume a thread. loop.py does the work."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from typing import Any, Generic, Literal, Unpack, overload

from typing_extensions import TypeForm

from ..core.approvals import Rule
from ..core.budget import Budget
from ..core.checks import InputCheck, OutputCheck
from ..core.limits import Limits
from ..core.model import ModelChoice
from ..core.model_settings import ModelSettings
from ..core.result import Result
from ..core.thread_summary import ThreadSummary
from ..core.tool import Tool
from ..core.tool_source import ToolSource
from ..core.type_variables import NO_DEPS, Deps, NoDeps, Out
from ..core.window import ContextWindow
from ..models.chat.read_history import ChatHistory
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store
from .agent_notes import AgentNotes
from .agent_settings import current_settings
from .agent_turns import AgentTurns
from .answer_type import AnswerType
from .background import Begun, go_on_alone
from .check_kinds import check_agent
from .delete import Deletion, delete_threads
from .divergence import Divergence
from .due import name_due
from .follow import Items
from .fork import Fork, fork
from .given import Given, Options, read_options
from .import_history import ImportedHistory, import_history
from .instructions import Instructions
from .listeners import Listener
from .log import open_log
from .message_key import with_key
from .post import Amounts, Post, post, raise_limit
from .replay import replay
from .require_log import require_log
from .runs import Runs
from .said import Said, take_message
from .settings import RunSettings
from .settle import Posted, Settled, settle
from .steer import Steered
from .step_ids import refuse_within
from .submit import SubmitOptions, Submitted, submit
from .summary import read_summary
from .sync import run_sync
from .team import find_run_settings, find_team, make_agent_tool, work_here
from .thread_name import name_or_new
from .world import World


@dataclass(frozen=True)
class Agent(Generic[Deps, Out]):
    """Instructions, tools and a model, under limits. Costs nothing to make, and never changes.

    `Deps` is what its tools and instructions need, `Out` what it answers with.
    """

    instructions: Instructions[Deps] = ""
    """A text, or a function of the Context that gives one: called once a turn, also async."""
    _: KW_ONLY
    # These two first: type checkers go by the first default that says anything of Deps and Out.
    deps_type: TypeForm[Deps] | NoDeps[Deps] = NO_DEPS
    """The type of `deps`, for type checkers alone. They find it out where all tools need deps."""
    output: TypeForm[Out] = str  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    """The type of `Result.output`: a class, a union, a list. `str`: the answer's text as it is."""
    tools: Sequence[Tool[..., object, Deps] | Callable[..., object] | ToolSource] = ()
    """Tools, plain functions, which become tools, and `mcp("...")` for those of a server."""
    model: ModelChoice = None
    """A model or its name; or several, of which the next goes on where one is down or denied.
    None: TREADLE_MODEL, else by the API keys, else the embedded model."""
    settings: ModelSettings = ModelSettings()
    """How the model is to write, such as ModelSettings(temperature=0); they win over its own."""
    name: str = "agent"
    description: str = ""
    """What it is for: told to agents that may call it or hand over to it."""
    handoffs: Sequence["Agent[Deps, Out] | str"] = ()
    """Agents that its threads may be handed to; by name, if they stand elsewhere in the team."""
    limits: Limits = Limits()
    budgets: Sequence[Budget] = ()
    """What its model calls are paid from besides, together with those of other threads."""
    rules: Sequence[Rule] = ()
    """Which calls run, ask a person first or are refused; what is changed before and after them."""
    check_input: InputCheck | None = None
    check_output: OutputCheck | None = None
    """Judge what people say before the model sees it, and the answer before it is given."""
    taint: Literal["ask", "warn", "off"] = "ask"
    """Of a call that acts outward beside untrusted text and private data: who must allow it."""
    parallel: bool = False
    """All calls of a reply run side by side; else those that change something keep their order."""
    plan: bool = False
    """Ask for a numbered plan before the first step."""
    unknown: Literal["ask", "tell"] = "ask"
    """Of a call that was cut off: ask a person what became of it, or tell the model so."""
    context_window: ContextWindow = ContextWindow()
    """How much of a conversation the model sees."""
    notes: AgentNotes | None = None
    """Long-term notes: those that fit are put before a new thread; tools keep and find them."""
    store: GivenStore = None
    """A store, or a path of an SQLite file. None: TREADLE_DB, or one in the user's data folder."""
    listeners: Sequence[Listener] = ()
    """Called with every record and piece of text, in order, in a background thread."""
    world: World = World()

    def __post_init__(self) -> None:
        check_agent(self)

    @overload
    async def run(self: "Agent[None, Out]", said: Said, **more: Unpack[Options]) -> Result[Out]: ...
    @overload
    async def run(self, said: Said, *, deps: Deps, **more: Unpack[Options]) -> Result[Out]: ...
    async def run(self, said: Said, *, deps: Any = None, **more: Unpack[Options]) -> Result[Out]:
        """Say this to the agent, in that thread or a new one, and run the turn.

        With pictures: `run(UserSaid(("What is this?", Image.of("lamp.png"))))`. Tools get `deps` as
        `Context.deps`. Returns when the turn has ended or waits for a person (status `waiting`).
        Cancelling it ends the turn as cancelled. In a flow it is a step, which raises NotAnswered
        where the turn ends without an answer, and StepTimedOut. `more`: see `Options`.

        Raises TurnOpen while a turn is at work (see `when_busy`); ModelError, TurnFailed where it
        failed; UsageError for wrong settings and a key of other words; Fenced, Stopped.
        """
        given = read_options(more, deps)
        thread, key = more.get("thread"), more.get("key")
        return await self.runs.say(said, thread, key, given, more.get("within"))

    @overload
    def run_sync(self: "Agent[None, Out]", said: Said, **more: Unpack[Options]) -> Result[Out]: ...
    @overload
    def run_sync(self, said: Said, *, deps: Deps, **more: Unpack[Options]) -> Result[Out]: ...
    def run_sync(self, said: Said, *, deps: Any = None, **more: Unpack[Options]) -> Result[Out]:
        """`run`, with its options, from code that isn't async: also in a notebook."""
        return run_sync(self.run(said, deps=deps, **more))

    @overload
    async def start(self: "Agent[None, Out]", said: Said, **more: Unpack[Options]) -> str: ...
    @overload
    async def start(self, said: Said, *, deps: Deps, **more: Unpack[Options]) -> str: ...
    async def start(self, said: Said, *, deps: Any = None, **more: Unpack[Options]) -> str:
        """Begin what `run` does; the thread's name, once the message is in its log. The turn goes
        on in the background of this event loop; where that ends first, it stays open, as after
        `stop`. Follow or resume it for its result."""
        return (await self._start(said, deps, more)).thread_id

    async def submit(self, said: Said, **more: Unpack[SubmitOptions]) -> Submitted[Out]:
        """Say this, and leave the turn to a worker; `await submitted.result()` waits for its end.
        Without an engine (see `SubmitOptions`) it goes on in this process, as by `start`."""
        return await submit(self.runs, said, more)

    def follow(self, thread: str, *, after: int | None = None) -> Items[Out]:
        """The records of a turn as they come, and its Result last, whoever drives it, anywhere.
        They begin after the record `after` (None: with the last turn), with those of children at
        work. Where this process drives it, pieces of text come too. Leaving it stops nothing. What
        nobody has driven for three seconds is given as `unfinished`. Raises as `run`."""
        return self.runs.follow(thread, after)

    @overload
    def stream(self: "Agent[None, Out]", said: Said, **more: Unpack[Options]) -> Items[Out]: ...
    @overload
    def stream(self, said: Said, *, deps: Deps, **more: Unpack[Options]) -> Items[Out]: ...
    async def stream(self, said: Said, *, deps: Any = None, **more: Unpack[Options]) -> Items[Out]:
        """`start` and `follow` in one: text and records as they come, and the Result last. Leaving
        it stops nothing: the turn goes on in the background. Raises as `run`."""
        begun = await self._start(said, deps, more)
        async with aclosing(self.runs.follow(begun.thread_id, None, begun)) as items:
            async for item in items:
                yield item

    async def due(self) -> list[str]:
        """The threads that `resume` would bring forward now, the one left first before the others.
        They are open, wait for nobody and have no living driver. Starts nothing."""
        return await name_due(self._store, self.world, self._team)

    def as_tool(self, name: str = "", description: str = "") -> Tool[..., str, Deps]:
        """This agent as a tool of another. Each call is a child thread."""
        about = description or self.description
        return make_agent_tool(self, name or self.name, about, work_here)

    async def resume(
        self,
        thread: str,
        *,
        deps: Deps | None = None,
        settings: ModelSettings | None = None,
        take: bool = False,
    ) -> Result[Out]:
        """Bring a thread's unfinished turn to its end, and give its result, or the last turn's.
        A turn that failed because no model could be reached goes on too. Where somebody alive
        drives it, in any process, this waits for them; `take` takes it from them. Raises as `run`;
        UnknownThread; UsageError where this agent lacks a tool of an open call."""
        return await self.runs.resume(thread, Given(deps, settings), take)

    def resume_in_background(self, thread: str, *, deps: Any = None) -> None:
        """Begin what `resume` does in the background, as `start`; follow it for its result."""
        go_on_alone(thread, self.resume(thread, deps=deps))

    async def steer(self, thread: str, said: Said, *, key: str | None = None) -> Steered:
        """Say this in a thread, whatever it is at: the next model call of its open turn sees it.
        After the turn's end it opens the next one (`opened`). Returns at once; where nobody drives
        the turn, resume `to_resume`. Raises as `steer.steer`; UnknownThread."""
        log = await require_log(thread, self._store, self.world)
        return await self.runs.steer(log, with_key(take_message(said), key))

    async def post(self, thread: str, event: Post) -> Steered | None:
        """Write what a person says to a turn that waits or runs, in any process; then resume it.

        An ApprovalGiven, an OutcomeDecided (takes the thread from its driver), a UserSaid that
        answers or steers, a TrustChanged that adopts, or a TurnEnded that cancels. Raises
        IllegalEvent where nothing waits for the event, UnknownThread, UsageError."""
        log = await require_log(thread, self._store, self.world)
        return await post(log, event, lambda: find_run_settings(log, self.run_settings))

    async def raise_limit(self, thread: str, by: str = "", **more: Unpack[Amounts]) -> None:
        """Let a turn that waits at a limit, or has ended at one, use so much more; then resume it.
        `raise_limit("t", tokens=50_000)`, `by` a person, or this system's user. Or IllegalEvent."""
        await raise_limit(await require_log(thread, self._store, self.world), by, more)

    async def settle(
        self,
        handle: Any,
        result: Any = None,
        *,
        thread: str | None = None,
        by: str = "",
        deps: Deps | None = None,
    ) -> list[Settled]:
        """Give calls that have noted this handle their result: see `settle.settle`."""
        posted = Posted(handle, result, thread, by, deps)
        find = partial(find_run_settings, top=self.run_settings)
        return await settle(self._store, self.world, find, posted)

    async def fork(self, thread: str, *, at: int | None = None, edit: Said | None = None) -> Fork:
        """Make a thread that shares this one's records up to seq `at` (None: all). With `edit`, it
        says that in place of the message `at` (None: the last). Resume or run it."""
        return await fork(self._store, thread, at=at, edit=edit, world=self.world)

    async def import_history(
        self, messages: Sequence[Any], *, thread: str | None = None
    ) -> ImportedHistory:
        """Make a thread of messages in the form of chat completions, to go on with by `run`; or by
        `resume`, which replies to the last. Raises UsageError for a thread that exists."""
        log = await open_log(name_or_new(thread, self.world), self._store, self.world)
        return await import_history(log, ChatHistory(messages), self.name, self.instructions)

    async def replay(self, thread: str) -> Divergence | None:
        """Run a recorded thread again, offline, by these settings; the first difference or None."""
        log = await require_log(thread, self._store, self.world)
        return await replay(log.records, self.run_settings)

    async def summary(self, thread: str) -> ThreadSummary:
        """Totals of a thread and its children: tokens, cost, calls by tool, waits, time."""
        return await read_summary(thread, self._store)

    async def delete(self, thread: str, *, notes: bool = False, stop: bool = False) -> Deletion:
        """Delete a thread and its children for good; with `notes`, what was noted from them too.
        `stop` cancels a turn at work first. Raises as `delete.delete_threads`."""
        return await delete_threads(self._store, [thread], self._notes, notes=notes, stop=stop)

    async def _start(self, said: Said, deps: Any, more: Options) -> Begun:
        refuse_within(more.get("within"))
        given = read_options(more, deps)
        return await self.runs.start(said, more.get("thread"), more.get("key"), given)

    @cached_property
    def runs(self) -> Runs[Out]:
        return Runs(AgentTurns(self))

    @property
    def run_settings(self) -> RunSettings:
        """These settings, resolved. Raises UsageError for wrong ones."""
        return current_settings(self)

    @cached_property
    def _answer_type(self) -> AnswerType | None:
        return None if self.output is str else AnswerType(self.output)

    @cached_property
    def _store(self) -> Store:
        return open_store(self.store)

    @cached_property
    def _team(self) -> dict[str, "AnyAgent"]:
        return find_team(self)

    @cached_property
    def _notes(self) -> AgentNotes | None:
        return self.notes and self.notes.bind(self._store, self.world)


AnyAgent = Agent[Any, Any]
"""An agent, whatever it needs and answers with."""
