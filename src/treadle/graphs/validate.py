"""Finds what is wrong with a graph before it runs: each fault is one sentence."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..runtime.agent import Agent
from ..runtime.check_kinds import check_list
from .net import Net, choice_place, reach
from .nodes import (
    END,
    START,
    Choice,
    Each,
    Edges,
    Join,
    Node,
    describe_edge,
    parameters,
    sources,
    targets,
)
from .parallel import find_parallel_faults
from .state import Field


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


def find_faults(
    nodes: Mapping[str, Node], edges: Sequence[Edges], fields: Mapping[str, Field]
) -> list[str]:
    """All faults. Wrong names come first: without right names, nothing else can be checked."""
    found = [*_names(nodes, edges), *_fields(nodes, edges, fields)]
    return found or [
        *_ways(nodes, edges),
        *_cycles(edges),
        *_joins(edges),
        *find_parallel_faults(nodes, edges, fields),
    ]


def _names(nodes: Mapping[str, Node], edges: Sequence[Edges]) -> Iterator[str]:
    known = ", ".join(nodes)
    for edge in edges:
        for name in sources(edge):
            if name not in nodes and name != START:
                yield f"{describe_edge(edge)}: there is no node {name!r}; there are: {known}"
        for name in targets(edge):
            if name not in nodes and name != END:
                yield f"{describe_edge(edge)}: there is no node {name!r}; there are: {known}, {END}"
    choosing = [edge.source for edge in edges if isinstance(edge, Choice)]
    for name in sorted({name for name in choosing if choosing.count(name) > 1}):
        yield (
            f"node {name} has {choosing.count(name)} choices;"
            " make it one function that says one of all their ways"
        )


def _fields(
    nodes: Mapping[str, Node], edges: Sequence[Edges], fields: Mapping[str, Field]
) -> Iterator[str]:
    unknown = f"is no field of the state; there are: {', '.join(fields)}"
    items = {(edge.target, edge.item) for edge in edges if isinstance(edge, Each)}
    for node in nodes.values():
        for name in node.fields:
            if name not in fields:
                yield f"node {node.name} writes {name!r}, which {unknown}"
        yield from _taken_fields(node)
        if isinstance(node.work, Agent) and not node.said:
            yield (
                f"node {node.name}: what is said to the agent?"
                " Give it said=, a text with fields in braces"
            )
        for name, default in node.reads.items():
            if name in fields or (node.name, name) in items:
                continue
            if default is inspect.Parameter.empty:
                yield f"node {node.name} reads {name!r}, which {unknown}"
    for edge in edges:
        shown = describe_edge(edge)
        match edge:
            case Each(source, target, over, item):
                if over not in fields:
                    yield f"{shown}: {over!r} {unknown}"
                if target in nodes and item not in nodes[target].reads:
                    parameter = f"{item!r} for the item of {source}"
                    yield f"{shown}: node {target} has no parameter {parameter}"
            case Choice(source, by):
                for name, default in parameters(by).items():
                    if name not in fields and default is inspect.Parameter.empty:
                        yield f"{shown}: it reads {name!r}, which {unknown}"


def _taken_fields(node: Node) -> Iterator[str]:
    """Fields that a node takes from the state of the graph that is its work."""
    known = node.graph.fields if node.graph else {}
    for name in node.fields:
        if node.graph and name not in known:
            yield (
                f"node {node.name} takes {name!r}, which is no field of the graph"
                f" {node.graph.name}; there are: {', '.join(known)}"
            )


def _ways(nodes: Mapping[str, Node], edges: Sequence[Edges]) -> Iterator[str]:
    net = Net(edges)
    forth = reach(net.onward, [START])
    for name in nodes:
        if name not in forth:
            yield f"node {name} is unreachable: no way leads to it from {START}"
        elif not any(name in sources(edge) for edge in edges):
            yield f"node {name} leads nowhere: give it an edge to another node or to {END}"
    if not any(edge.source == START for edge in edges if not isinstance(edge, Join)):
        yield f"nothing begins: give {START} an edge to the first node"


def _cycles(edges: Sequence[Edges]) -> Iterator[str]:
    """Cycles that nothing chooses to leave."""
    next_of: dict[str, list[str]] = {}
    for edge in edges:
        if not isinstance(edge, Choice):
            for source in sources(edge):
                next_of.setdefault(source, []).extend(targets(edge))
    net = Net(edges)
    seen: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> Iterator[str]:
        if name in way:
            cycle = " → ".join((*way[way.index(name) :], name))
            yield (
                f"the cycle {cycle} is endless: one of its edges must be a Choice that can leave it"
            )
            return
        if name not in seen:
            seen.add(name)
            for other in next_of.get(name, ()):
                yield from walk(other, (*way, name))

    for name in list(next_of):
        yield from walk(name, ())
    for edge in edges:
        if isinstance(edge, Choice) and END not in reach(net.onward, [choice_place(edge.source)]):
            choice = describe_edge(edge)
            yield f"{choice}: none of its ways ever comes to {END}, so its cycle is endless"


def _joins(edges: Sequence[Edges]) -> Iterator[str]:
    copied = {edge.target for edge in edges if isinstance(edge, Each)}
    for edge in edges:
        if isinstance(edge, Join):
            if not edge.sources or len(set(edge.sources)) < len(edge.sources):
                yield f"{describe_edge(edge)}: it needs sources, each once"
            most = len(edge.sources)
            if isinstance(edge.need, int) and (
                edge.need < 1 or (edge.need > most and not copied & {*edge.sources})
            ):
                yield f"{describe_edge(edge)}: it waits for {edge.need} of {most}"
    for name in copied:
        for edge in edges:
            if name in sources(edge) and not isinstance(edge, Join) and set(targets(edge)) != {END}:
                yield (
                    f"a join is missing after node {name}, which runs side by side for each item:"
                    f" its edge to {', '.join(targets(edge))} must be a Join"
                )
