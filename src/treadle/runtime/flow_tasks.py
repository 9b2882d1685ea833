"""The tasks of a flow's code: each has a scope for its steps, and shows what it awaits.

asyncio tells only a loop's task factory when a task is made. So a flow installs one. It changes
tasks of a flow's code only; for all others the factory that was there before does its work.
"""

import asyncio
from collections.abc import Coroutine, Generator, Iterable
from contextvars import copy_context
from typing import Any

from ..core.raised import in_words
from .blocking import TimedStep
from .border import is_ctrl_c
from .step_ids import StepRunner, StepScope, current_scope, enter_scope, scope_of

MAX_ROUNDS = 1000
"""Rounds of the event loop after which code that never rests, as it polls, counts as at rest."""
QUIET_ROUNDS = 20
"""Rounds in which nothing is seen to move, where a loop doesn't show what it will run next."""


class TaskCode(Coroutine[Any, Any, Any]):
    """The code of one task. What would end the whole event loop ends only this task."""

    def __init__(self, code: Coroutine[Any, Any, Any]) -> None:
        self.code = code
        self.awaits: Any = None
        """The future that the task waits for; None while it runs or is about to."""

    def send(self, value: Any) -> Any:
        return self._go_on(self.code.send, value)

    def throw(self, *error: Any) -> Any:
        return self._go_on(self.code.throw, *error)

    def close(self) -> None:
        self.code.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.code.__await__()

    def __getattr__(self, name: str) -> Any:
        """What shows a coroutine to people, as its name and its frames, is that of the code."""
        return getattr(self.code, name)

    @property
    def waits(self) -> bool:
        """Whether the task can't run before something else has happened."""
        return self.awaits is not None and not self.awaits.done()

    def _go_on(self, code: Any, *what: Any) -> Any:
        self.awaits = None
        try:
            with TimedStep(f"the flow's code {getattr(self.code, '__qualname__', '')}"):
                self.awaits = code(*what)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise in_words(error, "a task of the flow's code") from error
        return self.awaits


def start_flow_code(caller: StepRunner, code: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Start a flow's code in a task of its own, whose tasks get a scope each."""
    loop = asyncio.get_running_loop()
    context = copy_context()
    if not isinstance(loop.get_task_factory(), _ScopingFactory):
        loop.set_task_factory(_ScopingFactory(loop.get_task_factory()))
    root = StepScope(caller)
    enter_scope(context, root)
    root.task = loop.create_task(TaskCode(code), context=context)
    return root.task


async def settle(
    caller: StepRunner, main: "asyncio.Task[Any]", ready: Iterable[asyncio.Handle] | None
) -> None:
    """Let the flow's code run until it is at rest: all of its tasks wait, and none is called back.

    That is observed, however long it takes: a busy event loop only makes the rounds longer.
    """
    quiet = 0
    for _ in range(MAX_ROUNDS):
        if ready is None:
            moves = any(not code.waits for code in codes_of([main, *caller.tasks]))
            quiet = 0 if moves else quiet + 1
            if quiet > QUIET_ROUNDS:
                return
        elif not any(_runs_for(handle, caller) for handle in tuple(ready)):  # threads add to it
            return
        await asyncio.sleep(0)


def find_ready() -> Iterable[asyncio.Handle] | None:
    """What the event loop will run next; None where it doesn't show that, as uvloop."""
    return getattr(asyncio.get_running_loop(), "_ready", None)


def codes_of(tasks: Iterable["asyncio.Task[Any]"]) -> list[TaskCode]:
    """The code of those tasks that aren't done."""
    codes = [task.get_coro() for task in [*tasks] if not task.done()]
    return [code for code in codes if isinstance(code, TaskCode)]


def _runs_for(handle: asyncio.Handle, caller: StepRunner) -> bool:
    """Whether this is a task of the flow's code, or a callback of it."""
    scope = scope_of(handle._context)  # type: ignore[attr-defined]
    return scope is not None and scope.caller is caller


class _ScopingFactory:
    """The task factory that was there before; for a task of a flow's code it makes a scope too."""

    def __init__(self, before: Any) -> None:
        self._before = before or _make_task

    def __call__(self, loop: asyncio.AbstractEventLoop, code: Any, **settings: Any) -> Any:
        parent = current_scope()
        if parent is None:
            return self._before(loop, code, **settings)
        scope = parent.next()
        context = settings.pop("context", None) or copy_context()
        enter_scope(context, scope)
        task = self._before(loop, TaskCode(code), context=context, **settings)
        scope.task = task
        parent.caller.tasks.add(task)
        return task


def _make_task(loop: asyncio.AbstractEventLoop, code: Any, **settings: Any) -> Any:
    return asyncio.Task(code, loop=loop, **settings)
