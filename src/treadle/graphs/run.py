"""Runs a graph as the code of a flow, with a task for each node that runs. All it does are steps.

1. A node runs as soon as what it waits for has come, not when all others of its round are done. The
   log keeps the order of the results, so a resumed run goes the same way.
2. The state has one writer at a time: a node's result is merged when it comes, in the log's order.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.errors import StepFailed, ToolError
from ..core.tool import is_async
from ..flows.flow import Flow
from ..flows.flow_end import FlowLimitReached
from ..flows.steps import step
from ..flows.waits import approve
from ..runtime.agent import Agent
from ..runtime.arguments import write_arguments
from ..runtime.serialize import read_hints, to_json
from ..runtime.step_ids import current_scope
from .nodes import END, START, Choice, Each, Edge, Join, Node, parameters, sources
from .state import EMPTY, merge
from .validate import reachable

if TYPE_CHECKING:
    from .graph import Graph


class GraphRun:
    """One run of a graph."""

    def __init__(self, graph: "Graph", state: Mapping[str, Any]) -> None:
        self.state = dict(state)
        self._graph = graph
        self._runs: Counter[str] = Counter()
        self._rounds: Counter[str] = Counter()
        """The same, but copies side by side count once."""
        self._tokens: dict[asyncio.Task[None], str] = {}
        self._came: Counter[Join] = Counter()
        self._copies: dict[tuple[Join, str], int] = {}
        """How many copies of a source a join waits for, if not one."""
        self._errors: list[BaseException] = []

    async def run(self) -> dict[str, Any]:
        """The final state. Raises the first node's StepFailed, or FlowLimitReached."""
        await self._leave(START)
        try:
            while self._tokens and not self._errors:
                await asyncio.wait(self._tokens, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tokens:
                task.cancel()
        if self._errors:
            raise self._errors[0]
        for join, count in self._came.items():
            if count:
                raise StepFailed(
                    f"the join before {join.target} has had {count} of {self._awaited(join)}, and"
                    f" nothing more comes: a branch of {', '.join(join.sources)} has gone another"
                    " way"
                )
        return self.state

    def _start(self, name: str, sides: Sequence[Mapping[str, Any]] = ({},)) -> None:
        """Run a node, or several copies side by side, each with items in place of fields."""
        if name == END:
            return
        node = self._graph.node[name]
        self._rounds[name] += 1
        if self._rounds[name] > node.most:
            reached = e.LimitReached(f"runs of {name}", self._rounds[name], node.most)
            raise FlowLimitReached(reached, to_json(self.state))
        for items in sides:
            self._runs[name] += 1
            task = asyncio.create_task(self._run_node(node, self._runs[name], items))
            self._tokens[task] = name
            task.add_done_callback(lambda done: self._tokens.pop(done, None))

    async def _run_node(self, node: Node, number: int, items: Mapping[str, Any]) -> None:
        try:
            value = await self._work(node, number, items)
            self.state = merge(self.state, node, value, self._graph.fields)
            await self._leave(node.name)
        except Exception as error:
            self._errors.append(error)

    async def _work(self, node: Node, number: int, items: Mapping[str, Any]) -> Any:
        step_id = _number_id(node.name, number)
        given = self._read(node.name, node.reads, items)
        if node.approve == "before":
            await _require_approval(f"run {node.name}", f"{step_id}.before", given)
        match node.work:
            case Agent() as agent:
                result = await step(agent, node.said.format(**given), id=step_id)
                if result.status != "answered":
                    raise StepFailed(
                        f"the agent {agent.name}: {result.status}, {result.reason}", step=step_id
                    )
                value = result.answer if agent.output is None else result.output
            case Flow() as flow:
                scope = current_scope()
                assert scope
                arguments = write_arguments(flow.function, (), given, marks=True).text
                result = await flow.run_as_step(scope, step_id, arguments)
                value = result.output
            case function:
                value = await step(self._typed(function), **given, id=step_id)
        if node.approve == "after":
            what = f"go on with what {node.name} gave"
            await _require_approval(what, f"{step_id}.after", {"gave": value})
        return value

    async def _leave(self, name: str) -> None:
        """Follow all edges of a node that is done."""
        for edge in self._graph.edges:
            if name not in sources(edge):
                continue
            match edge:
                case Edge(target=target):
                    self._start(target)
                case Each(target=target, over=over, item=item):
                    found = list(self._read(name, {over: EMPTY}, {})[over])
                    self._expect_copies(target, len(found))
                    self._start(target, [{item: each} for each in found])
                case Join():
                    self._came[edge] += 1
                    self._try_join(edge)
        for edge in self._graph.edges:
            if isinstance(edge, Choice) and edge.source == name:
                self._start(await self._choose(edge))

    async def _choose(self, choice: Choice) -> str:
        step_id = _number_id(f"{choice.source}.choice", self._runs[choice.source])
        given = self._read(choice.source, parameters(choice.by), {})

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
        function.__annotations__ = {**self._kinds, **read_hints(choice.by), "return": Any}
        chosen = await step(function, **given, id=step_id, idempotent=True)
        return str(chosen["to"])

    @property
    def _kinds(self) -> dict[str, Any]:
        return {name: field.kind for name, field in self._graph.fields.items()}

    def _typed(self, work: Any) -> Any:
        """The function with the types of the state's fields where it declares none itself."""
        if not inspect.isfunction(work):
            return work
        copy = FunctionType(
            work.__code__, work.__globals__, work.__name__, work.__defaults__, work.__closure__
        )
        copy.__dict__.update(work.__dict__)
        copy.__kwdefaults__ = work.__kwdefaults__
        names = inspect.signature(work).parameters.keys()
        known = {name: kind for name, kind in self._kinds.items() if name in names}
        copy.__annotations__ = {**known, **work.__annotations__}
        return copy

    def _expect_copies(self, source: str, count: int) -> None:
        """Make the joins after a node wait for so many copies of it."""
        for edge in self._graph.edges:
            if isinstance(edge, Join) and source in edge.sources:
                self._copies[edge, source] = count
                if count == 0:
                    self._try_join(edge)

    def _awaited(self, join: Join) -> int:
        return sum(self._copies.get((join, source), 1) for source in join.sources)

    def _try_join(self, join: Join) -> None:
        """Go on after a join if enough have come, and stop those that still run towards it."""
        need = self._awaited(join)
        if join.need == "any":
            need = min(1, need)
        elif join.need != "all":
            need = min(join.need, need)
        if self._came[join] < need:
            return
        del self._came[join]
        for source in join.sources:
            self._copies.pop((join, source), None)
        if join.need != "all":
            for task, name in self._tokens.items():
                if task is not asyncio.current_task() and name in self._graph.before(join):
                    task.cancel()
        self._start(join.target)

    def _read(
        self, name: str, reads: Mapping[str, Any], items: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The fields and items that a node reads. A parameter with a default may be missing."""
        given = {key: value for key, value in {**self.state, **items}.items() if key in reads}
        missing = [key for key, default in reads.items() if key not in given and default is EMPTY]
        if missing:
            raise StepFailed(
                f"it reads {', '.join(missing)}, which nothing has written yet", step=name
            )
        return given


def _number_id(name: str, number: int) -> str:
    """A step's id: the name, with a number from the second run on."""
    if number == 1:
        return name
    return f"{name}-{number}"


async def _require_approval(what: str, step_id: str, details: Mapping[str, Any]) -> None:
    approval = await approve(what, id=step_id, **details)
    if approval:
        return
    message = f"{approval.by} doesn't allow to {what}"
    if approval.reason:
        message += f": {approval.reason}"
    raise StepFailed(message, step=step_id, kind="denied")


def nodes_before(graph: "Graph", join: Join) -> frozenset[str]:
    """The nodes that still lead to this join when its own edge is left out."""
    back = [edge for edge in graph.edges if edge is not join]
    return frozenset(name for name in graph.node if reachable(back, {name}) & {*join.sources})
