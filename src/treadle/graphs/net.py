"""The ways through a graph, as a net of places between which tokens move. Pure.

A token is work under way. It stands at a place: a node that runs, a choice that is being made
(`review.choice`), or a join that it has come to from one of the join's sources (`join 2 from a`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .nodes import END, START, Choice, Each, Edges, Join, sources, targets


def choice_place(name: str) -> str:
    """Where the choice after a node is made."""
    return f"{name}.choice"


def join_place(number: int, source: str) -> str:
    """Where a join waits for the rest, after one of its sources has come."""
    return f"join {number} from {source}"


@dataclass(frozen=True)
class Ahead:
    """What a branch that has failed leaves behind."""

    quorums: frozenset[int]
    """The next joins on all of its ways that can do without it."""
    lost: frozenset[int]
    """The joins before them, which wait for all and can't go on."""


class Net:
    """The places of a graph, and where tokens go from each. Joins are numbered as the edges are."""

    def __init__(self, edges: Sequence[Edges]) -> None:
        self.edges = tuple(edges)
        self.joins = {number: edge for number, edge in enumerate(edges) if isinstance(edge, Join)}
        self.copied = {edge.target for edge in edges if isinstance(edge, Each)}
        """The nodes that run side by side, once for each item."""
        self._before: dict[tuple[int, frozenset[int]], frozenset[str]] = {}

    @cached_property
    def ways(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """For each place, the ways to go on from it; a way leads to several places side by side."""
        ways: dict[str, tuple[tuple[str, ...], ...]] = {}
        for edge in self.edges:
            for name in sources(edge):
                ways.setdefault(name, ((),))
        for number, edge in enumerate(self.edges):
            match edge:
                case Choice(source=source):
                    ways[source] = (ways[source][0] + (choice_place(source),),)
                    ways[choice_place(source)] = tuple((name,) for name in targets(edge))
                case Join():
                    for source in edge.sources:
                        place = join_place(number, source)
                        ways[source] = (ways[source][0] + (place,),)
                        ways[place] = ((edge.target,),)
                case _:
                    ways[edge.source] = (ways[edge.source][0] + (edge.target,),)
        return ways

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The join that each place before a join belongs to."""
        return {
            join_place(number, source): number
            for number, join in self.joins.items()
            for source in join.sources
        }

    def places(self, number: int) -> frozenset[str]:
        """Where a join waits, one place for each of its sources."""
        return frozenset(join_place(number, source) for source in self.joins[number].sources)

    @cached_property
    def onward(self) -> dict[str, frozenset[str]]:
        """The places that tokens may come to next from each place."""
        return {
            place: frozenset(each for way in ways for each in way)
            for place, ways in self.ways.items()
        }

    @cached_property
    def forward(self) -> dict[str, frozenset[str]]:
        """`onward`, without what leads back: to a place, or a join, that was passed on every way.

        What waits at a join in a loop waits for nothing of the loop's next round.
        """
        forward = dict(self.onward)
        for place in self.ways:
            number = self.number_of.get(place)
            closed = {place} if number is None else self.places(number)
            passed_it = self.ways.keys() - reach(self.onward, [START], closed) | closed
            for other in passed_it:
                forward[other] -= {place}
        return forward

    def before(self, number: int, dead: frozenset[int] = frozenset()) -> frozenset[str]:
        """The places from which a token may still come forward to this join.

        Nothing comes through the `dead` joins.
        """
        key = (number, dead)
        if key not in self._before:
            own = self.places(number)
            closed = self.closed((number, *dead))
            self._before[key] = frozenset(
                place
                for place in self.ways.keys() - own
                if own & reach(self.forward, [place], closed)
            )
        return self._before[key]

    def closed(self, numbers: Iterable[int]) -> frozenset[str]:
        """The places of these joins."""
        return frozenset(place for number in numbers for place in self.places(number))

    def needed(self, number: int) -> int | None:
        """How many must come to a join; None if it can do without none of its sources."""
        join = self.joins[number]
        if join.need == "all":
            return None
        need = 1 if join.need == "any" else join.need
        if need >= len(join.sources) and not self.copied & {*join.sources}:
            return None
        return need

    def ahead(self, place: str) -> Ahead | None:
        """The joins that a branch has failed for, if it failed at this place.

        None if a way leads to the end past all joins that could do without it.
        """
        quorums = {number for number in self.joins if self.needed(number) is not None}
        reached = reach(self.forward, [place], self.closed(quorums))
        met = {self.number_of[each] for each in reached if each in self.number_of}
        if END in reached or not met & quorums:
            return None
        return Ahead(frozenset(met & quorums), frozenset(met - quorums))


def reach(
    next_places: Mapping[str, Collection[str]], start: Iterable[str], closed: Collection[str] = ()
) -> set[str]:
    """These places and all that tokens may come to from them, but not from the closed ones."""
    found = {*start}
    waiting = [*found]
    while waiting:
        place = waiting.pop()
        if place in closed:
            continue
        new = {*next_places.get(place, ())} - found
        found |= new
        waiting += new
    return found
