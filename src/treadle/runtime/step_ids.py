"""Where code runs within a flow: whose steps it asks for, and under which ids. Knows nothing of logs or tools.

1. An id is the function's name, numbered from the second on, in the order in which one task asks. A task that is
   made within a flow (by gather, a TaskGroup, create_task) puts its own number before: `2.charge`. Tasks are numbered
   when they are made, not when they run, so that ids are the same whenever the code runs.
2. asyncio tells only a loop's task factory when a task is made. So a flow puts one there, which does nothing else.
   Where somebody has put theirs in its place, a step in such a task needs an id of its own.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Protocol
from weakref import WeakSet

from ..core.errors import FlowChanged, UsageError
from ..core.tool import Tool


class StepRunner(Protocol):
    """What runs a flow's code, as the code's steps see it."""

    tasks: "WeakSet[asyncio.Task[Any]]"
    """Those that the code has made."""

    async def child(self, call_id: str, name: str, tool: Tool, arguments: str) -> Any:
        """Run an agent or a flow as a step; the Log of its thread when its turn is over. Raises StepFailed."""

    async def changed(self, error: FlowChanged) -> Any:
        """Raise it to whoever runs the flow. Never comes back."""


class StepScope:
    """One task of a flow's code."""

    def __init__(self, caller: StepRunner, path: str = "") -> None:
        self.caller = caller
        self.task: asyncio.Task[Any] | None = None
        self._path = path
        self._steps: Counter[str] = Counter()
        self._branches = 0

    def step_id(self, name: str, given: str | None = None) -> str:
        """The id that is given, else that of the next step of this name.

        Raises UsageError where it could be another the next time, and for one that can't be typed.
        """
        if given is not None:
            if not re.fullmatch(r"[\w.:-]{1,100}", given):
                raise UsageError(
                    f"the id {given!r}: give letters, digits and _ . : - only, at most 100"
                )
            return given
        name = plain_name(name)
        task = asyncio.current_task()
        self.task = self.task or task
        if self.task is not task:
            raise UsageError(
                f"the step {name} is asked for in a task that its flow didn't see being made, as another task factory"
                " stands in the event loop: the order of its steps can vary, so give each an id="
            )
        self._steps[name] += 1
        number = self._steps[name]
        return f"{self._path}{name}" + (f"-{number}" if number > 1 else "")

    def next(self) -> "StepScope":
        """That of a task which this one makes."""
        self._branches += 1
        return StepScope(self.caller, f"{self._path}{self._branches}.")


_here: ContextVar[StepScope | None] = ContextVar("treadle_branch", default=None)


def plain_name(name: str) -> str:
    """As tools and steps may be called."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name)[:64].strip("-") or "step"


def current_scope(alone: bool = False) -> StepScope | None:
    """The branch of the flow whose code calls this; None outside of a flow's code, as in its steps.

    Raises UsageError in a flow's code for what is asked to be `alone`: in a thread of its own name, or streamed.
    """
    branch = _here.get()
    if branch and alone:
        raise UsageError(
            "what runs within a flow's code has a thread below the flow's: no thread=, and no stream()"
        )
    return branch


def start_flow_code(caller: StepRunner, code: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Start a flow's code, in a task of its own; the tasks that it makes are its branches."""
    loop, context = asyncio.get_running_loop(), copy_context()
    if not isinstance(loop.get_task_factory(), _Branching):
        loop.set_task_factory(_Branching(loop.get_task_factory()))
    root = StepScope(caller)
    context.run(_here.set, root)
    root.task = loop.create_task(code, context=context)
    return root.task


class _Branching:
    """A task factory: the one that was there before, but that a flow's code gets a branch for each task."""

    def __init__(self, before: Any) -> None:
        self._before = before or (
            lambda loop, code, **settings: asyncio.Task(code, loop=loop, **settings)
        )

    def __call__(self, loop: asyncio.AbstractEventLoop, code: Any, **settings: Any) -> Any:
        parent = _here.get()
        if parent is None:
            return self._before(loop, code, **settings)
        branch, context = parent.next(), settings.pop("context", None) or copy_context()
        context.run(_here.set, branch)
        task = self._before(loop, code, context=context, **settings)
        branch.task = task
        parent.caller.tasks.add(task)
        return task
