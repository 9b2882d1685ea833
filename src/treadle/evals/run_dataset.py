"""A run: every case of a dataset, so many times each, so many at a time. Each has a thread of its own in the store.

1. A thread's name says dataset, run, case and number, so `treadle show` works on any trial.
2. What one trial raises ends that trial and no other.
3. The same run's name again goes on: what has ended is read, not paid for again; what was cut short goes on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from ..core.errors import TreadleError, TurnFailed, UsageError
from ..runtime.agent import Agent
from ..runtime.world import World
from ..stores.sqlite import SQLiteStore
from .checks import Judge, Status
from .conversation import choose_thread, read_records, run_conversation
from .dataset import NAME_PATTERN, Case, Dataset
from .grade import Verdict, describe_check, grade
from .judge import ask_judge, make_judge
from .report import JudgeUsage, Report, TrialReport, make_case_reports, make_trial_report
from .trial import Trial


@dataclass(frozen=True)
class Run:
    """What is tried on what, and how often."""

    dataset: Dataset
    agent: Agent
    _: KW_ONLY
    repeats: int = 1
    """How often each case runs."""
    jobs: int = 4
    """How many run at a time."""
    name: str = field(default_factory=World().new_id)
    """The same name goes on with the same run."""
    judge: str = ""
    """The model that judges, where a check names none; "": the agent's own."""
    deps: Any = None
    """As for Agent.run."""

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.jobs < 1:
            raise UsageError(f"repeats={self.repeats} and jobs={self.jobs} must each be at least 1")
        if not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                f"a run's name has no spaces and no slash, and at most 80 characters: {self.name!r}"
            )
        if self.agent.store is None:
            object.__setattr__(self, "agent", replace(self.agent, store=SQLiteStore()))


@dataclass(frozen=True)
class Progress:
    """Told whenever a trial is done."""

    case: str
    trial: TrialReport
    done: int
    total: int


async def evaluate(run: Run, told: Callable[[Progress], None] = lambda progress: None) -> Report:
    """Run it all. Cancelling it ends the trials under way as cancelled; those that were told are done.

    Raises UsageError for an agent whose settings can't be, and for a run of that name that was another.
    """
    began_at = run.agent.world.now()
    run.agent.run_settings.refuse_unpriced()
    judges = _judges(run)
    threads = await _threads(run)
    slots = asyncio.Semaphore(run.jobs)
    trials: dict[str, list[TrialReport]] = {}
    count = 0

    async def one(case: Case, number: int) -> None:
        nonlocal count
        async with slots:
            done = await _graded(
                judges, case, await _tried(run, case, number, threads[case.name, number])
            )
        count += 1
        trials.setdefault(case.name, []).append(done)
        told(Progress(case.name, done, count, len(threads)))

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(1, run.repeats + 1):
                for case in run.dataset.cases:
                    group.create_task(one(case, number))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return make_report(run, trials, began_at)


def make_report(run: Run, trials: Mapping[str, Sequence[TrialReport]], began_at: float) -> Report:
    """Of the trials that are done, by case, in a run that began then (seconds since the epoch)."""
    return Report(
        dataset=run.dataset.name,
        run=run.name,
        agent=run.agent.run_settings.identity(run.agent.name),
        began_at=began_at,
        seconds=run.agent.world.now() - began_at,
        wanted_trials=run.repeats * len(run.dataset.cases),
        cases=make_case_reports(run.dataset, trials),
    )


async def _threads(run: Run) -> dict[tuple[str, int], str]:
    """The name of each trial's thread. All are looked at first, so that a run that can't go on costs nothing."""
    found = {}
    for number in range(1, run.repeats + 1):
        for case in run.dataset.cases:
            name = f"eval/{run.dataset.name}/{run.name}/{case.name}/{number}"
            found[case.name, number] = await choose_thread(run.agent, name, case)
    return found


async def _tried(run: Run, case: Case, number: int, thread: str) -> Trial:
    agent = replace(run.agent, limits=replace(run.agent.limits, **case.limits))
    try:
        done = await run_conversation(agent, thread, case, run.deps)
    except TurnFailed as error:  # the agent's own: its replies were no use
        return Trial(
            case.name, number, thread, "failed", "", await read_records(agent, thread), str(error)
        )
    except TreadleError as error:
        return Trial(
            case.name,
            number,
            thread,
            "failed",
            "",
            await read_records(agent, thread),
            "",
            str(error),
        )
    except (
        Exception
    ) as error:  # a bug in the user's model or listener: this trial's, not the others'
        said = f"{type(error).__name__}: {error}"
        return Trial(
            case.name, number, thread, "failed", "", await read_records(agent, thread), "", said
        )
    past = await read_records(agent, thread)
    return Trial(
        case.name, number, thread, done.status, done.answer, past, done.reason, "", done.output
    )


def _judges(run: Run) -> dict[str, Agent]:
    """Who judges, by the model that a check names. Raises UsageError for one that can't be had: nothing has run yet."""
    wanted = {
        check.model
        for case in run.dataset.cases
        for check in case.checks
        if isinstance(check, Judge)
    }
    judges = {model: make_judge(run.agent, model or run.judge) for model in sorted(wanted)}
    for judge in judges.values():
        judge.run_settings.refuse_unpriced()
    return judges


async def _graded(judges: Mapping[str, Agent], case: Case, trial: Trial) -> TrialReport:
    """The trial with what each check says; a judge is only asked about a turn that ended as it should."""
    checks = list(case.checks)
    if not any(isinstance(check, Status) for check in checks):
        checks.insert(0, Status("answered"))
    ended = all(grade(check, trial).passed for check in checks if isinstance(check, Status))
    verdicts, took = [], JudgeUsage()
    for check in checks:
        if not isinstance(check, Judge):
            verdicts.append(grade(check, trial))
        elif not ended:
            verdicts.append(
                Verdict(
                    describe_check(check), False, "not judged: the turn didn't end as it should"
                )
            )
        else:
            said, cost = await ask_judge(check, trial, case, judges[check.model])
            verdicts.append(said)
            prices = (took.cost_usd, cost.cost_usd)
            total = None if None in prices else sum(price for price in prices if price is not None)
            took = JudgeUsage(took.tokens + cost.tokens, total)
    return make_trial_report(trial, verdicts, took)
