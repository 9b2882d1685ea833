"""The parts of a graph: nodes that read and write the fields of a state, and four kinds of edges.

1. A node is a function of fields: its parameters are the fields it reads, `writes` those it writes.
2. All edges from a node are followed side by side. A Choice follows one of its ways. A Join waits
   for several nodes.
"""

import inspect
import string
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..core.check_settings import check_choice, check_whole_number
from ..core.context import Context
from ..core.errors import UsageError
from ..core.tool import Tool
from ..flows.flow import Flow
from ..runtime.agent import Agent

if TYPE_CHECKING:
    from .graph import Graph

START = "start"
END = "end"


def append(old: list[Any] | None, new: Any) -> list[Any]:
    """A merge rule: adds the new value at the end of the list."""
    return [*(old or ()), new]


@dataclass(frozen=True)
class Node:
    """One piece of work, and the fields that it writes."""

    work: "Callable[..., Any] | Tool | Agent | Flow | Graph"
    writes: str | tuple[str, ...] = ()
    """The field that gets its result; for several fields the result is a dict.

    Of another graph: the fields of its final state that this state gets.
    """
    name: str = ""
    """By default the name of its work."""
    said: str = ""
    """For an agent: the message, with fields in braces. Its answer or output is the result."""
    approve: Literal["", "before", "after"] = ""
    """Whether a person must allow it to run, or allow its result, before the graph goes on."""
    most: int = 25
    """How often it may run in one run of the graph."""

    def __post_init__(self) -> None:
        check_choice("Node(approve", self.approve, "", "before", "after")
        check_whole_number("Node(most", self.most, 1)
        name = self.name or getattr(self.work, "name", "") or getattr(self.work, "__name__", "")
        object.__setattr__(self, "name", name)
        if not name.isidentifier() or name in (START, END):
            raise UsageError(
                "a node's name is a word of letters, digits and _, other than start and end,"
                f" not {name!r}"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it writes."""
        if isinstance(self.writes, str):
            return (self.writes,)
        return self.writes

    @property
    def reads(self) -> dict[str, Any]:
        """Its parameters with their defaults, or inspect.Parameter.empty."""
        if isinstance(self.work, Agent):
            names = (name for _, name, _, _ in string.Formatter().parse(self.said) if name)
            return dict.fromkeys(names, inspect.Parameter.empty)
        if self.graph:
            fields = self.graph.fields
            empty = inspect.Parameter.empty
            return {name: None if each.make else empty for name, each in fields.items()}
        return parameters(self.work)

    @property
    def graph(self) -> "Graph | None":
        """The graph that is its work; None if its work is something else."""
        from .graph import Graph

        return self.work if isinstance(self.work, Graph) else None


@dataclass(frozen=True)
class Edge:
    """After this node, that one."""

    source: str
    target: str


@dataclass(frozen=True)
class Choice:
    """After this node, the one that a function chooses."""

    source: str
    by: Callable[..., Any]
    """Reads fields as parameters; gives a way, or a way and the reason for it."""
    to: Mapping[str, str] = field(hash=False)
    """The ways that it may give, each with the node it leads to."""


@dataclass(frozen=True)
class Each:
    """After this node, that one for each item of a field, side by side."""

    source: str
    target: str
    over: str
    """The field: a list."""
    item: str
    """The parameter that gets the item."""
    at_once: int = 10
    """How many run at the same moment. The others begin as these end, in the order of the items."""

    def __post_init__(self) -> None:
        check_whole_number("Each(at_once", self.at_once, 1)


@dataclass(frozen=True)
class Join:
    """That node, once these are done: all of them that come, any one, or so many.

    "all" doesn't wait for a branch that a choice has left out. Any other need is met although a
    branch fails, as long as enough others come; those that it needs no more are stopped.
    """

    sources: str | Sequence[str]
    target: str
    need: Literal["all", "any"] | int = "all"

    def __post_init__(self) -> None:
        sources = self.sources
        if isinstance(sources, str):
            sources = (sources,)
        object.__setattr__(self, "sources", tuple(sources))


Edges = Edge | Choice | Each | Join


def targets(edge: Edges) -> tuple[str, ...]:
    """The nodes that an edge may lead to."""
    if isinstance(edge, Choice):
        return tuple(edge.to.values())
    return (edge.target,)


def sources(edge: Edges) -> tuple[str, ...]:
    """The nodes that an edge comes from."""
    if isinstance(edge, Join):
        return tuple(edge.sources)
    return (edge.source,)


def describe_edge(edge: Edges) -> str:
    """An edge as an error names it."""
    match edge:
        case Edge(source, target):
            return f"the edge {source} → {target}"
        case Choice(source, by):
            return f"the choice {getattr(by, '__name__', by)} after {source}"
        case Each(source, target, over):
            return f"the fan-out {source} → {target} over {over}"
        case Join(froms, target):
            return f"the join of {', '.join(froms)} → {target}"


def parameters(work: Any) -> dict[str, Any]:
    """The fields that a function, tool or flow reads: its parameters with their defaults.

    Without a default it is inspect.Parameter.empty.
    """
    function: Any = work.function if isinstance(work, Tool | Flow) else work
    try:
        hints = typing.get_type_hints(getattr(function, "func", function))
    except Exception:  # hints are somebody else's code
        hints = {}
    found = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in found if hints.get(each.name) is not Context}
