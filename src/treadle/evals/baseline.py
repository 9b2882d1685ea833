"""Compares two reports: what got worse or better, by how much, and whether that is more than noise.

Pure.

A change is significant if both hold: its p-value, corrected for the four metrics that are tested
(Holm), is below 5%; and it is at least one point of success, or 5% of steps, tokens or cost.
A case is compared with itself. Cases that only one report has, or whose input has changed, are left
out and named; cases whose checks have changed are left out of success. Seconds are shown but never
significant: they depend on the machine as much as on the agent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import msgspec

from ..observe.agent_changes import agent_changes
from .report import CaseReport, Report, TrialReport
from .statistics import BeforeAfter, holm_correction, permutation_p_value

SIGNIFICANCE = 0.05
MIN_CHANGE = 0.05
"""Of steps, tokens and cost: as a share of the value before."""
MIN_SUCCESS_CHANGE = 0.01
MAX_CASES = 5
"""How many cases are named for a change."""


@dataclass(frozen=True)
class CaseChange:
    """The mean of one case, before and now."""

    case: str
    before: float
    now: float


@dataclass(frozen=True)
class Change:
    """One metric, before and now: means over the cases that both reports have."""

    name: str
    """`success`, `steps`, `tokens`, `cost_usd` or `seconds`."""
    before: float
    now: float
    p: float
    """The probability of a difference this large by chance, corrected."""
    significant: bool
    """It is more than noise, and large enough to matter."""
    cases: tuple[CaseChange, ...]
    """The cases that got worse, the worst first."""

    @property
    def worse(self) -> bool:
        if self.name == "success":
            return self.now < self.before
        return self.now > self.before

    @property
    def share(self) -> float | None:
        """The change as a share of the value before; None if that was 0."""
        if not self.before:
            return None
        return (self.now - self.before) / self.before


@dataclass(frozen=True)
class Comparison:
    """What has changed between two reports."""

    changes: tuple[Change, ...]
    compared: int
    """How many cases both reports have."""
    left_out: tuple[str, ...]
    """Sentences about the other cases, and about metrics that can't be compared."""
    agent: tuple[str, ...]
    """How the agent has changed."""

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.significant and change.worse)


Metric = Callable[[TrialReport], float | None]
METRICS: dict[str, Metric] = {
    "success": lambda trial: float(trial.outcome == "passed"),
    "steps": lambda trial: trial.steps,
    "tokens": lambda trial: trial.tokens,
    "cost_usd": lambda trial: trial.cost_usd,
    "seconds": lambda trial: trial.seconds,
}
CasePair = tuple[CaseReport, CaseReport]
"""The same case, before and now."""


def compare_reports(before: Report, now: Report) -> Comparison:
    """The change of every metric from one report to the other."""
    pairs, left_out = _pair_cases(before, now)
    same_checks = [pair for pair in pairs if _has_same_checks(pair)]
    if len(same_checks) < len(pairs):
        changed = [pair[1].name for pair in pairs if not _has_same_checks(pair)]
        left_out.append(f"success, for other checks than then: {', '.join(changed)}")
    judged = [(_only_judged(was), _only_judged(case)) for was, case in same_checks]
    both_judged = [pair for pair in judged if pair[0].trials and pair[1].trials]
    if len(both_judged) < len(judged):
        names = [case.name for was, case in judged if not (was.trials and case.trials)]
        left_out.append(f"success, for want of a judge: {', '.join(names)}")
    values: dict[str, dict[str, BeforeAfter]] = {}
    for name, metric in METRICS.items():
        collected = _collect(both_judged if name == "success" else pairs, metric)
        if collected:
            values[name] = collected
    if pairs and "cost_usd" not in values:
        left_out.append("cost: no price is known for every run")
    tested = [name for name in values if name != "seconds"]
    p_values = [permutation_p_value(list(values[name].values())) for name in tested]
    corrected = dict(zip(tested, holm_correction(p_values), strict=True))
    return Comparison(
        changes=tuple(
            _make_change(name, by_case, corrected.get(name, 1.0))
            for name, by_case in values.items()
        ),
        compared=len(pairs),
        left_out=tuple(left_out),
        agent=tuple(agent_changes(before.agent, now.agent)),
    )


def _pair_cases(before: Report, now: Report) -> tuple[list[CasePair], list[str]]:
    """The cases that both reports have with the same input, and sentences about the others."""
    old = {case.name: case for case in before.cases if case.trials}
    new = {case.name: case for case in now.cases if case.trials}
    both = [(old[name], case) for name, case in new.items() if name in old]
    same_input = [(was, case) for was, case in both if was.messages == case.messages]
    groups = {
        "new": [name for name in new if name not in old],
        "gone, or not run now": [name for name in old if name not in new],
        "another input than then": [
            case.name for was, case in both if was.messages != case.messages
        ],
    }
    left_out = [f"{reason}: {', '.join(names)}" for reason, names in groups.items() if names]
    return same_input, left_out


def _only_judged(case: CaseReport) -> CaseReport:
    return msgspec.structs.replace(case, trials=case.judged)


def _has_same_checks(pair: CasePair) -> bool:
    """Whether the case was checked for the same; by descriptions where a report has no more."""
    was, now = (case.trials[0].verdicts for case in pair)
    if all(verdict.digest for verdict in (*was, *now)):
        return [verdict.digest for verdict in was] == [verdict.digest for verdict in now]
    return [verdict.check for verdict in was] == [verdict.check for verdict in now]


def _collect(pairs: list[CasePair], metric: Metric) -> dict[str, BeforeAfter]:
    """The metric's values by case; none at all if one trial has no value."""
    collected: dict[str, BeforeAfter] = {}
    for was, case in pairs:
        before = [metric(trial) for trial in was.trials]
        now = [metric(trial) for trial in case.trials]
        known_before = [value for value in before if value is not None]
        known_now = [value for value in now if value is not None]
        if len(known_before) < len(before) or len(known_now) < len(now):
            return {}
        collected[case.name] = (known_before, known_now)
    return collected


def _make_change(name: str, values: dict[str, BeforeAfter], p: float) -> Change:
    means = [CaseChange(case, fmean(was), fmean(now)) for case, (was, now) in values.items()]
    before = fmean(each.before for each in means)
    now = fmean(each.now for each in means)
    worse = [each for each in means if _worsening(name, each) > 0]
    worse.sort(key=lambda each: -_worsening(name, each))
    return Change(
        name=name,
        before=before,
        now=now,
        p=p,
        significant=name != "seconds" and p < SIGNIFICANCE and _is_large(name, before, now),
        cases=tuple(worse[:MAX_CASES]),
    )


def _is_large(name: str, before: float, now: float) -> bool:
    size = abs(now - before)
    if name == "success":
        return size >= MIN_SUCCESS_CHANGE
    if before:
        size /= before
    return size >= MIN_CHANGE


def _worsening(name: str, change: CaseChange) -> float:
    if name == "success":
        return change.before - change.now
    return change.now - change.before
