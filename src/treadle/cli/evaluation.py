"""`treadle eval`: a dataset is run, shown as it runs, reported, compared. Its exit code is for CI."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from ..evals.baseline import Comparison, against
from ..evals.dataset import Dataset
from ..evals.report import Report, TrialReport, report_of
from ..observe.visible import visible
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from .agents import agent_of
from .atomic_file import refuse_unwritable, whole_file
from .eval_options import Eval
from .session import FAILED, INTERRUPTED, second_interrupt_quits
from .terminal import Screen, put, put_json, showing_warnings

JOBS = 4


def evaluate(settings: Eval) -> int:
    """Run a dataset of cases, and report how many passed and what they took."""
    from ..evals.files import dataset_of

    dataset = dataset_of(settings.file).only(settings.tag or (), settings.case or ())
    agent = agent_of(replace(settings, agent=settings.agent or dataset.agent or None), False)
    before = report_of(settings.against) if settings.against else None
    if settings.dry_run:
        return _estimate(settings, dataset, agent, before)
    for path in filter(None, (settings.html, settings.save_baseline)):
        refuse_unwritable(path)
    report, stopped = _ran(settings, dataset, agent)
    found = against(before, report) if before else None
    _shown(settings, report, found)
    _kept(settings, report, found, stopped)
    if stopped:
        return INTERRUPTED
    few = len(report.trials) < report.wanted_trials or report.pass_rate < settings.min_pass
    return FAILED if few or (found and found.regressions) else 0


def _estimate(settings: Eval, dataset: Dataset, agent: Agent, before: Report | None) -> int:
    from ..evals.estimate import estimate
    from ..evals.text_report import estimated

    found = estimate(dataset, agent, settings.repeats, before)
    if settings.json:
        put_json(msgspec.json.encode(found))
    else:
        put(visible(estimated(found, len(dataset.cases), agent.job.model.name)))
    return 0


def _ran(settings: Eval, dataset: Dataset, agent: Agent) -> tuple[Report, bool]:
    """The report, and whether Ctrl-C has stopped the run: then it is of what was done."""
    from ..evals.format import counted
    from ..evals.run_dataset import Progress, Run, evaluate, report
    from ..evals.text_report import trial_line
    from .loading import load

    screen = Screen()
    agent = load(agent, screen)
    jobs = settings.jobs or (1 if agent.job.model.name.partition(":")[0] == "local" else JOBS)
    named = {"name": settings.run} if settings.run else {}
    run = Run(
        dataset, agent, repeats=settings.repeats, jobs=jobs, judge=settings.judge or "", **named
    )
    done: dict[str, list[TrialReport]] = {}

    def told(progress: Progress) -> None:
        done.setdefault(progress.case, []).append(progress.trial)
        if not settings.quiet and not (screen.live and progress.trial.passed):
            screen.note(
                visible(trial_line(progress.case, progress.trial)),
                "" if progress.trial.passed else "yellow",
            )
        screen.notice(f"{progress.done} of {progress.total}")

    began_at = agent.world.now()
    if not settings.quiet:
        screen.note(
            f"run {visible(run.name)}: {counted(len(dataset.cases), 'case')}, {settings.repeats} of each",
            "dim",
        )
    try:
        with second_interrupt_quits(), showing_warnings(screen):
            found, stopped = run_sync(evaluate(run, told)), False
    except KeyboardInterrupt:
        screen.interrupted()
        found, stopped = report(run, done, began_at), True
    screen.end_line()
    return found, stopped


def _shown(settings: Eval, report: Report, found: Comparison | None) -> None:
    from ..evals.text_report import text

    if not settings.json:
        put(visible(text(report, found)))
        return
    compared = msgspec.to_builtins(found)
    if found:
        compared["regressions"] = [change.name for change in found.regressions]
    put_json(msgspec.json.encode(msgspec.to_builtins(report) | {"comparison": compared}))


def _kept(settings: Eval, report: Report, found: Comparison | None, stopped: bool) -> None:
    screen, notes = Screen(), []
    if settings.html:
        from ..evals.html_report import page

        with whole_file(settings.html) as out:
            out.write(page(report, found).encode())
        notes.append(f"the page: {settings.html}")
    if settings.save_baseline and stopped:
        notes.append("no baseline was kept: the run was stopped")
    elif settings.save_baseline:
        with whole_file(settings.save_baseline) as out:
            out.write(report.to_json())
        notes.append(f"the baseline: {settings.save_baseline}")
    if stopped:
        notes.append(f"go on with it: the same command with --run {report.run}")
    elif failed := _failed(report):
        notes.append(f"look at a failure: treadle show {failed[0]}")
    for note in notes:
        screen.note(visible(note), "dim")


def _failed(report: Report) -> Sequence[str]:
    return [trial.thread_id for trial in report.trials if not trial.passed]
