"""The ids of a flow's steps: the same whenever its code runs. Knows nothing of logs or tools.

1. An id is the function's name, numbered from the second on, in the order in which one task asks. A
   task made within a flow (by gather, a TaskGroup, create_task) puts its own number before:
   `2.charge`. Tasks are numbered when they are made, not when they run: so ids don't vary.
2. The factory in flow_tasks.py makes a scope for each task. Where somebody has replaced it, a step
   in such a task needs an id of its own.
"""

import asyncio
import re
from collections import Counter
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from ..core.check_settings import check_number
from ..core.errors import UsageError
from ..core.events import Call
from ..core.tool import Tool

if TYPE_CHECKING:
    from .log import Log


class StepRunner(Protocol):
    """What runs a flow's code, as the code's steps see it."""

    tasks: "WeakSet[asyncio.Task[object]]"
    """The tasks that the code has made."""

    async def child(self, call: Call, tool: Tool, within: float | None = None) -> "Log":
        """Run an agent or a flow as a step; its thread's log when its turn is over.

        Raises StepFailed; StepTimedOut where it isn't over within so many seconds.
        """
        ...


class StepScope:
    """One task of a flow's code, in which steps are numbered."""

    def __init__(self, caller: StepRunner, path: str = "") -> None:
        self.caller = caller
        self.task: asyncio.Task[Any] | None = None
        self._path = path
        self._steps: Counter[str] = Counter()
        self._tasks = 0

    def step_id(self, name: str, given: str | None = None) -> str:
        """The given id, else the id of the next step of this name.

        Raises UsageError for an id that can't be typed, and where it could vary from run to run.
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
                f"the step {name} is asked for in a task that its flow didn't see being made, as"
                " another task factory stands in the event loop: the order of its steps can vary,"
                " so give each an id="
            )
        self._steps[name] += 1
        number = self._steps[name]
        if number == 1:
            return f"{self._path}{name}"
        return f"{self._path}{name}-{number}"

    def next(self) -> "StepScope":
        """The scope of a task that this one makes."""
        self._tasks += 1
        return StepScope(self.caller, f"{self._path}{self._tasks}.")


_current: ContextVar[StepScope | None] = ContextVar("treadle_step_scope", default=None)


def check_within(within: float | None) -> None:
    """Raise UsageError for what is no length of time in seconds; None is no limit."""
    if within is not None:
        check_number("within", within)


def refuse_within(within: float | None) -> None:
    """Raise UsageError for a time limit of a step, given outside of a flow's code."""
    if within is not None:
        raise UsageError(
            "within= is for a flow's code; elsewhere give the agent limits=Limits(seconds=...)"
        )


def plain_name(name: str) -> str:
    """The name in characters that tools and steps may have."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name)[:64].strip("-") or "step"


def current_scope() -> StepScope | None:
    """The scope of the flow's code that calls this; None outside of one, also inside its steps."""
    return _current.get()


def refuse_in_flow(what: str) -> None:
    """Raise UsageError in a flow's code, outside of its steps, for what its log would not hold.

    The code runs again whenever the flow is resumed or replayed, and would do it again each time.
    """
    if current_scope():
        raise UsageError(
            f"{what} has no place in a flow's code, which runs again at each resume and would do it"
            " again: put it into a step, await step(function). Only run() without thread= and key="
            " is a step by itself, in a child thread of the flow's"
        )


def scope_of(context: Context) -> StepScope | None:
    """The scope of the flow's code that runs in this context; None for other code."""
    return context.get(_current)


def enter_scope(context: Context, scope: StepScope) -> None:
    """What runs in this context is in the scope from now on."""
    context.run(_current.set, scope)
