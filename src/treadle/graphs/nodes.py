"""What a graph is made of: nodes that read and write fields of a state, and four kinds of edges. Data only.

1. A node is a function of fields: its parameters are what it reads, `writes` is what it gives.
2. Edges from one node are taken together, side by side; a Choice takes one of its ways; a Join waits for several.
"""

import inspect
import string
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..core.context import Context
from ..core.errors import UsageError
from ..core.tool import Tool
from ..flows.flow import Flow
from ..runtime.agent import Agent

START, END = "start", "end"


def append(old: list[Any] | None, new: Any) -> list[Any]:
    """A merge rule: what is written is put at the list's end."""
    return [*(old or ()), new]


@dataclass(frozen=True)
class Node:
    """One piece of work, and the fields that it gives."""

    work: Callable[..., Any] | Tool | Agent | Flow
    writes: str | tuple[str, ...] = ()
    """The field that its result is; of several fields it gives a dict."""
    name: str = ""
    """Else that of its work."""
    said: str = ""
    """To an agent: a text with fields in braces. Its answer, or its typed output, is the result."""
    approve: Literal["", "before", "after"] = ""
    """A person must allow it to run, or allow what it gave, before the graph goes on."""
    most: int = 25
    """How often it may run in one run of the graph."""

    def __post_init__(self) -> None:
        name = self.name or getattr(self.work, "name", "") or getattr(self.work, "__name__", "")
        object.__setattr__(self, "name", name)
        if not name.isidentifier() or name in (START, END):
            raise UsageError(
                f"a node's name is a word of letters, digits and _, other than start and end, not {name!r}"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """What it writes."""
        return (self.writes,) if isinstance(self.writes, str) else self.writes

    @property
    def reads(self) -> dict[str, Any]:
        """Its parameters, by their names: a default, or inspect.Parameter.empty."""
        if isinstance(self.work, Agent):
            names = (name for _, name, _, _ in string.Formatter().parse(self.said) if name)
            return dict.fromkeys(names, inspect.Parameter.empty)
        return parameters(self.work)


@dataclass(frozen=True)
class Edge:
    """Then that one."""

    source: str
    target: str


@dataclass(frozen=True)
class Choice:
    """Then one of these: what the function says of the fields that are its parameters, alone or with why."""

    source: str
    by: Callable[..., Any]
    to: Mapping[str, str] = field(hash=False)
    """What it may say, and where that leads."""


@dataclass(frozen=True)
class Each:
    """Then that one for each item of a field, side by side."""

    source: str
    target: str
    over: str
    """The field: a list."""
    item: str
    """The parameter that gets the item."""


@dataclass(frozen=True)
class Join:
    """That one once these have come: all of them, any one, or so many. What is not waited for is stopped."""

    sources: str | Sequence[str]
    target: str
    need: Literal["all", "any"] | int = "all"

    def __post_init__(self) -> None:
        one = isinstance(self.sources, str)
        object.__setattr__(self, "sources", (self.sources,) if one else tuple(self.sources))


Edges = Edge | Choice | Each | Join


def targets(edge: Edges) -> tuple[str, ...]:
    """Where an edge may lead."""
    return tuple(edge.to.values()) if isinstance(edge, Choice) else (edge.target,)


def sources(edge: Edges) -> tuple[str, ...]:
    """Where an edge comes from."""
    return tuple(edge.sources) if isinstance(edge, Join) else (edge.source,)


def parameters(work: Any) -> dict[str, Any]:
    """The parameters of a function, tool or flow that are fields: their defaults, or inspect.Parameter.empty."""
    function: Any = work.function if isinstance(work, Tool | Flow) else work
    try:
        hints = typing.get_type_hints(getattr(function, "func", function))
    except Exception:  # hints are somebody else's code
        hints = {}
    found = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in found if hints.get(each.name) is not Context}
