"""What a flow's code awaits: steps, people, time. Each is a call in its log, made by the code and not by a model.

1. What is in the log is given to the code again and not done again: that is all there is to resuming.
2. So whatever can differ from one time to the next (the clock, chance, files, networks) goes into a step.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar, overload

from ..core import events as e
from ..core.context import Context
from ..core.errors import StepFailed, ToolError, UsageError
from ..core.result import Result
from ..core.tool import NeedsApproval, Tool, is_async
from ..runtime.agent import Agent
from ..runtime.serialize import NotSerializable, arguments_to_json, from_json, return_type, to_json
from ..runtime.step_ids import StepScope, current_scope, plain_name
from .flow_run import FlowRun
from .step_results import Step

T = TypeVar("T")
StepCoroutine = Coroutine[Any, Any, T]

ANY_OBJECT = {"type": "object"}
_DEFAULTS = (0, 60.0, False, False)


@overload
def step(
    function: Agent, /, said: str | e.UserSaid, *, id: str | None = None
) -> StepCoroutine[Result]: ...
@overload
def step(
    function: Tool, /, *args: Any, id: str | None = None, **kwargs: Any
) -> StepCoroutine[Any]: ...
@overload
def step(
    function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any
) -> StepCoroutine[T]: ...
@overload
def step(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> StepCoroutine[T]: ...
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
) -> StepCoroutine[Any]:
    """Run this once, whatever happens to the process: `await step(charge, customer, 5)`. Its result is kept as JSON.

    A function, a tool with its settings, or an agent, which has a thread of its own. The settings are those of a
    tool: after a crash a function that had started runs again only if it is idempotent; else the flow waits for
    somebody to decide. The `id` is worked out where the order of steps can't vary. Arguments and result must have
    a JSON form; the result comes as the function's return annotation says. Raises StepFailed.
    """
    branch = require_scope("step")
    if isinstance(function, Agent):
        return _agent(branch, function, branch.step_id(function.name, id), *args, **kwargs)
    settings = (retries, timeout_s, idempotent, needs_approval)
    if isinstance(function, Tool):
        if settings != _DEFAULTS:
            raise UsageError(
                f"{function.name} is a tool: say its settings where it is made, or hand over a function"
            )
        tool, name, inner, context = function, function.name, function.function, function.context
    else:
        inner, context, name = function, _context_of(function), _name_of(function)
        tool = Tool(
            plain_name(name),
            "",
            ANY_OBJECT,
            None,
            _taken,
            idempotent=idempotent,
            timeout_s=timeout_s,
        )
        tool = replace(tool, retries=retries, needs_approval=needs_approval)
    if inner is None:
        return ask_person(
            branch, branch.step_id(name, id), name, to_json(kwargs or {"question": args[0]})
        )
    kind = return_type(inner)
    arguments = arguments_to_json(inner, args, kwargs, context)
    work = _working(inner, args, kwargs, context, kind)
    # The arguments' text is for approval rules: the function gets what it was given, which is at hand.
    tool = replace(tool, function=work, context="context", max_chars=10**9)
    return _value(branch, e.Call(branch.step_id(name, id), name, arguments), tool, kind)


def _taken(given: dict[str, Any]) -> dict[str, Any]:
    """Any arguments: the flow's code chose them."""
    return given


async def _value(branch: StepScope, call: e.Call, tool: Tool, kind: Any) -> Any:
    return step_value(await flow_run_of(branch).ask(call, tool), kind)


async def _agent(
    branch: StepScope, agent: Agent, step_id: str, said: str | e.UserSaid, deps: Any = None
) -> Result:
    return await agent.run_as_step(branch, step_id, said, deps)


async def ask_person(branch: StepScope, step_id: str, name: str, arguments: str) -> str:
    call = e.Call(step_id, name, arguments)
    step = await flow_run_of(branch).ask(call, Tool(plain_name(name), "", ANY_OBJECT, None, _taken))
    return step.came.text if isinstance(step.came, e.UserSaid) else str(step_value(step, Any))


def step_value(step: Step, kind: Any) -> Any:
    """What came of a step. Raises StepFailed where that is no value."""
    match step.came:
        case e.ToolReturned(content=text):
            return from_json(text, kind)
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
        return from_json(text or "null", kind)
    except ValueError as error:
        if kind is Any:
            return text
        raise StepFailed(
            f"it ran, but the result that was told won't do: {error}", step=step_id
        ) from None


def _working(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: str,
    kind: Any,
) -> Callable[..., Any]:
    """The function as a step's tool runs it: its value as JSON."""

    def given(known: Context) -> dict[str, Any]:
        return {**kwargs, context: known} if context else kwargs

    def kept(value: Any) -> str:
        try:
            return to_json(value, kind)
        except NotSerializable as error:
            raise ToolError(f"the step ran, but its result can't be kept: {error}") from error

    async def finish(value: Awaitable[Any]) -> str:
        return kept(await value)

    async def work_async(context: Context, **_: Any) -> str:
        return kept(await function(*args, **given(context)))

    def work(context: Context, **_: Any) -> Any:
        value = function(*args, **given(context))
        return finish(value) if inspect.isawaitable(value) else kept(value)

    return work_async if is_async(function) else work


def require_scope(what: str) -> StepScope:
    branch = current_scope()
    if branch is None:
        raise UsageError(
            f"{what}() works in the code of a flow only: not outside of one, and not within a step"
        )
    return branch


def flow_run_of(branch: StepScope) -> FlowRun:
    assert isinstance(branch.caller, FlowRun)
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
