"""Checks that a graph's nodes are nodes, its edges edges, and their ends names."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..runtime.check_kinds import check_list
from .nodes import Choice, Edges, Node, sources, targets


def check_parts(name: str, nodes: Any, edges: Any) -> None:
    """Raise UsageError, which says what to give instead, for what is none of these."""
    check_list("Graph(nodes=)", nodes, "[Node(price), Node(order)]")
    check_list("Graph(edges=)", edges, '[Edge("start", "price"), Edge("price", "end")]')
    others = [node for node in nodes if not isinstance(node, Node)]
    found = [f"{name_kind(other)} is no node; give Node(...)" for other in others]
    for edge in edges:
        found += _faults_of(edge)
    if found:
        raise UsageError(f"the graph {name} can't run: " + "; ".join(found))


def _faults_of(edge: Any) -> Iterator[str]:
    if not isinstance(edge, get_args(Edges)):
        kinds = ", ".join(kind.__name__ for kind in get_args(Edges))
        yield f"{name_kind(edge)} is no edge; give one of: {kinds}"
        return
    if isinstance(edge, Choice) and not isinstance(edge.to, Mapping):
        yield f"the ways of a Choice are {name_kind(edge.to)}; give a dict, from each way to a node"
        return
    for end in (*sources(edge), *targets(edge)):
        if not isinstance(end, str):
            yield (
                f"{name_kind(end)} is an end of the {type(edge).__name__}; give the name of a"
                " node, which is a text"
            )
