"""Finds branches that meet, stop or wait for each other in a way that can't be right. Pure.

It finds first which places may have tokens at the same moment: it follows pairs of places from the
start. What two tokens side by side lead to is side by side too, until they meet in a join. A join
goes on when nothing that runs can come to it any more, so what it leads to is never beside what
leads to it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

from .net import Net, join_place, reach
from .nodes import END, START, Each, Edges, Node, describe_edge
from .state import Field


def find_parallel_faults(
    nodes: Mapping[str, Node], edges: Sequence[Edges], fields: Mapping[str, Field]
) -> Iterator[str]:
    """Branches that meet without a join, and fields that two nodes may write at the same moment.

    `told` keeps each field from being reported twice.
    """
    net = Net(edges)
    beside = SideBySide(net).beside
    yield from _meetings(net, nodes, beside)
    yield from _stopped_elsewhere(net, nodes, beside)
    yield from _waiting_for_each_other(net, beside)
    told: set[str] = set()
    for edge in edges:
        if isinstance(edge, Each):
            yield from _shared_fields(nodes[edge.target], nodes[edge.target], fields, told)
    for one, other in combinations(nodes, 2):
        if other in beside[one]:
            yield from _shared_fields(nodes[one], nodes[other], fields, told)


def _meetings(net: Net, nodes: Mapping[str, Node], beside: Mapping[str, set[str]]) -> Iterator[str]:
    """Places to which two branches come without a join."""
    for name in nodes:
        if name in beside[name]:
            yield (
                f"a join is missing before node {name}: branches of {_fork(net, name)} meet there,"
                " and it would run for each"
            )
    for place, number in net.number_of.items():
        source = place.rpartition(" ")[2]
        if place in beside[place] and source not in beside[source]:
            yield (
                f"{describe_edge(net.joins[number])}: {source} may come to it more than once before"
                " it goes on"
            )


def _fork(net: Net, name: str) -> str:
    """The first node of which two branches lead to this one."""
    for place, ways in net.ways.items():
        for way in ways:
            if sum(name in reach(net.onward, [branch]) for branch in way) > 1:
                return place
    return START


def _stopped_elsewhere(
    net: Net, nodes: Mapping[str, Node], beside: Mapping[str, set[str]]
) -> Iterator[str]:
    """Nodes that a join may stop which needs only some, although they lead to other nodes too."""
    for number, join in net.joins.items():
        if net.needed(number) is None:
            continue
        places = net.places(number)
        towards = net.before(number) | places
        for name in nodes:
            leads = [place in towards for place in net.onward.get(name, ())]
            if any(leads) and not all(leads) and beside[name] & places:
                yield (
                    f"{describe_edge(join)} may stop node {name}, which leads elsewhere too:"
                    " join that branch before it"
                )


def _waiting_for_each_other(net: Net, beside: Mapping[str, set[str]]) -> Iterator[str]:
    """Two joins that each wait for what comes only after the other."""
    for (one, first), (other, second) in combinations(net.joins.items(), 2):
        for source, its in product(first.sources, second.sources):
            here, there = join_place(one, source), join_place(other, its)
            if there in beside[here] and here in net.before(other) and there in net.before(one):
                yield f"{describe_edge(first)} and {describe_edge(second)} wait for each other"
                break


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


class SideBySide:
    """The pairs of places that may have tokens at the same moment."""

    def __init__(self, net: Net) -> None:
        self.beside: defaultdict[str, set[str]] = defaultdict(set)
        """By place. A place that is beside itself may have two tokens."""
        self._net = net
        self._reached: set[str] = set()
        self._pairs: list[tuple[str, str]] = []
        self._reach(START)
        while self._pairs:
            one, other = self._pairs.pop()
            self._move(one, other)
            self._move(other, one)

    def _reach(self, start: str) -> None:
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if place in self._reached or place == END:
                continue
            self._reached.add(place)
            for way in self._net.ways.get(place, ()):
                for one, other in combinations(way, 2):
                    self._add(one, other)
                waiting += way

    def _add(self, one: str, other: str) -> None:
        if END in (one, other) or other in self.beside[one]:
            return
        self.beside[one].add(other)
        self.beside[other].add(one)
        if one != other:  # what two tokens at one place lead to is wrong too, and says no more
            self._pairs.append((one, other))

    def _move(self, place: str, other: str) -> None:
        """The token at this place goes on, while the other one stays."""
        number = self._net.number_of.get(place)
        if number is not None:
            same = self._net.number_of.get(other) == number
            if same or other in self._net.before(number):
                return
        for new in self._net.onward.get(place, ()):
            self._add(new, other)
