"""What came of a run, as data: the form in which it is kept, compared and shown. Pure.

The JSON is this file's structs; `version` changes when a meaning does. A baseline is such a file.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..observe.timeline import Timeline
from .dataset import Dataset
from .grade import Verdict, failed_verdicts
from .statistics import Interval, pass_rate_interval
from .trial import Trial

VERSION = 1
MAX_ANSWER = 20_000
"""Characters that are kept of an answer; the thread has it all."""
MAX_LINES = 200
"""Of a thread."""


class JudgeUsage(msgspec.Struct, frozen=True):
    """What the judges of a trial took. It is no part of what the agent took."""

    tokens: int = 0
    cost_usd: float | None = 0.0


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
    """None where no price is known."""
    seconds: float
    """Of work."""
    error: str = ""
    """What it raised, e.g. what the provider said."""
    judged: JudgeUsage = JudgeUsage()
    lines: tuple[str, ...] = ()
    """The thread, a line a record."""

    @property
    def passed(self) -> bool:
        return not failed_verdicts(self.verdicts)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class CaseReport(msgspec.Struct, frozen=True):
    name: str
    messages: tuple[str, ...]
    trials: tuple[TrialReport, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def passes(self) -> int:
        return sum(trial.passed for trial in self.trials)

    @property
    def first_failure(self) -> tuple[TrialReport, Verdict] | None:
        """The first trial that failed and the first check that it failed."""
        for trial in self.trials:
            if not trial.passed:
                return trial, failed_verdicts(trial.verdicts)[0]
        return None


class Report(msgspec.Struct, frozen=True):
    """A whole run, or as much of it as was done."""

    dataset: str
    run: str
    agent: e.Identity
    """Its name, its model, and hashes of its instructions and tools."""
    began_at: float
    """Seconds since the epoch, UTC."""
    seconds: float
    """From the beginning to the end."""
    wanted_trials: int
    """More than there are where it was stopped."""
    cases: tuple[CaseReport, ...]
    version: int = VERSION

    @property
    def trials(self) -> list[TrialReport]:
        return [trial for case in self.cases for trial in case.trials]

    @property
    def passes(self) -> int:
        return sum(trial.passed for trial in self.trials)

    @property
    def pass_rate(self) -> float:
        """0 of none."""
        return self.passes / len(self.trials) if self.trials else 0.0

    @property
    def errors(self) -> int:
        """Trials that raised: what failed may not have been the agent."""
        return sum(bool(trial.error) for trial in self.trials)

    @property
    def pass_interval(self) -> Interval:
        """Of the pass rate, 95%."""
        return pass_rate_interval(
            [(case.passes, len(case.trials)) for case in self.cases if case.trials]
        )

    @property
    def passed(self) -> bool:
        """All of the trials were run and passed."""
        return len(self.trials) == self.wanted_trials == self.passes

    def mean(self, of: Callable[[TrialReport], float | None]) -> float | None:
        """Over all trials; None where one has no number, or there are none."""
        return mean_of(self.trials, of)

    @property
    def cost_usd(self) -> float | None:
        """Of all trials, without the judges."""
        costs = [trial.cost_usd for trial in self.trials]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    @property
    def judged(self) -> JudgeUsage:
        costs = [trial.judged.cost_usd for trial in self.trials]
        total = None if None in costs else sum(cost for cost in costs if cost is not None)
        return JudgeUsage(sum(trial.judged.tokens for trial in self.trials), total)

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def mean_of(
    trials: Sequence[TrialReport], of: Callable[[TrialReport], float | None]
) -> float | None:
    numbers = [number for trial in trials if (number := of(trial)) is not None]
    return fmean(numbers) if numbers and len(numbers) == len(trials) else None


def make_trial_report(trial: Trial, verdicts: Sequence[Verdict], judged: JudgeUsage) -> TrialReport:
    """What is kept of a trial."""
    took, usage, timeline = trial.took, trial.usage, Timeline()
    lines = [str(timeline.line(record)) for record in trial.records[:MAX_LINES]]
    left_out = len(trial.records) - len(lines)
    return TrialReport(
        number=trial.number,
        thread_id=trial.thread_id,
        status=trial.status,
        answer=trial.answer[:MAX_ANSWER],
        verdicts=tuple(verdicts),
        steps=trial.steps,
        tool_calls=took.tool_calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=took.cost_usd,
        seconds=took.seconds,
        error=trial.error.encode("utf8", "backslashreplace").decode(),  # of a file's name, perhaps
        judged=judged,
        lines=(*lines, *([f"… {left_out} more"] if left_out else [])),
    )


def make_case_reports(
    dataset: Dataset, done: Mapping[str, Sequence[TrialReport]]
) -> tuple[CaseReport, ...]:
    """By case, in the dataset's order, each case's trials by number; `done` has the trials by the case's name."""
    return tuple(
        CaseReport(
            case.name,
            case.messages,
            tuple(sorted(done.get(case.name, ()), key=lambda trial: trial.number)),
            tuple(case.tags),
        )
        for case in dataset.cases
    )


def load_report(path: Path) -> Report:
    """The report that a file holds. Raises UsageError."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no report of treadle eval: {error}") from None
    if report.version != VERSION:
        raise UsageError(
            f"{path} was written as version {report.version}; this Treadle reads {VERSION}: make it anew"
        )
    return report
