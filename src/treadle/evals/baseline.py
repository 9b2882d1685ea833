"""Two reports compared: what got worse or better, by how much, and whether that is more than noise. Pure.

The rule. A change counts where both hold: its p-value, corrected for the four questions that are asked (Holm), is below
5%; and it is at least one point of success, or 5% of steps, tokens or cost. Cases are compared with themselves: those
that only one report has, or that say something else now, are left out and named; so are those with other checks now
from success. Seconds are shown and never count:
they are the machine's as much as the agent's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from ..observe.explain import agent_changes
from .report import CaseReport, Report, TrialReport
from .statistics import BeforeAfter, holm_correction, permutation_p_value

SIGNIFICANCE = 0.05
MIN_CHANGE = 0.05
"""Of steps, tokens and cost: as a part of what it was."""
MIN_SUCCESS_CHANGE = 0.01
MAX_CASES = 5
"""Cases that are named for a change."""


@dataclass(frozen=True)
class CaseChange:
    """One case's mean, before and now."""

    case: str
    before: float
    now: float


@dataclass(frozen=True)
class Change:
    """One number, before and now: means over the cases that both reports have."""

    name: str
    """`success`, `steps`, `tokens`, `cost_usd` or `seconds`."""
    before: float
    now: float
    p: float
    """How often chance alone would give as much, corrected."""
    counts: bool
    """It is more than noise, and enough to matter."""
    cases: tuple[CaseChange, ...]
    """Those that changed most for the worse."""

    @property
    def worse(self) -> bool:
        return self.now < self.before if self.name == "success" else self.now > self.before

    @property
    def share(self) -> float | None:
        """The change as a part of what it was; None of nothing."""
        return (self.now - self.before) / self.before if self.before else None


@dataclass(frozen=True)
class Comparison:
    changes: tuple[Change, ...]
    compared: int
    """Cases in both."""
    left_out: tuple[str, ...]
    """Sentences about the others, and about numbers that can't be compared."""
    agent: tuple[str, ...]
    """How the agent differs."""

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.counts and change.worse)


_Number = Callable[[TrialReport], float | None]
METRICS: dict[str, _Number] = {
    "success": lambda trial: float(trial.passed),
    "steps": lambda trial: trial.steps,
    "tokens": lambda trial: trial.tokens,
    "cost_usd": lambda trial: trial.cost_usd,
    "seconds": lambda trial: trial.seconds,
}


def compare_reports(before: Report, now: Report) -> Comparison:
    """What has changed since."""
    both, left_out = _paired(before, now)
    alike = [(was, case) for was, case in both if _checks(was) == _checks(case)]
    if len(alike) < len(both):
        other = (case.name for was, case in both if _checks(was) != _checks(case))
        left_out.append(f"success, for other checks than then: {', '.join(other)}")
    of = {
        name: _pairs(alike if name == "success" else both, number)
        for name, number in METRICS.items()
    }
    pairs = {name: each for name, each in of.items() if each}
    if both and "cost_usd" not in pairs:
        left_out.append("cost: no price is known for every run")
    judged = [name for name in pairs if name != "seconds"]
    ps = dict(
        zip(
            judged,
            holm_correction([permutation_p_value(list(pairs[name].values())) for name in judged]),
            strict=True,
        )
    )
    changed = tuple(_change(name, each, ps.get(name, 1.0)) for name, each in pairs.items())
    return Comparison(
        changed, len(both), tuple(left_out), tuple(agent_changes(before.agent, now.agent))
    )


def _paired(before: Report, now: Report) -> tuple[list[tuple[CaseReport, CaseReport]], list[str]]:
    old = {case.name: case for case in before.cases if case.trials}
    new = {case.name: case for case in now.cases if case.trials}
    both = [(old[name], case) for name, case in new.items() if name in old]
    groups = {
        "new": [name for name in new if name not in old],
        "gone, or not run now": [name for name in old if name not in new],
        "another input than then": [
            case.name for was, case in both if was.messages != case.messages
        ],
    }
    left_out = [f"{what}: {', '.join(names)}" for what, names in groups.items() if names]
    return [(was, case) for was, case in both if was.messages == case.messages], left_out


def _checks(case: CaseReport) -> list[str]:
    return [verdict.check for verdict in case.trials[0].verdicts]


def _pairs(both: list[tuple[CaseReport, CaseReport]], number: _Number) -> dict[str, BeforeAfter]:
    """By case; none where a number is missing anywhere."""
    found: dict[str, BeforeAfter] = {}
    for was, case in both:
        sides = [[number(trial) for trial in each.trials] for each in (was, case)]
        known = [[value for value in side if value is not None] for side in sides]
        if known != sides:
            return {}
        found[case.name] = (known[0], known[1])
    return found


def _change(name: str, pairs: dict[str, BeforeAfter], p: float) -> Change:
    means = [CaseChange(case, fmean(before), fmean(now)) for case, (before, now) in pairs.items()]
    before, now = fmean(each.before for each in means), fmean(each.now for each in means)
    size = abs(now - before) / before if before and name != "success" else abs(now - before)
    enough = size >= (MIN_SUCCESS_CHANGE if name == "success" else MIN_CHANGE)
    sign = -1 if name == "success" else 1
    worst = sorted(
        (each for each in means if sign * (each.now - each.before) > 0),
        key=lambda c: sign * (c.before - c.now),
    )
    return Change(
        name,
        before,
        now,
        p,
        name != "seconds" and p < SIGNIFICANCE and enough,
        tuple(worst[:MAX_CASES]),
    )
