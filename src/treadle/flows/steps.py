"""What a flow's code awaits: steps, people, time. Each is a call in its log, made by the code and not by a model.

1. What is in the log is given to the code again and not done again: that is all there is to resuming.
2. So whatever can differ from one time to the next (the clock, chance, files, networks) goes into a step.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar, overload

from .. import events as e
from ..agent import Agent
from ..errors import StepFailed, ToolError, UsageError
from ..result import Result
from ..tools.context import Context
from ..tools.tool import NeedsApproval, Tool, is_async
from .branch import Branch, here, plain
from .course import Course
from .history import Step
from .recorded import Unrecordable, arguments_of, kind_of, recorded, restored

T = TypeVar("T")
Asking = Coroutine[Any, Any, T]

ANY = {"type": "object"}
_DEFAULTS = (0, 60.0, False, False)


@overload
def step(function: Agent, /, said: str | e.UserSaid, *, id: str | None = None) -> Asking[Result]: ...
@overload
def step(function: Tool, /, *args: Any, id: str | None = None, **kwargs: Any) -> Asking[Any]: ...
@overload
def step(function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> Asking[T]: ...
@overload
def step(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Asking[T]: ...
def step(
    function: Any,
    /,
    *args: Any,
    id: str | None = None,
    retries: int = 0,
    timeout_s: float | None = 60.0,
    idempotent: bool = False,
    needs_approval: NeedsApproval = False,
    **kwargs: Any,
) -> Asking[Any]:
    """Run this once, whatever happens to the process: `await step(charge, customer, 5)`. Its result is kept as JSON.

    A function, a tool with its settings, or an agent, which has a thread of its own. The settings are those of a
    tool: after a crash a function that had started runs again only if it is idempotent; else the flow waits for
    somebody to decide. The `id` is worked out where the order of steps can't vary. Arguments and result must have
    a JSON form; the result comes as the function's return annotation says. Raises StepFailed.
    """
    branch = branch_of("step")
    if isinstance(function, Agent):
        return _agent(branch, function, branch.id_of(function.name, id), *args, **kwargs)
    settings = (retries, timeout_s, idempotent, needs_approval)
    if isinstance(function, Tool):
        if settings != _DEFAULTS:
            raise UsageError(f"{function.name} is a tool: say its settings where it is made, or hand over a function")
        tool, name, inner, context = function, function.name, function.function, function.context
    else:
        inner, context, name = function, _context_of(function), _name_of(function)
        tool = Tool(plain(name), "", ANY, None, _taken, idempotent=idempotent, timeout_s=timeout_s)
        tool = replace(tool, retries=retries, needs_approval=needs_approval)
    if inner is None:
        return answered(branch, branch.id_of(name, id), name, recorded(kwargs or {"question": args[0]}))
    kind = kind_of(inner)
    arguments = arguments_of(inner, args, kwargs, context)
    work = _working(inner, args, kwargs, context, kind)
    # The arguments' text is for approval rules: the function gets what it was given, which is at hand.
    tool = replace(tool, function=work, context="context", max_chars=10**9)
    return _value(branch, e.Call(branch.id_of(name, id), name, arguments), tool, kind)


def _taken(given: dict[str, Any]) -> dict[str, Any]:
    """Any arguments: the flow's code chose them."""
    return given


async def _value(branch: Branch, call: e.Call, tool: Tool, kind: Any) -> Any:
    return value_of(await course_of(branch).ask(call, tool), kind)


async def _agent(branch: Branch, agent: Agent, step_id: str, said: str | e.UserSaid, deps: Any = None) -> Result:
    return await agent.below(branch, step_id, said, deps)


async def answered(branch: Branch, step_id: str, name: str, arguments: str) -> str:
    call = e.Call(step_id, name, arguments)
    step = await course_of(branch).ask(call, Tool(plain(name), "", ANY, None, _taken))
    return step.came.text if isinstance(step.came, e.UserSaid) else str(value_of(step, Any))


def value_of(step: Step, kind: Any) -> Any:
    """What came of a step. Raises StepFailed where that is no value."""
    match step.came:
        case e.ToolReturned(content=text):
            return restored(text, kind)
        case e.UserSaid(text=text):
            return text
        case e.OutcomeDecided(outcome="ran", content=text):
            return _told(text, kind, step.call.id)
        case e.OutcomeDecided():
            raise StepFailed("nobody knows if it had its effect", step=step.call.id, kind="unknown")
        case e.ToolFailed(message=message, kind=why):
            raise StepFailed(message, step=step.call.id, kind=why)
        case None:
            raise AssertionError(f"step {step.call.id} has no result")


def _told(text: str, kind: Any, step_id: str) -> Any:
    """A result in a person's words: JSON, else text as it is."""
    try:
        return restored(text or "null", kind)
    except ValueError as error:
        if kind is Any:
            return text
        raise StepFailed(f"it ran, but the result that was told won't do: {error}", step=step_id) from None


def _working(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: str, kind: Any
) -> Callable[..., Any]:
    """The function as a step's tool runs it: its value as JSON."""

    def given(known: Context) -> dict[str, Any]:
        return {**kwargs, context: known} if context else kwargs

    def kept(value: Any) -> str:
        try:
            return recorded(value, kind)
        except Unrecordable as error:
            raise ToolError(f"the step ran, but its result can't be kept: {error}") from error

    async def finish(value: Awaitable[Any]) -> str:
        return kept(await value)

    async def work_async(context: Context, **_: Any) -> str:
        return kept(await function(*args, **given(context)))

    def work(context: Context, **_: Any) -> Any:
        value = function(*args, **given(context))
        return finish(value) if inspect.isawaitable(value) else kept(value)

    return work_async if is_async(function) else work


def branch_of(what: str) -> Branch:
    branch = here()
    if branch is None:
        raise UsageError(f"{what}() works in the code of a flow only: not outside of one, and not within a step")
    return branch


def course_of(branch: Branch) -> Course:
    assert isinstance(branch.caller, Course)
    return branch.caller


def _name_of(function: Any) -> str:
    inner = getattr(function, "func", function)
    name = getattr(inner, "__name__", type(inner).__name__)
    return "step" if name == "<lambda>" else str(name)


def _context_of(function: Callable[..., Any]) -> str:
    """The name of the parameter that takes the Context; "" for none."""
    try:
        hints = typing.get_type_hints(getattr(function, "func", function))
    except Exception:  # hints are somebody else's code
        return ""
    return next((name for name, hint in hints.items() if hint is Context and name != "return"), "")
