"""Finds which places of a graph may have tokens at the same moment. Pure.

It follows pairs of places from the start: what two tokens side by side lead to is side by side too,
until they meet in a join. A join goes on when nothing that runs can come to it any more, so what it
leads to is never beside what leads to it.
"""

from collections import defaultdict
from itertools import combinations

from .net import Net
from .nodes import END, START


class SideBySide:
    """The pairs of places that may have tokens at the same moment."""

    def __init__(self, net: Net) -> None:
        self.beside: defaultdict[str, set[str]] = defaultdict(set)
        """A place that is beside itself may have two tokens."""
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
