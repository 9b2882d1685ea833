"""Pairs the items of two lists. Pure; knows only a table of which items fit each other.

`fits[i][j]` says whether item i of the left list fits item j of the right one. A pair is (i, j);
each item is in at most one pair.
"""

from collections import deque
from collections.abc import Sequence

Table = Sequence[Sequence[bool]]
Pairs = tuple[tuple[int, int], ...]


def match_in_order(fits: Table) -> Pairs:
    """As many pairs as possible that keep the order of both lists."""
    if not fits:
        return ()
    rows = len(fits)
    columns = len(fits[0])
    most = _count_pairs(fits)
    pairs: list[tuple[int, int]] = []
    i = 0
    j = 0
    while i < rows and j < columns:
        if fits[i][j] and most[i][j] == 1 + most[i + 1][j + 1]:
            pairs.append((i, j))
            i += 1
            j += 1
        elif most[i + 1][j] == most[i][j]:
            i += 1
        else:
            j += 1
    return tuple(pairs)


def _count_pairs(fits: Table) -> list[list[int]]:
    """For each (i, j) the most pairs of the lists from there on."""
    columns = len(fits[0])
    most = [[0] * (columns + 1) for _ in range(len(fits) + 1)]
    for i in reversed(range(len(fits))):
        for j in reversed(range(columns)):
            most[i][j] = max(most[i + 1][j], most[i][j + 1])
            if fits[i][j]:
                most[i][j] = max(most[i][j], 1 + most[i + 1][j + 1])
    return most


def match_in_any_order(fits: Table) -> Pairs:
    """As many pairs as possible in any order: a maximum bipartite matching, by augmenting paths.

    An item that fits several never takes the only partner of another: it moves if that makes one
    more pair.
    """
    partner: dict[int, int] = {}
    """Of each item on the right."""
    for start in range(len(fits)):
        _augment(fits, start, partner)
    return tuple(sorted((i, j) for j, i in partner.items()))


def _augment(fits: Table, start: int, partner: dict[int, int]) -> None:
    """Find a partner for one more item on the left, moving others if needed.

    Breadth first: lists may be long.
    """
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        i = waiting.popleft()
        for j, fit in enumerate(fits[i]):
            if not fit or j in came_from:
                continue
            came_from[j] = i
            if j not in partner:
                _follow_back(came_from, j, partner)
                return
            waiting.append(partner[j])


def _follow_back(came_from: dict[int, int], j: int, partner: dict[int, int]) -> None:
    """Go back along the path and give each item on the left the partner that it found."""
    while True:
        i = came_from[j]
        before = next((other for other, left in partner.items() if left == i), None)
        partner[j] = i
        if before is None:
            return
        j = before
