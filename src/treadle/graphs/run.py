"""One run of a graph: a token for each node that runs, as a flow's code. Everything that it does is a step.

1. Eager: a node runs as soon as what it waits for has come, not when all others of its round are done. The log keeps
   the order in which results came, so a resumed run goes the same way.
2. A state has one writer at a time: what a node gives is merged when its result comes, in the order of the log.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.errors import StepFailed, ToolError
from ..core.tool import is_async
from ..flows.flow import Flow
from ..flows.flow_end import FlowLimitReached
from ..flows.steps import step
from ..flows.waits import approve
from ..runtime.agent import Agent
from ..runtime.serialize import arguments_to_json, to_json
from ..runtime.step_ids import current_scope
from .nodes import END, START, Choice, Each, Edge, Join, Node, parameters, sources
from .state import EMPTY, merge
from .validate import reachable

if TYPE_CHECKING:
    from .graph import Graph


class GraphRun:
    """Where a run of a graph stands."""

    def __init__(self, graph: "Graph", state: Mapping[str, Any]) -> None:
        self.state = dict(state)
        self._graph = graph
        self._runs: Counter[str] = Counter()
        self._rounds: Counter[str] = Counter()
        """The same, but that side by side counts once."""
        self._tokens: dict[asyncio.Task[None], str] = {}
        self._came: Counter[Join] = Counter()
        self._copies: dict[tuple[Join, str], int] = {}
        """How many tokens are awaited from a source, where that isn't one."""
        self._errors: list[BaseException] = []

    async def run(self) -> dict[str, Any]:
        """The state at the end. Raises StepFailed of the first node that failed, FlowLimitReached."""
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
                    f"the join before {join.target} has had {count} of {self._awaited(join)}, and nothing more comes:"
                    f" a branch of {', '.join(join.sources)} has gone another way"
                )
        return self.state

    def _start(self, name: str, sides: Sequence[Mapping[str, Any]] = ({},)) -> None:
        """A token at that node, or several side by side; their items stand in place of fields."""
        if name == END:
            return
        node = self._graph.node[name]
        self._rounds[name] += 1
        if self._rounds[name] > node.most:
            reached = e.LimitReached(f"runs of {name}", self._rounds[name], node.most)
            raise FlowLimitReached(reached, to_json(self.state))
        for items in sides:
            self._runs[name] += 1
            task = asyncio.create_task(self._token(node, self._runs[name], items))
            self._tokens[task] = name
            task.add_done_callback(lambda done: self._tokens.pop(done, None))

    async def _token(self, node: Node, number: int, items: Mapping[str, Any]) -> None:
        try:
            value = await self._work(node, number, items)
            self.state = merge(self.state, node, value, self._graph.fields)
            await self._leave(node.name)
        except Exception as error:
            self._errors.append(error)

    async def _work(self, node: Node, number: int, items: Mapping[str, Any]) -> Any:
        step_id = node.name + (f"-{number}" if number > 1 else "")
        given = self._given(node.name, node.reads, items)
        if node.approve == "before":
            await _allowed(f"run {node.name}", f"{step_id}.before", given)
        match node.work:
            case Agent() as agent:
                done = await step(agent, node.said.format(**given), id=step_id)
                if done.status != "answered":
                    raise StepFailed(
                        f"the agent {agent.name}: {done.status}, {done.reason}", step=step_id
                    )
                value = done.answer if agent.output is None else done.output
            case Flow() as flow:
                branch = current_scope()
                assert branch
                value = (
                    await flow.run_as_step(branch, step_id, arguments_to_json(flow.function, (), given))
                ).output
            case function:
                value = await step(function, **given, id=step_id)
        if node.approve == "after":
            await _allowed(f"go on with what {node.name} gave", f"{step_id}.after", {"gave": value})
        return value

    async def _leave(self, name: str) -> None:
        """Go on from a node that is done, by all of its edges."""
        for edge in self._graph.edges:
            if name not in sources(edge):
                continue
            match edge:
                case Edge(target=target):
                    self._start(target)
                case Each(target=target, over=over, item=item):
                    found = list(self._given(name, {over: EMPTY}, {})[over])
                    self._await(target, len(found))
                    self._start(target, [{item: each} for each in found])
                case Join():
                    self._came[edge] += 1
                    self._joined(edge)
        for edge in self._graph.edges:
            if isinstance(edge, Choice) and edge.source == name:
                self._start(await self._chosen(edge))

    async def _chosen(self, choice: Choice) -> str:
        number = self._runs[choice.source]
        step_id = f"{choice.source}.choice" + (f"-{number}" if number > 1 else "")
        given = self._given(choice.source, parameters(choice.by), {})

        def led(said: Any) -> dict[str, str]:
            way, why = said if isinstance(said, tuple) else (said, "")
            if way not in choice.to:
                raise ToolError(
                    f"it said {way!r}, which leads nowhere; there are: {', '.join(choice.to)}"
                )
            return {"way": way, "to": choice.to[way], "why": why}

        async def decide_async(**fields: Any) -> dict[str, str]:
            return led(await choice.by(**fields))

        def decide(**fields: Any) -> dict[str, str]:
            return led(choice.by(**fields))

        function: Any = decide_async if is_async(choice.by) else decide
        function.__name__ = getattr(choice.by, "__name__", "choose")
        return str((await step(function, **given, id=step_id, idempotent=True))["to"])

    def _await(self, source: str, count: int) -> None:
        for edge in self._graph.edges:
            if isinstance(edge, Join) and source in edge.sources:
                self._copies[edge, source] = count
                if count == 0:
                    self._joined(edge)

    def _awaited(self, join: Join) -> int:
        return sum(self._copies.get((join, source), 1) for source in join.sources)

    def _joined(self, join: Join) -> None:
        """Go on where enough have come: then those that are still on their way to it are stopped."""
        awaited = self._awaited(join)
        need = (
            awaited if join.need == "all" else min(1 if join.need == "any" else join.need, awaited)
        )
        if self._came[join] < need:
            return
        del self._came[join]
        for source in join.sources:
            self._copies.pop((join, source), None)
        for task, name in self._tokens.items():
            if (
                join.need != "all"
                and task is not asyncio.current_task()
                and name in self._graph.before(join)
            ):
                task.cancel()
        self._start(join.target)

    def _given(
        self, name: str, reads: Mapping[str, Any], items: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The fields that are read, and the item; a parameter with a default may be no field."""
        given = {key: value for key, value in {**self.state, **items}.items() if key in reads}
        lacking = [key for key, default in reads.items() if key not in given and default is EMPTY]
        if lacking:
            raise StepFailed(
                f"it reads {', '.join(lacking)}, which nothing has written yet", step=name
            )
        return given


async def _allowed(what: str, step_id: str, details: Mapping[str, Any]) -> None:
    said = await approve(what, id=step_id, **details)
    if not said:
        why = f": {said.reason}" if said.reason else ""
        raise StepFailed(f"{said.by} doesn't allow to {what}{why}", step=step_id, kind="denied")


def nodes_before(graph: "Graph", join: Join) -> frozenset[str]:
    """The nodes from which tokens come to this join before anything else of theirs can matter."""
    back = [edge for edge in graph.edges if edge is not join]
    return frozenset(name for name in graph.node if reachable(back, {name}) & {*join.sources})
