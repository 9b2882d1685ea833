"""Several rankings made one, by rank alone. Pure.

Scores of words and of vectors can't be compared; ranks can. This is reciprocal rank fusion (Cormack, Clarke and
Büttcher, 2009): a thing gets 1 / (k + rank) from each ranking that has it.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

RRF_K = 60
"""How little the first places count more than those after them; the paper's value."""


MIN_COVERAGE = 0.4
"""The part of a query's weight that a note's words must carry; from 0.3 to 0.6 nothing changed on the recall set."""


class Ranked(msgspec.Struct, frozen=True):
    id: str
    score: float
    ranks: dict[str, int]
    """Its place in each ranking that has it, from 1."""


def reciprocal_rank_fusion(rankings: Mapping[str, Sequence[str]], k: int = RRF_K) -> list[Ranked]:
    """The ids of all rankings, the best first. Of two with the same score, the one that was named first."""
    ranks: dict[str, dict[str, int]] = {}
    for name, ids in rankings.items():
        for rank, each in enumerate(dict.fromkeys(ids), 1):
            ranks.setdefault(each, {})[name] = rank
    found = [
        Ranked(each, sum(1 / (k + rank) for rank in places.values()), places)
        for each, places in ranks.items()
    ]
    return sorted(found, key=lambda ranked: -ranked.score)


def by_idf(having: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """Of the ids that have words of a query, those whose words carry what it asks for; the best first.

    `having` says of each word which of the `count` things have it. The fewer they are, the more the word tells.
    Without this, what shares "user" and "month" with a question would count as much as what means the same.
    """
    told: dict[str, float] = {}
    whole = 0.0
    for ids in having.values():
        weight = math.log(1 + (count - len(ids) + 0.5) / (len(ids) + 0.5))
        whole += weight
        for each in ids:
            told[each] = told.get(each, 0.0) + weight
    return sorted(
        (each for each in told if told[each] >= MIN_COVERAGE * whole), key=lambda each: -told[each]
    )
