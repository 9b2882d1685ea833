"""Steps: what a flow's code awaits. Each is a call in the log, made by the code and not by a model.

1. To resume is to run the code again with the results in the log; steps with results don't run.
2. So all that can differ between two runs (clock, chance, files, networks) belongs into a step.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

from ..core import events as e
from ..core.context import Context, find_context
from ..core.errors import StepFailed, StepTimedOut, ToolError, UsageError
from ..core.name_kind import function_name
from ..core.result import Result
from ..core.taint import Labelled, change_result
from ..core.tool import NeedsApproval, Tool, is_async
from ..core.verify import Ran
from ..runtime.agent import Agent
from ..runtime.arguments import WrittenArguments, name_arguments, read_arguments, write_arguments
from ..runtime.call_function import call_function, wrap
from ..runtime.given import Given
from ..runtime.serialize import (
    NotSerializable,
    read_hints,
    read_told,
    read_value,
    return_type,
    to_json,
    write_value,
)
from ..runtime.step_ids import StepScope, check_within, current_scope, plain_name
from .flow_run import FlowRun
from .step_results import Step

T = TypeVar("T")
StepCoroutine = Coroutine[Any, Any, T]

ANY_OBJECT = {"type": "object"}


class Settings(TypedDict, total=False):
    """What a step is told like a tool: see the fields of Tool."""

    retries: int
    timeout_s: float | None
    idempotent: bool
    needs_approval: NeedsApproval


def ask_step(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], id: str | None, settings: Settings
) -> StepCoroutine[Any]:
    """As `step`, with these settings of a tool."""
    branch = require_scope("step")
    if isinstance(function, Agent):
        return _run_agent(branch, function, branch.step_id(function.name, id), *args, **kwargs)
    if not isinstance(function, Tool):
        name = function_name(function).replace("<lambda>", "step")
        tool = _make_tool(function, name, settings)
    elif not settings:
        name = function.name
        tool = function
    else:
        raise UsageError(
            f"{function.name} is a tool: say its settings where it is made, or hand over a function"
        )
    if tool.function is None:
        asked = show_json(**(kwargs or {"question": args[0]}))
        return ask_person(branch, e.Call(branch.step_id(name, id), name, asked))
    kind = return_type(tool.function)
    written = write_arguments(tool.function, args, kwargs, tool.context)
    flow_run = flow_run_of(branch)
    work = _wrap(tool.function, written, tool.context, kind, flow_run.edited)
    asks = _wrap_verify(tool, written, kind, flow_run.edited)
    tool = replace(tool, function=work, context="context", max_chars=10**9, verify=asks)
    return _run_step(branch, e.Call(branch.step_id(name, id), name, written.text), tool, kind)


def _make_tool(function: Callable[..., Any], name: str, settings: Settings) -> Tool:
    return Tool(
        plain_name(name),
        "",
        ANY_OBJECT,
        function,
        _accept,
        context=find_context(read_hints(function)),
        **settings,
    )


def _accept(given: dict[str, Any]) -> dict[str, Any]:
    """Accepts any arguments, because the flow's code chose them."""
    return given


async def _run_step(branch: StepScope, call: e.Call, tool: Tool, kind: Any) -> Any:
    return step_value(await flow_run_of(branch).ask(call, tool), kind)


async def _run_agent(
    branch: StepScope,
    agent: Agent,
    step_id: str,
    said: str | e.UserSaid,
    deps: Any = None,
    within: float | None = None,
) -> Result:
    return await agent.runs.run_as_step(branch, step_id, said, Given(deps), within)


async def ask_person(
    branch: StepScope, call: e.Call, within: float | None = None, *, early: bool = False
) -> str:
    """Ask a person as a step, and wait for the answer. `early` as in StepAsked."""
    check_within(within)
    tool = Tool(plain_name(call.name), "", ANY_OBJECT, check=_accept)
    step = await flow_run_of(branch).ask(call, tool, within, early=early)
    if isinstance(step.came, e.UserSaid):
        return step.came.text
    return str(step_value(step, Any))


def show_json(**details: Any) -> str:
    """What a person is shown, as a JSON object. Raises UsageError for what has no JSON form."""
    try:
        return to_json(details)
    except NotSerializable as error:
        raise UsageError(f"what a person is shown is kept in the log as JSON: {error}") from None


def step_value(step: Step, kind: Any) -> Any:
    """A step's result as a value of this type. Raises StepFailed if it has none."""
    match step.came:
        case e.ToolReturned(content=text, by=""):
            return read_value(text, kind)
        case e.ToolReturned(content=text):  # posted from elsewhere
            return _read_told_result(text, kind, step.call.id)
        case e.UserSaid(text=text):
            return text
        case e.OutcomeDecided(outcome="ran", content=text):
            return _read_told_result(text, kind, step.call.id)
        case e.OutcomeDecided():
            raise StepFailed("nobody knows if it had its effect", step=step.call.id, kind="unknown")
        case e.ToolFailed(message=message, kind="timeout"):
            raise StepTimedOut(message, step=step.call.id, kind="timeout")
        case e.ToolFailed(message=message, kind=why):
            raise StepFailed(message, step=step.call.id, kind=why)
        case None:
            raise AssertionError(f"step {step.call.id} has no result")


def _read_told_result(text: str, kind: Any, step_id: str) -> Any:
    try:
        return read_told(text, kind)
    except ValueError as error:
        raise StepFailed(
            f"it ran, but the result that was told won't do: {error}", step=step_id
        ) from None


def _wrap(
    function: Callable[..., Any],
    written: WrittenArguments,
    parameter: str,
    kind: Any,
    edited: Callable[[str], str | None],
) -> Callable[..., Any]:
    """The function as a step's tool runs it: each try reads the arguments anew; JSON comes out.

    `parameter` is the one for the Context, "" if there is none; `edited` gives what a person has
    made of the arguments, if anything, by the step's id."""

    def read(context: Context) -> tuple[tuple[Any, ...], dict[str, Any]]:
        extra = {parameter: context} if parameter else {}
        text = edited(context.call_id)
        if text is None:
            return read_arguments(written, extra)
        try:
            return read_arguments(replace(written, text=text), extra)
        except ValueError as error:
            raise ToolError(f"it didn't run: the edited arguments won't do: {error}") from None

    def encode(value: Any) -> str | Labelled:
        if isinstance(value, Labelled):
            return replace(value, result=encode(value.result))
        try:
            return write_value(value, kind)
        except NotSerializable as error:
            raise ToolError(f"the step ran, but its result can't be kept: {error}") from error

    encoding = wrap(function, encode)

    async def work_async(context: Context, **_: Any) -> Any:
        args, kwargs = read(context)
        return await encoding(*args, **kwargs)

    def work(context: Context, **_: Any) -> Any:
        args, kwargs = read(context)
        return encoding(*args, **kwargs)

    return work_async if is_async(function) else work


def _wrap_verify(
    tool: Tool, written: WrittenArguments, kind: Any, edited: Callable[[str], str | None]
) -> Callable[[Context], Any] | None:
    """The tool's `verify` as a step's tool asks it: with its arguments, and a result as JSON."""
    verify = tool.verify
    if verify is None:
        return None

    async def ask(context: Context) -> Any:
        text = edited(context.call_id)
        given = written if text is None else replace(written, text=text)
        keywords = tool.verify_signature.keywords(name_arguments(given), context)
        answer = await call_function(verify, keywords, f"{tool.name}'s verify")
        if isinstance(answer, Ran):
            return Ran(change_result(answer.result, lambda result: write_value(result, kind)))
        return answer

    return ask


def require_scope(what: str) -> StepScope:
    """The scope of the flow's code that calls this. Raises UsageError outside of a flow."""
    branch = current_scope()
    if branch is None:
        raise UsageError(
            f"{what}() works in the code of a flow only: not outside of one, and not within a step"
        )
    return branch


def flow_run_of(branch: StepScope) -> FlowRun:
    assert isinstance(branch.caller, FlowRun)
    return branch.caller
