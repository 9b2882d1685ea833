"""Agent: frozen settings, and the ways to set a thread going. What happens then is in loop.py."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from ..core import events as e
from ..core.approvals import Rule
from ..core.context import ChildResult, Context
from ..core.decide import Policy
from ..core.errors import ModelError, TurnFailed, TurnOpen, UsageError
from ..core.limits import Limits
from ..core.model import Model
from ..core.result import Result, make_child_result, make_turn_error, read_result
from ..core.tool import Tool, make_tool
from ..core.window import ContextWindow
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .agent_notes import AgentNotes
from .answers import Answers
from .driving import child_limits, open_and_drive
from .ending import open_to_resume
from .fork import Fork, fork
from .job import RunSettings
from .listeners import Delta, Listener, stream_events
from .log import Log, open_child_log, open_log, require_log
from .loop import drive
from .posts import post
from .replay import Divergence, replay
from .search_history import make_search_history_tool
from .serialize import to_json
from .step_ids import StepScope, current_scope
from .sync import run_sync
from .team import (
    MAX_DEPTH,
    find_run_settings,
    find_team,
    make_agent_tool,
    make_child_tool,
    make_handoff_tools,
)
from .world import World


@dataclass(frozen=True)
class Agent:
    """Instructions, tools and a model, under limits. Costs nothing to make; nothing in it changes."""

    instructions: str = ""
    _: KW_ONLY
    tools: Sequence[Tool | Callable[..., Any]] = ()
    """Tools, or plain functions that become ones."""
    model: str | Model | None = None
    """A model, or its name (models/resolve.py). None: TREADLE_MODEL, else by the keys that are set, else embedded."""
    name: str = "agent"
    description: str = ""
    """What it is for: told to the agents that may call it or hand to it."""
    handoffs: Sequence["Agent | str"] = ()
    """Who may be put in charge of its threads; by name alone, who stands elsewhere in the team."""
    limits: Limits = Limits()
    approvals: Sequence[Rule] = ()
    output: Any = None
    """A type, e.g. a pydantic model, that the answer must be; then `Result.output` holds it."""
    plan: bool = False
    """Ask for a numbered plan before the first step."""
    unknown: Literal["ask", "tell"] = "ask"
    """What to do about a call that a crash interrupted, unless its tool is idempotent."""
    context_window: ContextWindow = ContextWindow()
    """How much of a conversation the model sees."""
    notes: AgentNotes | None = None
    """Notes that last: those that matter are put before a new thread, and there are tools to keep and find them."""
    store: Store | None = None
    """Where threads are kept. None: the SQLite file in the user's data directory, or TREADLE_DB."""
    listeners: Sequence[Listener] = ()
    """Told of every record and piece of text, in order, in a thread of their own."""
    world: World = World()

    async def run(
        self, said: str | e.UserSaid, *, thread: str | None = None, deps: Any = None
    ) -> Result:
        """Say this to the agent, in that thread or a new one, and drive the turn to its end.

        What is more than text is said as the event that it becomes: UserSaid("What is this?", (Image(url),)).

        It also comes back when the turn waits for a person (status `waiting`). Raises TurnOpen while the thread has
        an unfinished turn, a ModelError or TurnFailed for a turn that failed, UsageError for settings that can't be,
        Fenced when another process has taken the thread. Cancelling it ends the turn as cancelled.
        """
        return await self._say(said, thread, deps)

    def run_sync(
        self, said: str | e.UserSaid, *, thread: str | None = None, deps: Any = None
    ) -> Result:
        """`run`, from code that isn't async. Works in a thread and in a notebook."""
        return run_sync(self.run(said, thread=thread, deps=deps))

    def stream(
        self, said: str | e.UserSaid, *, thread: str | None = None, deps: Any = None
    ) -> AsyncGenerator[Delta | e.Record | Result, None]:
        """`run`, watched: pieces of text and records as they come, and the Result last. Raises what `run` raises.

        Leaving the loop early cancels the turn.
        """
        return stream_events(lambda sink: self._say(said, thread, deps, sink))

    def as_tool(self, name: str = "", description: str = "") -> Tool:
        """This agent as a tool of another: each call is a thread of its own. Where it waits, so does the caller."""
        return make_agent_tool(self, name or self.name, description or self.description, self._work)

    async def resume(self, thread: str, *, deps: Any = None) -> Result:
        """Go on with a thread's unfinished turn, wherever it stopped; does nothing where there is none.

        Whoever drove it before, if still alive, is fenced off. Raises what `run` raises; UnknownThread; UsageError
        where a call is under way whose tool this agent doesn't have.
        """
        return await self._go_on(await open_to_resume(thread, self._store, self.world), deps)

    async def post(
        self, thread: str, fact: e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.TurnEnded
    ) -> None:
        """Write what a person says to a turn that waits or runs, in whatever process; resuming it then goes on.

        An ApprovalGiven, an OutcomeDecided, a UserSaid that answers a question, a TurnEnded that cancels, also the
        threads below. Deciding what became of a call takes the thread from whoever still drives it. Raises IllegalEvent
        where nothing waits for that, UnknownThread, and UsageError for edited arguments that the tool doesn't take.
        """
        log = await require_log(thread, self._store, self.world)
        await post(log, fact, lambda: find_run_settings(log, self.run_settings))

    async def fork(self, thread: str, *, at: int | None = None, edit: str | None = None) -> Fork:
        """A new thread that shares the records of this one up to seq `at` (None: all); resume or run it to go on.

        With `edit`, the new thread says that in place of the message `at` (None: the last). Raises as `fork.fork`.
        """
        return await fork(self._store, thread, at=at, edit=edit, world=self.world)

    async def replay(self, thread: str) -> Divergence | None:
        """Run a recorded thread again, offline, with this agent's settings: the first difference, or None."""
        return await replay(
            (await require_log(thread, self._store, self.world)).records, self.run_settings
        )

    async def _say(
        self, said: str | e.UserSaid, thread: str | None, deps: Any, sink: Listener | None = None
    ) -> Result:
        if branch := current_scope(alone=bool(thread or sink)):
            return await self.below(branch, branch.step_id(self.name), said, deps)
        said = e.UserSaid(said) if isinstance(said, str) else said
        log = await open_log(
            thread or self.world.new_id(), self._store, self.world, [sink] if sink else []
        )
        if log.state.phase not in ("empty", "idle"):
            raise TurnOpen(
                f"thread {log.thread_id} has an unfinished turn; resume it before saying something new"
            )
        start: list[e.Event] = (
            [] if log.records else [e.ThreadStarted(self.name, self.world.new_id())]
        )
        recalled = await self._notes.recall_event(said.text) if start and self._notes else None
        start += [self._claim(log), *([recalled] if recalled else []), said]
        return await self._drive(log, replace(self.run_settings, deps=deps), *start)

    async def below(
        self, branch: StepScope, step_id: str, said: str | e.UserSaid, deps: Any = None
    ) -> Result:
        """`run` as a step of a flow."""

        async def work(context: Context) -> ChildResult:
            return await self._work(said, replace(context, deps=deps))

        tool = make_child_tool(self.limits, work)
        log: Log = await branch.caller.child(step_id, self.name, tool, to_json({"task": said}))
        return self._ended(log)

    async def _go_on(self, log: Log, deps: Any) -> Result:
        if log.state.phase == "idle":
            return self._result(log)
        self.run_settings.refuse_missing(log.state)
        return await self._drive(log, replace(self.run_settings, deps=deps), self._claim(log))

    async def _work(self, task: str | e.UserSaid, context: Context) -> ChildResult:
        """Start or go on with the thread that the call names, within what it is lent; what came of it."""
        above = context.parent
        assert above
        if above.depth >= MAX_DEPTH:
            return ChildResult(
                f"agents call each other {MAX_DEPTH} deep; do it without",
                e.Usage(),
                0.0,
                failed=True,
            )
        me = replace(
            self, store=above.store, world=above.world, limits=child_limits(self.limits, above)
        )
        log = await open_child_log(above)
        with suppress(
            ModelError, TurnFailed
        ):  # its log says so; the caller gets it as the tool's error
            if log.records:
                await me._go_on(log, context.deps)
            else:
                parent = (context.thread_id, context.call_id, above.depth + 1)
                start = e.ThreadStarted(self.name, me.world.new_id(), *parent)
                said = e.UserSaid(task) if isinstance(task, str) else task
                await me._drive(
                    log, replace(me.run_settings, deps=context.deps), start, me._claim(log), said
                )
        return make_child_result(self.name, read_result(log.records, log.state))

    async def _drive(self, log: Log, job: RunSettings, *opening: e.Event) -> Result:
        job.refuse_unpriced()
        await open_and_drive(log, self.listeners, opening, lambda: drive(log, job))
        return self._ended(log)

    def _ended(self, log: Log) -> Result:
        done = self._result(log)
        if done.status == "failed":
            raise make_turn_error(done, log.state)
        return done

    def _result(self, log: Log) -> Result:
        done = read_result(log.records, log.state)
        answers = self._team.get(log.state.agent, self)._answers
        if answers and done.status == "answered" and answers.check(done.answer) is None:
            return replace(done, output=answers.parse(done.answer))
        return done  # also where the answer is of another type: it was given to an agent that asked for that

    def _claim(self, log: Log) -> e.ThreadClaimed:
        return self.run_settings.claim(self.name, log.state, self.world.new_id())

    @cached_property
    def _answers(self) -> Answers | None:
        return Answers(self.output) if self.output is not None else None

    @cached_property
    def _store(self) -> Store:
        return self.store or SQLiteStore()

    @cached_property
    def _team(self) -> dict[str, "Agent"]:
        return find_team(self)

    @cached_property
    def _notes(self) -> AgentNotes | None:
        return self.notes and self.notes.bind(self._store, self.world)

    @cached_property
    def run_settings(self) -> RunSettings:
        """Its settings, worked out; what `explain` and `replay` go by. Raises UsageError for settings that can't be."""
        if not self.handoffs:
            return self._own_job(())
        jobs = {
            name: agent._own_job(make_handoff_tools(agent, self._team))
            for name, agent in self._team.items()
        }
        return replace(jobs[self.name], team=jobs)

    def _own_job(self, handoffs: Iterable[Tool]) -> RunSettings:
        tools = [tool if isinstance(tool, Tool) else make_tool(tool) for tool in self.tools]
        tools += handoffs
        if self.context_window.search_history:
            tools.append(make_search_history_tool(self._store))
        if self._notes:
            tools += self._notes.tools(self._store)
        names = [tool.name for tool in tools]
        if len(set(names)) < len(names):
            raise UsageError(
                f"two tools have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
            )
        answers = self._answers
        setup = Policy(
            tools={tool.name: tool for tool in tools},
            limits=self.limits,
            approvals=tuple(self.approvals),
            plan=self.plan,
            check=answers.check if answers else None,
            unknown=self.unknown,
        )
        system = "\n\n".join(
            text for text in (self.instructions, answers.instructions if answers else "") if text
        )
        return RunSettings(
            setup,
            self._model,
            system,
            answers.schema if answers else None,
            context_window=self.context_window,
        )

    @cached_property
    def _model(self) -> Model:
        if self.model is None or isinstance(self.model, str):
            from ..models.resolve import resolve_model

            return resolve_model(self.model)
        return self.model
