"""Finds what is wrong with a graph before it runs. Pure: each fault is one sentence."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

from ..runtime.agent import Agent
from .nodes import END, START, Choice, Each, Edge, Edges, Join, Node, parameters, sources, targets
from .state import Field

_JOIN = "join "


def find_faults(
    nodes: Mapping[str, Node], edges: Sequence[Edges], fields: Mapping[str, Field]
) -> list[str]:
    """All faults. Wrong names come first: without right names, nothing else can be checked."""
    found = [*_names(nodes, edges), *_fields(nodes, edges, fields)]
    return found or [
        *_ways(nodes, edges),
        *_cycles(edges),
        *_joins(edges),
        *_parallel(nodes, edges, fields),
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


def _ways(nodes: Mapping[str, Node], edges: Sequence[Edges]) -> Iterator[str]:
    forth = reachable(edges, {START})
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
        if isinstance(edge, Choice) and END not in reachable(edges, {edge.source}):
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


def _parallel(
    nodes: Mapping[str, Node], edges: Sequence[Edges], fields: Mapping[str, Field]
) -> Iterator[str]:
    """Branches that meet without a join, and fields that two nodes may write at the same moment.

    `told` keeps each node and field from being reported twice.
    """
    told: set[str] = set()
    for edge in edges:
        if isinstance(edge, Each):
            yield from _shared_fields(nodes[edge.target], nodes[edge.target], fields, told)
    wires = list(_wires(edges))
    for fork in (START, *nodes):
        for left, right in combinations(_groups(edges, fork), 2):
            one, other = _regions(wires, fork, left, right)
            met = sorted(name for name in one & other if name in nodes)
            for name in met:
                if name in told:
                    continue
                told.add(name)
                yield (
                    f"a join is missing before node {name}: branches of {fork} meet there,"
                    " and it would run for each"
                )
            yield from _stopped_elsewhere(edges, wires, one | other, one & other, told)
            if met:
                continue
            for first in one & nodes.keys():
                for second in other & nodes.keys():
                    yield from _shared_fields(nodes[first], nodes[second], fields, told)


def _stopped_elsewhere(
    edges: Sequence[Edges],
    wires: Sequence[tuple[str, str]],
    region: set[str],
    met: set[str],
    told: set[str],
) -> Iterator[str]:
    """Nodes that an `any` join may stop, although they lead to other nodes too."""
    for number, edge in enumerate(edges):
        if isinstance(edge, Join) and edge.need != "all" and _join(number) in met:
            for name in sorted(region - told):
                leads = [_join(number) in _along(wires, group) for group in _groups(edges, name)]
                if any(leads) and not all(leads):
                    told.add(name)
                    yield (
                        f"{describe_edge(edge)} may stop node {name}, which leads elsewhere too:"
                        " join that branch before it"
                    )


def _groups(edges: Sequence[Edges], name: str) -> list[set[str]]:
    """What a node leads to side by side; all ways of a choice are one group."""
    found: list[set[str]] = []
    for number, edge in enumerate(edges):
        if name not in sources(edge):
            continue
        if isinstance(edge, Join):
            found.append({_join(number)})
        else:
            found.append(set(targets(edge)))
    return found


def _shared_fields(
    one: Node, other: Node, fields: Mapping[str, Field], told: set[str]
) -> Iterator[str]:
    """Fields without a merge rule that both nodes write."""
    for name in sorted({*one.fields} & {*other.fields}):
        if fields[name].rule is None and name not in told:
            told.add(name)
            who = " and ".join(sorted({one.name, other.name}))
            if one is other:
                who += " (side by side)"
            yield (
                f"{who} may write {name!r} at the same moment, and it has no merge rule;"
                " give it one, such as Annotated[list[...], append]"
            )


def _regions(
    wires: Sequence[tuple[str, str]], fork: str, left: set[str], right: set[str]
) -> tuple[set[str], set[str]]:
    """What two branches of a fork lead to, up to the joins where both arrive."""
    passed: set[str] = set()
    while True:
        open_wires = [
            (a, b) for a, b in wires if a != fork and (a in passed or not a.startswith(_JOIN))
        ]
        one, other = _along(open_wires, left), _along(open_wires, right)
        own = {name for name in one ^ other if name.startswith(_JOIN)}
        if own <= passed:
            return one, other
        passed |= own


def _wires(edges: Sequence[Edges]) -> Iterator[tuple[str, str]]:
    """Edges as pairs of names. A join has its own name, between its sources and its target."""
    for number, edge in enumerate(edges):
        ends = targets(edge)
        if isinstance(edge, Join):
            ends = (_join(number),)
            yield _join(number), edge.target
        for source in sources(edge):
            for end in ends:
                yield source, end


def _join(number: int) -> str:
    return f"{_JOIN}{number}"  # a node's name has no space


def _along(wires: Sequence[tuple[str, str]], start: set[str]) -> set[str]:
    found, waiting = set(start), list(start)
    while waiting:
        name = waiting.pop()
        new = {b for a, b in wires if a == name} - found
        found |= new
        waiting += new
    return found


def reachable(edges: Sequence[Edges], start: set[str]) -> set[str]:
    """These names, and all that edges lead to from them. One source is enough for a join."""
    wires = [pair for edge in edges for pair in product(sources(edge), targets(edge))]
    return _along(wires, start)


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
