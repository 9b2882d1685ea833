"""Which of two rows of things belong together. Pure; knows only a table of what fits what.

`fits[i][j]` says whether item i of the left row fits item j of the right one. A pair is (i, j); no item is in two.
"""

from collections import deque
from collections.abc import Sequence

Table = Sequence[Sequence[bool]]
Pairs = tuple[tuple[int, int], ...]


def match_in_order(fits: Table) -> Pairs:
    """As many pairs as can be without two that cross: both rows keep their order."""
    rows, columns = len(fits), len(fits[0]) if fits else 0
    most = [[0] * (columns + 1) for _ in range(rows + 1)]
    """How many pairs the rows have from (i, j) on."""
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            here = 1 + most[i + 1][j + 1] if fits[i][j] else 0
            most[i][j] = max(here, most[i + 1][j], most[i][j + 1])
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if fits[i][j] and most[i][j] == 1 + most[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif most[i + 1][j] == most[i][j]:
            i += 1
        else:
            j += 1
    return tuple(found)


def match_in_any_order(fits: Table) -> Pairs:
    """As many pairs as can be in whatever order: a maximum bipartite matching, by augmenting paths.

    An item that fits many never takes the only partner of another: it is moved where that makes one more pair.
    """
    partner: dict[int, int] = {}
    """Right to left."""
    for start in range(len(fits)):
        _augment(fits, start, partner)
    return tuple(sorted((i, j) for j, i in partner.items()))


def _augment(fits: Table, start: int, partner: dict[int, int]) -> None:
    """Finds a partner for one more on the left, moving others where need be. Breadth first: rows may be long."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        i = waiting.popleft()
        for j, fit in enumerate(fits[i]):
            if not fit or j in came_from:
                continue
            came_from[j] = i
            if j in partner:
                waiting.append(partner[j])
                continue
            while True:  # back along the path, each to the partner that it found
                i = came_from[j]
                before = next((other for other, left in partner.items() if left == i), None)
                partner[j] = i
                if before is None:
                    return
                j = before
