"""Several rankings made one, by rank alone. Pure.

Scores of words and of vectors can't be compared; ranks can. This is reciprocal rank fusion (Cormack, Clarke and
Büttcher, 2009): a thing gets 1 / (k + rank) from each ranking that has it.
"""

from collections.abc import Mapping, Sequence

import msgspec

K = 60
"""How little the first places count more than those after them; the paper's value."""


class Ranked(msgspec.Struct, frozen=True):
    id: str
    score: float
    ranks: dict[str, int]
    """Its place in each ranking that has it, from 1."""


def fused(rankings: Mapping[str, Sequence[str]], k: int = K) -> list[Ranked]:
    """The ids of all rankings, the best first. Of two with the same score, the one that was named first."""
    ranks: dict[str, dict[str, int]] = {}
    for name, ids in rankings.items():
        for rank, each in enumerate(dict.fromkeys(ids), 1):
            ranks.setdefault(each, {})[name] = rank
    found = [Ranked(each, sum(1 / (k + rank) for rank in places.values()), places) for each, places in ranks.items()]
    return sorted(found, key=lambda ranked: -ranked.score)
