"""What numbers of few runs can say: intervals of a rate, and whether two sets of runs differ. Pure, and repeatable.

1. A rate's interval is Wilson's, 95%. Runs of one case are alike: n runs of it count for fewer than n new cases, by as
   much as the cases differ from each other (the design effect of a cluster sample), and for one at least.
2. Two sets of runs are compared by a permutation test within each case: if nothing has changed, a run might as well
   have been one of the other set. With one run a case each, of success, that is McNemar's exact test.
3. Where there are too many permutations to try them all, a fixed seed draws some.
"""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from statistics import fmean
from typing import NamedTuple

Z = 1.959964
"""Of 95%."""
MAX_EXACT = 10_000
"""So many permutations are tried one by one."""
MAX_DRAWS = 4_000
"""Else so many are drawn, or fewer of many numbers, so that it takes seconds."""
MAX_DRAWN_NUMBERS = 4_000_000
MIN_DRAWS = 500
SEED = 1
_SLACK = 1e-9
"""What sums of the same numbers in another order may differ by, as a part of them."""

BeforeAfter = tuple[Sequence[float], Sequence[float]]
"""A case's numbers before and now."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson_interval(passes: float, trials: float) -> Interval:
    """Where the rate behind `passes` of `trials` lies, 95%."""
    if trials <= 0:
        return Interval(0.0, 1.0)
    rate, square = passes / trials, Z * Z
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    half = (
        Z
        / (1 + square / trials)
        * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    )
    low = 0.0 if passes <= 0 else max(0.0, middle - half)
    return Interval(low, 1.0 if passes >= trials else min(1.0, middle + half))


def pass_rate_interval(cases: Sequence[tuple[int, int]]) -> Interval:
    """Of the pass rate over cases of (passes, trials) each."""
    trials = sum(count for _, count in cases)
    if not trials:
        return Interval(0.0, 1.0)
    rate = sum(passes for passes, _ in cases) / trials
    worth = effective_trials(cases)
    return wilson_interval(rate * worth, worth)


def effective_trials(cases: Sequence[tuple[int, int]]) -> float:
    """How many independent trials these are worth: between the number of cases and that of trials."""
    trials, count = sum(n for _, n in cases), len(cases)
    rate = sum(passes for passes, _ in cases) / trials
    if trials == count or count < 2 or rate in (0.0, 1.0):
        return float(count)
    # The variance of a ratio over clusters, and that of a simple sample of the same size.
    clustered = (
        count / (count - 1) * sum((passes - rate * n) ** 2 for passes, n in cases) / trials**2
    )
    simple = rate * (1 - rate) / trials
    return min(
        float(trials),
        max(float(count), trials * simple / clustered if clustered else float(trials)),
    )


def permutation_p_value(pairs: Sequence[BeforeAfter]) -> float:
    """How often chance alone gives a mean difference (over cases) at least as large, in either direction.

    1.0 where there is nothing to compare. Each case needs a number on both sides.
    """
    pairs = [
        pair for pair in pairs if len(set((*pair[0], *pair[1]))) > 1
    ]  # the others are the same either way
    if not pairs:
        return 1.0
    observed = abs(_difference(pairs))
    least = observed - _SLACK * (observed + 1e-12)
    if math.prod(math.comb(len(before) + len(now), len(now)) for before, now in pairs) <= MAX_EXACT:
        sums = [abs(total) for total in _all_sums(pairs)]
        return sum(each >= least for each in sums) / len(sums)
    chance = random.Random(SEED)
    count = sum(len(before) + len(now) for before, now in pairs)
    draws = max(MIN_DRAWS, min(MAX_DRAWS, MAX_DRAWN_NUMBERS // count))
    hits = sum(abs(_drawn_sum(pairs, chance)) >= least for _ in range(draws))
    return (hits + 1) / (draws + 1)


def holm_correction(ps: Sequence[float]) -> list[float]:
    """The p-values of several tests, corrected for there being several, in the same order."""
    corrected, worst = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        worst = max(worst, min(1.0, ps[index] * (len(ps) - rank)))
        corrected[index] = worst
    return corrected


def _difference(pairs: Sequence[BeforeAfter]) -> float:
    return math.fsum(fmean(now) - fmean(before) for before, now in pairs)


def _all_sums(pairs: Sequence[BeforeAfter]) -> Iterator[float]:
    """The sum of differences under each way to share each case's numbers out."""
    for chosen in product(*(_case_sums(before, now) for before, now in pairs)):
        yield math.fsum(chosen)


def _case_sums(before: Sequence[float], now: Sequence[float]) -> list[float]:
    numbers = [*before, *now]
    return [_split(numbers, set(chosen)) for chosen in combinations(range(len(numbers)), len(now))]


def _split(numbers: Sequence[float], chosen: set[int]) -> float:
    here = [number for index, number in enumerate(numbers) if index in chosen]
    there = [number for index, number in enumerate(numbers) if index not in chosen]
    return fmean(here) - fmean(there)


def _drawn_sum(pairs: Sequence[BeforeAfter], chance: random.Random) -> float:
    total = 0.0
    for before, now in pairs:
        if len(before) == len(now) == 1:
            total += (now[0] - before[0]) * (1 if chance.random() < 0.5 else -1)
        else:
            mixed = [*before, *now]
            chance.shuffle(mixed)
            total += sum(mixed[: len(now)]) / len(now) - sum(mixed[len(now) :]) / len(before)
    return total
