"""The result of a run as data: how it is kept, compared and shown. Pure.

The JSON of a report is this file's structs; `version` changes when the meaning of a field does. A
baseline is a report.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..observe.timeline import Timeline
from .dataset import Dataset
from .grade import Verdict, failed_verdicts
from .statistics import Interval, pass_rate_interval, probability_that_all_pass
from .trial import Trial

Outcome = Literal["passed", "failed", "unjudged"]
VERSION = 1
MAX_ANSWER = 20_000
"""Characters of an answer that are kept; its thread has all of it."""
MAX_LINES = 200
"""Lines of a thread that are kept."""


class JudgeUsage(msgspec.Struct, frozen=True):
    """What the judges of a trial took. It is not part of what the agent took."""

    tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: "JudgeUsage") -> "JudgeUsage":
        return JudgeUsage(self.tokens + other.tokens, _sum_costs([self.cost_usd, other.cost_usd]))


class TrialReport(msgspec.Struct, frozen=True):
    """One run of one case."""

    number: int
    thread_id: str
    status: str
    answer: str
    verdicts: tuple[Verdict, ...]
    steps: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """None if no price is known."""
    seconds: float
    """Of work, without waiting for people."""
    error: str = ""
    """The error that ended it, e.g. the provider's message."""
    judged: JudgeUsage = JudgeUsage()
    lines: tuple[str, ...] = ()
    """The thread, a line for each record."""

    @property
    def outcome(self) -> Outcome:
        """`unjudged` if no check failed, but a judge gave no verdict."""
        if failed_verdicts(self.verdicts):
            return "failed"
        if any(verdict.passed is None for verdict in self.verdicts):
            return "unjudged"
        return "passed"

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class CaseReport(msgspec.Struct, frozen=True):
    """All trials of one case."""

    name: str
    messages: tuple[str, ...]
    trials: tuple[TrialReport, ...] = ()
    tags: tuple[str, ...] = ()
    min_pass: float | None = None
    """The share of its trials that must pass, if the case says one."""

    @property
    def judged(self) -> tuple[TrialReport, ...]:
        """The trials that passed or failed."""
        return tuple(trial for trial in self.trials if trial.outcome != "unjudged")

    @property
    def passes(self) -> int:
        return sum(trial.outcome == "passed" for trial in self.trials)

    @property
    def pass_rate(self) -> float:
        """Of the trials that were judged; 0 without any."""
        if not self.judged:
            return 0.0
        return self.passes / len(self.judged)

    @property
    def outcome(self) -> Outcome:
        """`failed` if fewer trials passed than must: all of them, or `min_pass`."""
        least = 1.0 if self.min_pass is None else self.min_pass
        if self.judged and self.pass_rate < least:
            return "failed"
        return "passed" if len(self.judged) == len(self.trials) else "unjudged"

    @property
    def first_failure(self) -> Verdict | None:
        """The first check of a trial that failed; without one, the first that nobody judged."""
        verdicts = [verdict for trial in self.trials for verdict in trial.verdicts]
        failed = failed_verdicts(verdicts)
        unjudged = [verdict for verdict in verdicts if verdict.passed is None]
        return next(iter((*failed, *unjudged)), None)


class Report(msgspec.Struct, frozen=True):
    """A run, complete or stopped."""

    dataset: str
    run: str
    agent: e.AgentDescribed
    """Its name, its model, and hashes of its instructions and tools."""
    began_at: float
    """Seconds since the epoch, UTC."""
    seconds: float
    """From the beginning to the end."""
    wanted_trials: int
    """There are fewer trials if the run was stopped."""
    cases: tuple[CaseReport, ...]
    version: int = VERSION

    @property
    def trials(self) -> list[TrialReport]:
        return [trial for case in self.cases for trial in case.trials]

    @property
    def judged(self) -> list[TrialReport]:
        """The trials that passed or failed. The others' judges gave no verdict."""
        return [trial for case in self.cases for trial in case.judged]

    @property
    def passes(self) -> int:
        return sum(case.passes for case in self.cases)

    @property
    def pass_rate(self) -> float:
        """Of the trials that were judged; 0 without any."""
        if not self.judged:
            return 0.0
        return self.passes / len(self.judged)

    def pass_all(self, k: int) -> float | None:
        """pass^k: the probability that k trials of a case all pass, as a mean over the cases.

        None unless each case that was run has at least k judged trials.
        """
        counts = [(case.passes, len(case.judged)) for case in self.cases if case.trials]
        return probability_that_all_pass(counts, k)

    @property
    def errors(self) -> int:
        """Trials that raised an error: the agent may not be at fault."""
        return sum(bool(trial.error) for trial in self.trials)

    @property
    def pass_interval(self) -> Interval:
        """The 95% confidence interval of the pass rate."""
        return pass_rate_interval(
            [(case.passes, len(case.judged)) for case in self.cases if case.judged]
        )

    @property
    def passed(self) -> bool:
        """All trials were run and judged, and as many passed as must."""
        return not self.shortfalls()

    def shortfalls(self, min_pass: float = 1.0) -> tuple[str, ...]:
        """What is missing for success, a sentence each; none if the run succeeded.

        A case with a `min_pass` of its own must reach that share. Of the trials of all others, the
        share `min_pass` must pass.
        """
        found = []
        if len(self.trials) < self.wanted_trials:
            found.append(f"{len(self.trials)} of {self.wanted_trials} trials were run")
        if len(self.judged) < len(self.trials):
            missing = len(self.trials) - len(self.judged)
            found.append(f"{missing} of {len(self.trials)} trials weren't judged")
        others = [case for case in self.cases if case.min_pass is None]
        judged = sum(len(case.judged) for case in others)
        passes = sum(case.passes for case in others)
        if judged and passes / judged < min_pass:
            found.append(
                f"{passes} of {judged} trials passed, and {100 * min_pass:.4g}% of them must"
            )
        for case in self.cases:
            if case.min_pass is not None and case.judged and case.pass_rate < case.min_pass:
                found.append(
                    f"case {case.name}: {case.passes} of {len(case.judged)} trials passed,"
                    f" and {100 * case.min_pass:.4g}% of them must"
                )
        return tuple(found)

    def mean(self, value: Callable[[TrialReport], float | None]) -> float | None:
        """The mean over all trials; None if one has no value, or there are no trials."""
        return mean_of(self.trials, value)

    @property
    def cost_usd(self) -> float | None:
        """Of all trials, without the judges; None if a price is unknown."""
        return _sum_costs(trial.cost_usd for trial in self.trials)

    @property
    def judge_usage(self) -> JudgeUsage:
        """What all judges took."""
        return sum((trial.judged for trial in self.trials), JudgeUsage())

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def _sum_costs(costs: Iterable[float | None]) -> float | None:
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def mean_of(
    trials: Sequence[TrialReport], value: Callable[[TrialReport], float | None]
) -> float | None:
    """The mean over these trials; None if one has no value, or there are no trials."""
    values = [value(trial) for trial in trials]
    known = [each for each in values if each is not None]
    if not known or len(known) < len(values):
        return None
    return fmean(known)


def make_trial_report(trial: Trial, verdicts: Sequence[Verdict], judged: JudgeUsage) -> TrialReport:
    totals = trial.totals
    timeline = Timeline()
    lines = [str(timeline.line(record)) for record in trial.records[:MAX_LINES]]
    if len(trial.records) > MAX_LINES:
        lines.append(f"… {len(trial.records) - MAX_LINES} more")
    return TrialReport(
        number=trial.number,
        thread_id=trial.thread_id,
        status=trial.status,
        answer=trial.answer[:MAX_ANSWER],
        verdicts=tuple(verdicts),
        steps=trial.steps,
        tool_calls=totals.tool_calls,
        input_tokens=trial.usage.input_tokens,
        output_tokens=trial.usage.output_tokens,
        cost_usd=totals.cost_usd,
        seconds=totals.seconds,
        # An error may quote a file name that is not UTF-8.
        error=trial.error.encode("utf8", "backslashreplace").decode(),
        judged=judged,
        lines=tuple(lines),
    )


def make_case_reports(
    dataset: Dataset, trials: Mapping[str, Sequence[TrialReport]]
) -> tuple[CaseReport, ...]:
    """One for each case, in the dataset's order.

    `trials` has the trials by the name of their case.
    """
    reports = []
    for case in dataset.cases:
        ordered = sorted(trials.get(case.name, ()), key=lambda trial: trial.number)
        reports.append(
            CaseReport(case.name, case.messages, tuple(ordered), tuple(case.tags), case.min_pass)
        )
    return tuple(reports)


def load_report(path: Path) -> Report:
    """The report in a file. Raises UsageError."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no report of treadle eval: {error}") from None
    if report.version != VERSION:
        raise UsageError(
            f"{path} was written as version {report.version}; this Treadle reads {VERSION}:"
            " make it anew"
        )
    return report
