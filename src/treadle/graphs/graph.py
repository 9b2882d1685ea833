"""Graph: a flow made of nodes and edges, checked before it runs, drawn with the way it took."""

import inspect
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Generic, Unpack

from ..core import events as e
from ..core.budget import Budget
from ..core.errors import FlowChanged, UsageError
from ..core.limits import Limits
from ..core.result import Result
from ..core.thread_summary import ThreadSummary
from ..core.tool import Tool
from ..core.type_variables import R
from ..engines import GivenEngine
from ..flows.flow import DEFAULT_LIMITS, Flow
from ..runtime.check_kinds import check_run
from ..runtime.follow import Items
from ..runtime.listeners import Listener
from ..runtime.post import Amounts, Post
from ..runtime.settle import Settled
from ..runtime.submit import Submitted
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.open_store import GivenStore
from .mermaid import show_picture, write_mermaid
from .net import Net
from .nodes import Choice, Edges, Node
from .picture import Picture, draw_graph
from .run import GraphRun
from .state import Field, fields_of, first_values, make_state
from .validate import check_parts, find_faults


@dataclass(frozen=True)
class Graph(Generic[R]):
    """Nodes that read and write the fields of a state, and the edges between them.

    Raises UsageError for unknown names, unreachable nodes, missing joins, endless cycles, and two
    writers of a field without a merge rule.
    """

    state: type[R]
    """A dataclass, a TypedDict or a pydantic model.

    A field may have a merge rule: Annotated[list[str], append].
    """
    nodes: Sequence[Node]
    edges: Sequence[Edges]
    _: KW_ONLY
    name: str = "graph"
    limits: Limits = DEFAULT_LIMITS
    budgets: Sequence[Budget] = ()
    store: GivenStore = None
    listeners: Sequence[Listener] = ()
    world: World = World()

    def __post_init__(self) -> None:
        check_run(self, "Graph")
        check_parts(self.name, self.nodes, self.edges)
        names = [node.name for node in self.nodes]
        twice = sorted({name for name in names if names.count(name) > 1})
        found = [f"two nodes have the name {name}; give one a name=" for name in twice]
        found = found or find_faults(self.node, self.edges, self.fields)
        if found:
            raise UsageError(f"the graph {self.name} can't run: " + "; ".join(found))

    def options(
        self,
        *,
        thread: str | None = None,
        key: str | None = None,
        by: str = "",
        engine: GivenEngine = None,
    ) -> Flow[..., R]:
        """The graph for one run: `graph.options(thread="t").run_sync(topic="lamps")`; as
        `Flow.options`."""
        return self.flow.options(thread=thread, key=key, by=by, engine=engine)

    async def run(self, **fields: Any) -> Result[R]:
        """Run it with these fields of the state; `Result.output` is the final state.

        None leaves a field at its default. See `options`. Raises as `Flow.run`.
        """
        return await self.flow.run(**fields)

    def run_sync(self, **fields: Any) -> Result[R]:
        """`run`, from code that isn't async."""
        return run_sync(self.run(**fields))

    async def start(self, **fields: Any) -> str:
        """Begin a run in the background; the thread's name. As `Agent.start`."""
        return await self.flow.start(**fields)

    async def submit(self, **fields: Any) -> Submitted[R]:
        """Leave a run to a worker; as `Agent.submit`."""
        return await self.flow.submit(**fields)

    def follow(self, thread: str, *, after: int | None = None) -> Items[R]:
        """The records of a run as they come, and its Result last; as `Agent.follow`."""
        return self.flow.follow(thread, after=after)

    def stream(self, **fields: Any) -> Items[R]:
        """`start` and `follow` in one; as `Agent.stream`: leaving it stops nothing."""
        return self.flow.stream(**fields)

    async def due(self) -> list[str]:
        """The runs that `resume` would bring forward now; as `Agent.due`."""
        return await self.flow.due()

    async def resume(
        self, thread: str, *, take: bool = False, retry_failed: bool = False
    ) -> Result[R]:
        """Bring a run to its end, and give its result; as `Flow.resume`."""
        return await self.flow.resume(thread, take=take, retry_failed=retry_failed)

    def resume_in_background(self, thread: str) -> None:
        """Begin what `resume` does, and return at once; as `Agent.resume_in_background`."""
        self.flow.resume_in_background(thread)

    async def post(self, thread: str, fact: Post) -> None:
        """Write what a person says to a run that waits; as `Agent.post`."""
        await self.flow.post(thread, fact)

    async def raise_limit(self, thread: str, by: str = "", **more: Unpack[Amounts]) -> None:
        """Let a run that waits at a limit use more; as `Flow.raise_limit`."""
        await self.flow.raise_limit(thread, by, **more)

    async def settle(
        self, handle: Any, result: Any = None, *, thread: str | None = None, by: str = ""
    ) -> list[Settled]:
        """Give the steps that have noted this handle their result; as `Agent.settle`."""
        return await self.flow.settle(handle, result, thread=thread, by=by)

    async def replay(self, thread: str) -> FlowChanged | None:
        """Whether the graph of today fits a recorded run; as `Flow.replay`."""
        return await self.flow.replay(thread)

    async def summary(self, thread: str) -> ThreadSummary:
        """Totals of a run and its children; as `Agent.summary`."""
        return await self.flow.summary(thread)

    def as_tool(self, name: str = "", description: str = "") -> Tool:
        """This graph as a tool for an agent: each call runs in a child thread."""
        return self.flow.as_tool(name, description)

    def mermaid(self, records: Sequence[e.Record] = ()) -> str:
        """The graph as Mermaid text; with records, also the way that was taken, times and cost."""
        return write_mermaid(self.draw(records))

    def draw(self, records: Sequence[e.Record] = ()) -> Picture:
        """As `mermaid`, as values."""
        return draw_graph(self.nodes, self.edges, records)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return show_picture(self.name, self.draw())

    @cached_property
    def node(self) -> dict[str, Node]:
        """Its nodes, by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def choices(self) -> dict[str, Choice]:
        """The choice after each node that has one, by the node's name."""
        return {edge.source: edge for edge in self.edges if isinstance(edge, Choice)}

    @cached_property
    def net(self) -> Net:
        """The ways through it."""
        return Net(self.edges)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields of its state, by name."""
        return fields_of(self.state)

    @cached_property
    def flow(self) -> Flow[..., R]:
        """The flow that runs this graph."""

        async def code(**given: Any) -> Any:
            state = first_values(self.fields)
            for name, value in given.items():
                if value is not None:
                    state[name] = value
            return make_state(self.state, await GraphRun(self, state).run())

        kinds = {name: field.kind for name, field in self.fields.items()}
        code.__annotations__ = {**kinds, "return": self.state}
        code.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
                )
                for name, kind in kinds.items()
            ]
        )
        settings = {
            "limits": self.limits,
            "budgets": self.budgets,
            "store": self.store,
            "listeners": self.listeners,
            "world": self.world,
        }
        return Flow(code, name=self.name, **settings)  # type: ignore[arg-type]
