"""Agent: frozen settings, and the ways to set a thread going. What happens then is in loop.py."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from ..core import events as e
from ..core.approvals import Rule
from ..core.context import Context, Worked
from ..core.decide import Setup
from ..core.errors import ModelError, TurnFailed, TurnOpen, UsageError
from ..core.limits import Limits
from ..core.model import Model
from ..core.result import Result, failure, result, worked
from ..core.tool import Tool, tool_of
from ..core.window import Memory
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .agent_notes import AgentNotes
from .answers import Answers
from .driving import driven, lent
from .ending import open_to_resume
from .fork import Forked, fork
from .job import Job
from .listeners import Delta, Listener, watched
from .log import Log, known, opened, opened_below
from .loop import drive
from .posts import post
from .replay import Divergence, replay
from .search_history import look_back_tool
from .serialize import recorded
from .step_ids import Branch, here
from .sync import run_sync
from .team import MOST_DEEP, child_tool, handoff_tools, job_of, members, working_tool
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
    memory: Memory = Memory()
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
        return watched(lambda sink: self._say(said, thread, deps, sink))

    def as_tool(self, name: str = "", description: str = "") -> Tool:
        """This agent as a tool of another: each call is a thread of its own. Where it waits, so does the caller."""
        return child_tool(self, name or self.name, description or self.description, self._work)

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
        log = await known(thread, self._store, self.world)
        await post(log, fact, lambda: job_of(log, self.job))

    async def fork(self, thread: str, *, at: int | None = None, edit: str | None = None) -> Forked:
        """A new thread that shares the records of this one up to seq `at` (None: all); resume or run it to go on.

        With `edit`, the new thread says that in place of the message `at` (None: the last). Raises as `fork.fork`.
        """
        return await fork(self._store, thread, at=at, edit=edit, world=self.world)

    async def replay(self, thread: str) -> Divergence | None:
        """Run a recorded thread again, offline, with this agent's settings: the first difference, or None."""
        return await replay((await known(thread, self._store, self.world)).records, self.job)

    async def _say(
        self, said: str | e.UserSaid, thread: str | None, deps: Any, sink: Listener | None = None
    ) -> Result:
        if branch := here(alone=bool(thread or sink)):
            return await self.below(branch, branch.id_of(self.name), said, deps)
        said = e.UserSaid(said) if isinstance(said, str) else said
        log = await opened(
            thread or self.world.new_id(), self._store, self.world, [sink] if sink else []
        )
        if log.state.phase not in ("empty", "idle"):
            raise TurnOpen(
                f"thread {log.thread_id} has an unfinished turn; resume it before saying something new"
            )
        start: list[e.Event] = (
            [] if log.records else [e.ThreadStarted(self.name, self.world.new_id())]
        )
        recalled = await self._notes.recalled_for(said.text) if start and self._notes else None
        start += [self._claim(log), *([recalled] if recalled else []), said]
        return await self._drive(log, replace(self.job, deps=deps), *start)

    async def below(
        self, branch: Branch, step_id: str, said: str | e.UserSaid, deps: Any = None
    ) -> Result:
        """`run` as a step of a flow."""

        async def work(context: Context) -> Worked:
            return await self._work(said, replace(context, deps=deps))

        tool = working_tool(self.limits, work)
        log: Log = await branch.caller.child(step_id, self.name, tool, recorded({"task": said}))
        return self._ended(log)

    async def _go_on(self, log: Log, deps: Any) -> Result:
        if log.state.phase == "idle":
            return self._result(log)
        self.job.refuse_missing(log.state)
        return await self._drive(log, replace(self.job, deps=deps), self._claim(log))

    async def _work(self, task: str | e.UserSaid, context: Context) -> Worked:
        """Start or go on with the thread that the call names, within what it is lent; what came of it."""
        above = context.above
        assert above
        if above.depth >= MOST_DEEP:
            return Worked(
                f"agents call each other {MOST_DEEP} deep; do it without",
                e.Usage(),
                0.0,
                failed=True,
            )
        me = replace(self, store=above.store, world=above.world, limits=lent(self.limits, above))
        log = await opened_below(above)
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
                    log, replace(me.job, deps=context.deps), start, me._claim(log), said
                )
        return worked(self.name, result(log.records, log.state))

    async def _drive(self, log: Log, job: Job, *opening: e.Event) -> Result:
        job.refuse_unpriced()
        await driven(log, self.listeners, opening, lambda: drive(log, job))
        return self._ended(log)

    def _ended(self, log: Log) -> Result:
        done = self._result(log)
        if done.status == "failed":
            raise failure(done, log.state)
        return done

    def _result(self, log: Log) -> Result:
        done = result(log.records, log.state)
        answers = self._team.get(log.state.agent, self)._answers
        if answers and done.status == "answered" and answers.check(done.answer) is None:
            return replace(done, output=answers.parse(done.answer))
        return done  # also where the answer is of another type: it was given to an agent that asked for that

    def _claim(self, log: Log) -> e.ThreadClaimed:
        return self.job.claim(self.name, log.state, self.world.new_id())

    @cached_property
    def _answers(self) -> Answers | None:
        return Answers(self.output) if self.output is not None else None

    @cached_property
    def _store(self) -> Store:
        return self.store or SQLiteStore()

    @cached_property
    def _team(self) -> dict[str, "Agent"]:
        return members(self)

    @cached_property
    def _notes(self) -> AgentNotes | None:
        return self.notes and self.notes.kept_with(self._store, self.world)

    @cached_property
    def job(self) -> Job:
        """Its settings, worked out; what `explain` and `replay` go by. Raises UsageError for settings that can't be."""
        if not self.handoffs:
            return self._own_job(())
        jobs = {
            name: agent._own_job(handoff_tools(agent, self._team))
            for name, agent in self._team.items()
        }
        return replace(jobs[self.name], team=jobs)

    def _own_job(self, handoffs: Iterable[Tool]) -> Job:
        tools = [tool if isinstance(tool, Tool) else tool_of(tool) for tool in self.tools]
        tools += handoffs
        if self.memory.look_back:
            tools.append(look_back_tool(self._store))
        if self._notes:
            tools += self._notes.tools(self._store)
        names = [tool.name for tool in tools]
        if len(set(names)) < len(names):
            raise UsageError(
                f"two tools have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
            )
        answers = self._answers
        setup = Setup(
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
        return Job(
            setup, self._model, system, answers.schema if answers else None, memory=self.memory
        )

    @cached_property
    def _model(self) -> Model:
        if self.model is None or isinstance(self.model, str):
            from ..models.resolve import resolve

            return resolve(self.model)
        return self.model
