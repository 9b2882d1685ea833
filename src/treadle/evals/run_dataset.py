"""Runs every case of a dataset, repeatedly and in parallel, each trial in a thread of its own.

1. A thread's name has dataset, run, case and number, so `treadle show` works on every trial.
2. An error ends its own trial and no other.
3. A run with the same name continues: finished trials are read, not paid for again; interrupted
   ones are resumed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from ..core.check_settings import check_whole_number
from ..core.errors import TreadleError, TurnFailed, UsageError
from ..core.raised import describe_raised
from ..models.known_secrets import redact_known
from ..runtime.agent import AnyAgent
from ..runtime.border import contain
from ..runtime.unpriced import refuse_unpriced
from ..runtime.world import World
from ..stores.open_store import open_store
from .checks import Judge, Status
from .conversation import choose_thread, read_records, run_conversation
from .dataset import NAME_PATTERN, Case, Dataset
from .grade import Verdict, grade, make_verdict
from .judge import ask_judge, make_judge
from .report import JudgeUsage, Report, TrialReport, make_case_reports, make_trial_report
from .trial import Trial


@dataclass(frozen=True)
class Run:
    """Dataset, agent and repetitions of one evaluation."""

    dataset: Dataset
    agent: AnyAgent
    _: KW_ONLY
    repeats: int = 1
    """How often each case runs."""
    jobs: int = 4
    """How many trials run at a time."""
    name: str = field(default_factory=World().new_id)
    """The same name continues the same run."""
    judge: str = ""
    """The judge's model, unless the check names one; "": the agent's own model."""
    deps: Any = None
    """As for Agent.run."""

    def __post_init__(self) -> None:
        check_whole_number("Run(repeats", self.repeats, 1)
        check_whole_number("Run(jobs", self.jobs, 1)
        if not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                f"a run's name has no spaces and no slash, and at most 80 characters: {self.name!r}"
            )
        store = open_store(self.agent.store)
        object.__setattr__(self, "agent", replace(self.agent, store=store))


@dataclass(frozen=True)
class Progress:
    """One finished trial, and how many trials are done."""

    case: str
    trial: TrialReport
    done: int
    total: int


def _ignore(progress: Progress) -> None:
    """The default listener."""


async def evaluate(run: Run, on_progress: Callable[[Progress], None] = _ignore) -> Report:
    """Run all trials and report them; `on_progress` is called after each one.

    If cancelled, the trials that are running end as cancelled. Raises UsageError for an agent whose
    settings are wrong, and if another run already has this name.
    """
    began_at = run.agent.world.now()
    run.agent.run_settings.refuse_uncarried()
    _refuse_unpriced_cases(run)
    judges = _make_judges(run)
    threads = await _choose_threads(run)
    slots = asyncio.Semaphore(run.jobs)
    finished: dict[str, list[TrialReport]] = {}
    done = 0

    async def run_one(case: Case, number: int) -> None:
        nonlocal done
        async with slots:
            trial = await _run_trial(run, case, number, threads[case.name, number])
            report = await _grade_trial(judges, case, trial)
        done += 1
        finished.setdefault(case.name, []).append(report)
        on_progress(Progress(case.name, report, done, len(threads)))

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(1, run.repeats + 1):
                for case in run.dataset.cases:
                    group.create_task(run_one(case, number))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return make_report(run, finished, began_at)


def make_report(run: Run, trials: Mapping[str, Sequence[TrialReport]], began_at: float) -> Report:
    """The report on these trials, by case; `began_at` is in seconds since the epoch."""
    return Report(
        dataset=run.dataset.name,
        run=run.name,
        agent=run.agent.run_settings.describe(),
        began_at=began_at,
        seconds=run.agent.world.now() - began_at,
        wanted_trials=run.repeats * len(run.dataset.cases),
        cases=make_case_reports(run.dataset, trials),
    )


def _agent_of(run: Run, case: Case) -> AnyAgent:
    if not case.limits:
        return run.agent
    return replace(run.agent, limits=replace(run.agent.limits, **case.limits))


def _refuse_unpriced_cases(run: Run) -> None:
    """Raise UsageError for a limit of dollars that can't hold, the agent's or a case's, before
    anything is paid."""
    refuse_unpriced(run.agent.run_settings)
    for case in run.dataset.cases:
        if case.limits.keys() & {"cost_usd", "unpriced"}:
            try:
                refuse_unpriced(_agent_of(run, case).run_settings)
            except UsageError as error:
                raise UsageError(f"case {case.name}: limits: {error}") from None


async def _choose_threads(run: Run) -> dict[tuple[str, int], str]:
    """The thread of each trial, chosen before the first one runs.

    A run that can't continue must cost nothing.
    """
    threads = {}
    for number in range(1, run.repeats + 1):
        for case in run.dataset.cases:
            name = f"eval/{run.dataset.name}/{run.name}/{case.name}/{number}"
            threads[case.name, number] = await choose_thread(run.agent, name, case)
    return threads


async def _run_trial(run: Run, case: Case, number: int, thread: str) -> Trial:
    agent = _agent_of(run, case)
    trial = Trial(case.name, number, thread, "failed")
    try:
        result = await contain(run_conversation(agent, thread, case, run.deps), "code of the agent")
        trial = replace(
            trial,
            status=result.status,
            answer=result.answer,
            reason=result.reason,
            output=result.find_output(),
        )
    except TurnFailed as error:
        # The agent's own failure: its model's replies were useless.
        trial = replace(trial, reason=str(error))
    except TreadleError as error:
        trial = replace(trial, error=str(error))
    except Exception as error:
        # A bug in the user's model or listener: it must fail this trial only.
        trial = replace(trial, error=redact_known(describe_raised(error)))
    return replace(trial, records=await read_records(agent, thread))


def _make_judges(run: Run) -> dict[str, AnyAgent]:
    """The judges, by the models that checks name.

    Raises UsageError for a wrong one, before anything runs.
    """
    checks = [check for case in run.dataset.cases for check in case.checks]
    models = {check.model for check in checks if isinstance(check, Judge)}
    judges = {model: make_judge(run.agent, model or run.judge) for model in sorted(models)}
    for judge in judges.values():
        refuse_unpriced(judge.run_settings)
    return judges


async def _grade_trial(judges: Mapping[str, AnyAgent], case: Case, trial: Trial) -> TrialReport:
    """The trial with its verdicts.

    A judge is asked only if the turn ended with the expected status.
    """
    checks = list(case.checks)
    if not any(isinstance(check, Status) for check in checks):
        checks.insert(0, Status("answered"))
    ended_well = all(grade(check, trial).passed for check in checks if isinstance(check, Status))
    verdicts: list[Verdict] = []
    judged = JudgeUsage()
    for check in checks:
        if not isinstance(check, Judge):
            verdicts.append(grade(check, trial))
        elif not ended_well:
            why = "not judged: the turn didn't end as it should"
            verdicts.append(make_verdict(check, False, why))
        else:
            verdict, usage = await ask_judge(check, trial, case, judges[check.model])
            verdicts.append(verdict)
            judged += usage
    return make_trial_report(trial, verdicts, judged)
