"""Does the work of one node, or makes one choice, as steps of the flow that the graph is."""

import inspect
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..core.errors import StepFailed, ToolError
from ..core.tool import is_async
from ..flows.flow import GIVEN, Flow
from ..flows.step import step
from ..flows.waits import approve_details
from ..runtime.agent import Agent
from ..runtime.arguments import write_arguments
from ..runtime.serialize import read_hints, read_value, to_json
from ..runtime.step_ids import current_scope
from .nodes import Choice, Node, parameters
from .state import EMPTY, Field, state_values

if TYPE_CHECKING:
    from .graph import Graph


async def do_work(
    graph: "Graph", state: Mapping[str, Any], name: str, number: int, items: Mapping[str, Any]
) -> Any:
    """What a node gives, after the approvals that it needs. Raises StepFailed and as `step`."""
    node = graph.node[name]
    step_id = _number_id(name, number)
    given = read_fields(state, name, node.reads, items)
    if node.approve == "before":
        edit = await _require_approval(f"run {name}", f"{step_id}.before", given)
        given |= {key: _read(graph, key, new) for key, new in edit.items()}
    value = await _call(graph, node, step_id, given)
    if node.approve == "after":
        what = f"go on with what {name} gave"
        edit = await _require_approval(what, f"{step_id}.after", {"gave": value})
        if edit and isinstance(node.writes, str):
            return _read(graph, node.writes, edit["gave"])
        if edit and isinstance(edit["gave"], Mapping):
            return {key: _read(graph, key, new) for key, new in edit["gave"].items()}
    return value


def _read(graph: "Graph", name: str, value: Any) -> Any:
    """A JSON value that a person has put in place of a field's, as the field's type.

    Raises StepFailed where it is none.
    """
    if name not in graph.fields:
        return value
    try:
        return read_value(to_json(value), graph.fields[name].kind)
    except ValueError as error:
        raise StepFailed(f"the edit of {name} won't do: {error}", step=name) from None


async def _call(graph: "Graph", node: Node, step_id: str, given: Mapping[str, Any]) -> Any:
    match node.work:
        case Agent() as agent:
            return (await step.options(id=step_id)(agent, node.said.format(**given))).output
        case Flow() as flow:
            return await _run_flow(flow, step_id, given)
        case function if node.graph is None:
            return await step.options(id=step_id)(_typed(graph.fields, function), **given)
    values = state_values(await _run_flow(node.graph.flow, step_id, given))
    if isinstance(node.writes, str):
        return values.get(node.writes)
    return {field: values.get(field) for field in node.writes}


async def _run_flow(flow: Flow, step_id: str, given: Mapping[str, Any]) -> Any:
    scope = current_scope()
    assert scope
    arguments = write_arguments(flow.function, (), given, marks=True).text
    return (await flow.runs.run_as_step(scope, step_id, arguments, GIVEN)).output


async def choose_way(graph: "Graph", state: Mapping[str, Any], choice: Choice, number: int) -> str:
    """The node that a choice leads to. Raises StepFailed."""
    step_id = _number_id(f"{choice.source}.choice", number)
    given = read_fields(state, choice.source, parameters(choice.by), {})

    def look_up(answer: Any) -> dict[str, str]:
        way, why = answer if isinstance(answer, tuple) else (answer, "")
        if way not in choice.to:
            raise ToolError(
                f"it said {way!r}, which leads nowhere; there are: {', '.join(choice.to)}"
            )
        return {"way": way, "to": choice.to[way], "why": why}

    async def decide_async(**fields: Any) -> dict[str, str]:
        return look_up(await choice.by(**fields))

    def decide(**fields: Any) -> dict[str, str]:
        return look_up(choice.by(**fields))

    function: Any = decide_async if is_async(choice.by) else decide
    function.__name__ = getattr(choice.by, "__name__", "choose")
    function.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in given]
    )
    kinds = {name: field.kind for name, field in graph.fields.items()}
    function.__annotations__ = {**kinds, **read_hints(choice.by), "return": Any}
    chosen = await step.options(id=step_id, idempotent=True)(function, **given)
    return str(chosen["to"])


def read_fields(
    state: Mapping[str, Any], name: str, reads: Mapping[str, Any], items: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields and items that a node reads. A parameter with a default may be missing.

    Raises StepFailed where one is missing that has none.
    """
    given = {key: value for key, value in {**state, **items}.items() if key in reads}
    missing = [key for key, default in reads.items() if key not in given and default is EMPTY]
    if missing:
        raise StepFailed(f"it reads {', '.join(missing)}, which nothing has written yet", step=name)
    return given


def read_items(name: str, field: str, value: Any) -> list[Any]:
    """The items of a field for each of which a node runs. Raises StepFailed where it is no list."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise StepFailed(f"{field} has no items for a node to run for each: {value!r}", step=name)
    return list(value)


def _typed(fields: Mapping[str, Field], work: Any) -> Any:
    """The function with the types of the state's fields where it declares none itself."""
    if not inspect.isfunction(work):
        return work
    copy = FunctionType(
        work.__code__, work.__globals__, work.__name__, work.__defaults__, work.__closure__
    )
    copy.__dict__.update(work.__dict__)
    copy.__kwdefaults__ = work.__kwdefaults__
    names = inspect.signature(work).parameters.keys()
    known = {name: field.kind for name, field in fields.items() if name in names}
    copy.__annotations__ = {**known, **work.__annotations__}
    return copy


def _number_id(name: str, number: int) -> str:
    """A step's id: the name, with a number from the second run on."""
    if number == 1:
        return name
    return f"{name}-{number}"


async def _require_approval(
    what: str, step_id: str, details: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The details as a person has changed them; empty if nobody has. Raises StepFailed."""
    approval = await approve_details(what, details, id=step_id)
    if approval:
        return approval.details if approval.edited else {}
    message = f"{approval.by} doesn't allow to {what}"
    if approval.reason:
        message += f": {approval.reason}"
    raise StepFailed(message, step=step_id, kind="denied")
