"""The joins of one run of a graph: what has come to them, and which go on now. No I/O.

1. A join that needs a number goes on as soon as so many have come. Any other goes on when nothing
   that runs can come to it any more: so a branch that a choice has left out isn't waited for.
2. A branch that fails is missing at the next join that can do without it. The joins on the way
   there that wait for all are lost.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..core.errors import StepFailed
from .net import Ahead, Net, reach
from .nodes import END


@dataclass
class Arrived:
    """What has come to a join since it last went on."""

    came: Counter[str] = field(default_factory=Counter)
    """By source; a source that runs side by side comes once for each copy."""
    failed: list[Exception] = field(default_factory=list)
    """Why branches don't come."""
    lost: bool = False
    """A branch that it can't do without has failed."""


class Joins:
    """All joins of a run."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._arrived: dict[int, Arrived] = {}

    def come(self, number: int, source: str, times: int = 1) -> None:
        """A source of the join is done; `times` 0: there was nothing for it to do."""
        arrived = self._of(number)
        if not arrived.lost:
            arrived.came[source] += times

    def fail(self, ahead: Ahead, error: Exception) -> None:
        """A branch has failed before these joins."""
        for number in ahead.quorums:
            self._of(number).failed.append(error)
        for number in ahead.lost:
            self._of(number).lost = True

    def is_in_vain(self, place: str) -> bool:
        """Whether all that a token at this place can come to are joins that are lost."""
        lost = self._net.closed(self._lost)
        reached = reach(self._net.onward, [place], lost)
        others = reached & self._net.number_of.keys() - lost
        return bool(reached & lost) and END not in reached and not others

    def next(self, live: Mapping[str, int]) -> int | None:
        """A join that goes on now, with so many tokens at these places; None if there is none.

        Raises StepFailed where too few can come to one, as branches have failed.
        """
        for number in sorted(self._arrived):
            if self._goes_on(number, live):
                return number
        return None

    def go_on(self, number: int) -> None:
        """Forget what has come to the join, and before it if what leads there is stopped."""
        del self._arrived[number]
        if self._net.joins[number].need == "all":
            return
        before = self._net.before(number)
        for other in list(self._arrived):
            if self._net.places(other) & before:
                del self._arrived[other]

    def _goes_on(self, number: int, live: Mapping[str, int]) -> bool:
        arrived = self._arrived[number]
        if arrived.lost:
            return False
        need = self._net.needed(number)
        count = arrived.came.total()
        if need is not None and count >= need:
            return True
        if need is not None and arrived.failed:
            most = self._most(number, live)
            if most is not None and most < need:
                raise self._too_few(number, need, most)
            return False
        return bool(arrived.came) and not self._open_places(number, live)

    def _most(self, number: int, live: Mapping[str, int]) -> int | None:
        """How many can come to the join at most; None if nobody knows yet."""
        arrived = self._arrived[number]
        most = arrived.came.total()
        open_places = self._open_places(number, live)
        for source in self._net.joins[number].sources:
            most += live.get(source, 0)
            others = [place for place in open_places if place != source]
            closed = self._net.closed((number, *self._lost))
            leads_there = source in reach(self._net.forward, others, closed)
            if not leads_there or live.get(source) or arrived.came[source]:
                continue
            if source in self._net.copied:
                return None
            most += 1
        return most

    def _open_places(self, number: int, live: Iterable[str]) -> set[str]:
        """The places from which something may still come to the join."""
        pending = {
            place
            for other, arrived in self._arrived.items()
            if other != number and arrived.came and not arrived.lost
            for place in self._net.places(other)
        }
        return ({*live} | pending) & self._net.before(number, self._lost)

    def _too_few(self, number: int, need: int, most: int) -> StepFailed:
        join = self._net.joins[number]
        failed = self._arrived[number].failed
        error = StepFailed(
            f"the join before {join.target} needs {need}, and {most} can come; {failed[0]}",
            step=getattr(failed[0], "step", ""),
        )
        error.__cause__ = ExceptionGroup("branches before the join", failed)
        return error

    @property
    def _lost(self) -> frozenset[int]:
        return frozenset(number for number, arrived in self._arrived.items() if arrived.lost)

    def _of(self, number: int) -> Arrived:
        return self._arrived.setdefault(number, Arrived())
