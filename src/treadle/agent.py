"""Agent: frozen settings, and the ways to set a thread going. What happens then is in loop.py."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from . import events as e
from .answers import Answers
from .approvals import Rule
from .decide import Setup
from .errors import (
    ContextOverflow,
    ModelDenied,
    ModelRejected,
    ModelUnavailable,
    ToolError,
    TreadleError,
    TurnFailed,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from .limits import Limits
from .log import Delta, Listener, Log, opened
from .loop import Job, drive
from .models.model import Model
from .result import Result, result
from .stores.sqlite import SQLiteStore
from .stores.store import Store
from .sync import run_sync
from .tools.tool import Tool, tool_of
from .turn import call_of
from .world import World

_FAILURES: dict[str, type[TreadleError]] = {
    "unavailable": ModelUnavailable,
    "overflow": ContextOverflow,
    "denied": ModelDenied,
    "rejected": ModelRejected,
}


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
    limits: Limits = Limits()
    approvals: Sequence[Rule] = ()
    output: Any = None
    """A type, e.g. a pydantic model, that the answer must be; then `Result.output` holds it."""
    plan: bool = False
    """Ask for a numbered plan before the first step."""
    unknown: Literal["ask", "tell"] = "ask"
    """What to do about a call that a crash interrupted, unless its tool is idempotent."""
    store: Store | None = None
    """Where threads are kept. None: the SQLite file in the user's data directory, or TREADLE_DB."""
    listeners: Sequence[Listener] = ()
    world: World = World()

    async def run(
        self, text: str, *, thread: str | None = None, parts: Sequence[e.Image | e.File] = (), deps: Any = None
    ) -> Result:
        """Say this to the agent, in that thread or a new one, and drive the turn to its end.

        It also comes back when the turn waits for a person (status `waiting`). Raises TurnOpen while the thread has
        an unfinished turn, a ModelError or TurnFailed for a turn that failed, UsageError for settings that can't be.
        """
        log = await self._log(thread or self.world.new_id())
        if log.state.phase not in ("empty", "idle"):
            raise TurnOpen(f"thread {log.thread_id} has an unfinished turn; resume it before saying something new")
        start = [] if log.records else [e.ThreadStarted(self.name, self.world.new_id())]
        return await self._drive(log, deps, *start, self._claim(), e.UserSaid(text, tuple(parts)))

    def run_sync(
        self, text: str, *, thread: str | None = None, parts: Sequence[e.Image | e.File] = (), deps: Any = None
    ) -> Result:
        """`run`, from code that isn't async. Works in a thread and in a notebook."""
        return run_sync(self.run(text, thread=thread, parts=parts, deps=deps))

    async def stream(
        self, text: str, *, thread: str | None = None, parts: Sequence[e.Image | e.File] = (), deps: Any = None
    ) -> AsyncIterator[Delta | e.Record | Result]:
        """`run`, watched: pieces of text and records as they come, and the Result last. Raises what `run` raises.

        Leaving the loop early cancels the turn.
        """
        queue: asyncio.Queue[Delta | e.Record | None] = asyncio.Queue()
        watched = replace(self, listeners=(*self.listeners, queue.put_nowait))
        task = asyncio.create_task(watched.run(text, thread=thread, parts=parts, deps=deps))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (item := await queue.get()) is not None:
                yield item
            yield await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def resume(self, thread: str, *, deps: Any = None) -> Result:
        """Go on with a thread's unfinished turn, wherever it stopped; does nothing where there is none.

        Whoever drove it before, if still alive, is fenced off. Raises what `run` raises, and UnknownThread.
        """
        log = await self._known(thread)
        if log.state.phase == "idle":
            return self._result(log)
        return await self._drive(log, deps, self._claim())

    async def approve(
        self, thread: str, call_id: str, *, by: str, arguments: str | None = None, always: bool = False
    ) -> None:
        """Allow a call that waits, perhaps with other arguments (JSON text). The turn goes on when it is resumed.

        Raises UsageError for arguments that the tool doesn't take, IllegalEvent for a call that doesn't wait.
        """
        log = await self._known(thread)
        if arguments is not None and log.state.turn:
            tool = self._job.setup.tools.get(call_of(log.state.turn, call_id).call.name)
            try:
                if tool:
                    tool.check(arguments)
            except ToolError as error:
                raise UsageError(f"those arguments won't do: {error}") from None
        await log.append(e.ApprovalGiven(call_id, True, by, "", arguments, always))

    async def deny(self, thread: str, call_id: str, *, by: str, reason: str = "") -> None:
        """Refuse a call that waits; the model is told why when the turn is resumed. Raises as `approve` does."""
        await (await self._known(thread)).append(e.ApprovalGiven(call_id, False, by, reason))

    async def answer(self, thread: str, call_id: str, text: str) -> None:
        """Answer a question that the agent asked. Raises IllegalEvent where the call asks none."""
        await (await self._known(thread)).append(e.UserSaid(text, answers=call_id))

    async def _drive(self, log: Log, deps: Any, *opening: e.Event) -> Result:
        job = replace(self._job, deps=deps)
        self._priced(job.model)
        await log.append(*opening)
        await drive(log, job)
        done = self._result(log)
        if done.status == "failed":
            raise _failure(log, done)
        return done

    def _result(self, log: Log) -> Result:
        done = result(log.records, log.state)
        if self._answers and done.status == "answered":
            return replace(done, output=self._answers.parse(done.answer))
        return done

    def _claim(self) -> e.ThreadClaimed:
        return e.ThreadClaimed(self.world.new_id(), self.name)

    async def _log(self, thread: str) -> Log:
        return await opened(thread, self._store, self.world, self.listeners)

    async def _known(self, thread: str) -> Log:
        log = await self._log(thread)
        if not log.records:
            raise UnknownThread(f"there is no thread {thread!r} in this store")
        return log

    def _priced(self, model: Model) -> None:
        limits = self.limits
        if limits.cost_usd is not None and not limits.unpriced and model.cost_usd(e.Usage(1, 1)) is None:
            raise UsageError(
                f"cost_usd={limits.cost_usd} can't hold: no price is known for {model.name}."
                " Limit tokens instead, or say Limits(unpriced=True) to let calls of unknown price pass"
            )

    @cached_property
    def _answers(self) -> Answers | None:
        return Answers(self.output) if self.output is not None else None

    @cached_property
    def _store(self) -> Store:
        return self.store or SQLiteStore()

    @cached_property
    def _job(self) -> Job:
        tools = [tool if isinstance(tool, Tool) else tool_of(tool) for tool in self.tools]
        names = [tool.name for tool in tools]
        if len(set(names)) < len(names):
            raise UsageError(f"two tools have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}")
        answers = self._answers
        setup = Setup(
            tools={tool.name: tool for tool in tools},
            limits=self.limits,
            approvals=tuple(self.approvals),
            plan=self.plan,
            check=answers.check if answers else None,
            unknown=self.unknown,
        )
        system = "\n\n".join(text for text in (self.instructions, answers.instructions if answers else "") if text)
        return Job(setup, self._model, system, answers.schema if answers else None)

    @cached_property
    def _model(self) -> Model:
        if self.model is None or isinstance(self.model, str):
            from .models.resolve import resolve

            return resolve(self.model)
        return self.model


def _failure(log: Log, done: Result) -> TreadleError:
    failed = log.state.turn.failed if log.state.turn else None
    kind = _FAILURES.get(failed.kind, TurnFailed) if failed else TurnFailed
    error = kind(done.reason)
    error.add_note(f"in thread {log.thread_id}, which has it all")
    return error
