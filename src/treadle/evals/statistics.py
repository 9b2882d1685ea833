"""Statistics for few runs: the interval of a rate, and whether two sets of runs differ. Pure.

The same numbers always give the same result.

1. The interval of a rate is Wilson's, 95%. Runs of one case are alike, so n of them count for fewer
   than n new cases, depending on how much the cases differ from each other (the design effect of a
   cluster sample), but for at least one.
2. Two sets of runs are compared by a permutation test within each case: if nothing has changed, any
   run might as well belong to the other set. For success with one run a case, this is McNemar's
   exact test.
3. If there are too many permutations to try them all, some are drawn with a fixed seed.
"""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from statistics import fmean
from typing import NamedTuple

Z = 1.959964
"""For 95%."""
MAX_EXACT = 10_000
"""Up to this many permutations are all tried."""
MAX_DRAWS = 4_000
"""Otherwise this many are drawn, or fewer if there are many numbers: it should take seconds."""
MAX_DRAWN_NUMBERS = 4_000_000
MIN_DRAWS = 500
SEED = 1
_SLACK = 1e-9
"""The relative rounding error of sums of the same numbers in another order."""

BeforeAfter = tuple[Sequence[float], Sequence[float]]
"""A case's numbers before and now."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson_interval(passes: float, trials: float) -> Interval:
    """The 95% interval of the rate behind `passes` of `trials`."""
    if trials <= 0:
        return Interval(0.0, 1.0)
    rate = passes / trials
    square = Z * Z
    scale = 1 + square / trials
    middle = (rate + square / (2 * trials)) / scale
    spread = math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    half = Z / scale * spread
    low = max(0.0, middle - half)
    high = min(1.0, middle + half)
    if passes <= 0:
        low = 0.0
    if passes >= trials:
        high = 1.0
    return Interval(low, high)


def pass_rate_interval(cases: Sequence[tuple[int, int]]) -> Interval:
    """The 95% interval of the pass rate over cases of (passes, trials) each."""
    trials = sum(count for _, count in cases)
    if not trials:
        return Interval(0.0, 1.0)
    rate = sum(passes for passes, _ in cases) / trials
    independent = effective_trials(cases)
    return wilson_interval(rate * independent, independent)


def effective_trials(cases: Sequence[tuple[int, int]]) -> float:
    """How many independent trials these are worth.

    At least the number of cases, at most that of trials.
    """
    trials = sum(n for _, n in cases)
    count = len(cases)
    rate = sum(passes for passes, _ in cases) / trials
    if trials == count or count < 2 or rate in (0.0, 1.0):
        return float(count)
    # The variance of a ratio over clusters, and that of a simple sample of the same size.
    squares = sum((passes - rate * n) ** 2 for passes, n in cases)
    clustered = count / (count - 1) * squares / trials**2
    simple = rate * (1 - rate) / trials
    if not clustered:
        return float(trials)
    return min(float(trials), max(float(count), trials * simple / clustered))


def probability_that_all_pass(cases: Sequence[tuple[int, int]], k: int) -> float | None:
    """The probability that k trials of a case all pass: a mean over cases of (passes, trials) each.

    Without bias: of all ways to draw k of a case's trials, the share in which all have passed.
    None if there is no case, or one has fewer than k trials.
    """
    if not cases or min(trials for _, trials in cases) < k:
        return None
    return fmean(math.comb(passes, k) / math.comb(trials, k) for passes, trials in cases)


def permutation_p_value(pairs: Sequence[BeforeAfter]) -> float:
    """The probability that chance alone gives a mean difference at least as large, either way.

    The mean is over cases; each needs a number on both sides. 1.0 if there is nothing to compare.
    """
    # Cases whose numbers are all equal are the same in every permutation.
    pairs = [pair for pair in pairs if len({*pair[0], *pair[1]}) > 1]
    if not pairs:
        return 1.0
    observed = abs(_difference(pairs))
    least = observed - _SLACK * (observed + 1e-12)
    if math.prod(math.comb(len(before) + len(now), len(now)) for before, now in pairs) <= MAX_EXACT:
        sums = [abs(total) for total in _all_sums(pairs)]
        return sum(each >= least for each in sums) / len(sums)
    chance = random.Random(SEED)  # noqa: S311  # resamples that repeat by their seed
    count = sum(len(before) + len(now) for before, now in pairs)
    draws = max(MIN_DRAWS, min(MAX_DRAWS, MAX_DRAWN_NUMBERS // count))
    hits = sum(abs(_drawn_sum(pairs, chance)) >= least for _ in range(draws))
    return (hits + 1) / (draws + 1)


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, corrected for their number, in the same order."""
    corrected = [1.0] * len(p_values)
    worst = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = worst
    return corrected


def _difference(pairs: Sequence[BeforeAfter]) -> float:
    return math.fsum(fmean(now) - fmean(before) for before, now in pairs)


def _all_sums(pairs: Sequence[BeforeAfter]) -> Iterator[float]:
    """The sum of differences for each way to divide the numbers of the cases in two."""
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
            sign = 1 if chance.random() < 0.5 else -1
            total += sign * (now[0] - before[0])
        else:
            mixed = [*before, *now]
            chance.shuffle(mixed)
            total += sum(mixed[: len(now)]) / len(now) - sum(mixed[len(now) :]) / len(before)
    return total
