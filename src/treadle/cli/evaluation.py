"""`treadle eval`: a dataset is run, shown as it runs, reported, compared. Its exit code is for CI."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace

import msgspec

from ..evals.baseline import Comparison, compare_reports
from ..evals.dataset import Dataset
from ..evals.report import Report, TrialReport, load_report
from ..observe.visible import make_visible
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from .agents import make_agent
from .atomic_file import require_writable, write_atomically
from .eval_options import Eval
from .session import FAILED, INTERRUPTED, quit_on_second_interrupt
from .terminal import Screen, print_json, print_line, showing_warnings

JOBS = 4


def evaluate(settings: Eval) -> int:
    """Run a dataset of cases, and report how many passed and what they took."""
    from ..evals.files import load_dataset

    with redirect_stdout(sys.stderr):  # standard output is for the report
        dataset = load_dataset(settings.file)
    dataset = dataset.only(settings.tag or (), settings.case or ())
    agent = make_agent(replace(settings, agent=settings.agent or dataset.agent or None), False)
    before = load_report(settings.against) if settings.against else None
    if settings.dry_run:
        return _estimate(settings, dataset, agent, before)
    for path in filter(None, (settings.html, settings.save_baseline)):
        require_writable(path)
    report, stopped = _ran(settings, dataset, agent)
    found = compare_reports(before, report) if before else None
    _shown(settings, report, found)
    _kept(settings, report, found, stopped)
    if stopped:
        return INTERRUPTED
    few = len(report.trials) < report.wanted_trials or report.pass_rate < settings.min_pass
    return FAILED if few or (found and found.regressions) else 0


def _estimate(settings: Eval, dataset: Dataset, agent: Agent, before: Report | None) -> int:
    from ..evals.estimate import estimate
    from ..evals.text_report import render_estimate

    found = estimate(dataset, agent, settings.repeats, before)
    if settings.json:
        print_json(msgspec.json.encode(found))
    else:
        print_line(
            make_visible(render_estimate(found, len(dataset.cases), agent.run_settings.model.name))
        )
    return 0


def _ran(settings: Eval, dataset: Dataset, agent: Agent) -> tuple[Report, bool]:
    """The report, and whether Ctrl-C has stopped the run: then it is of what was done."""
    from ..evals.format import format_count
    from ..evals.run_dataset import Progress, Run, evaluate, make_report
    from ..evals.text_report import format_trial
    from .loading import load_model

    screen = Screen()
    agent = load_model(agent, screen)
    jobs = settings.jobs or (
        1 if agent.run_settings.model.name.partition(":")[0] == "local" else JOBS
    )
    named = {"name": settings.run} if settings.run else {}
    run = Run(
        dataset, agent, repeats=settings.repeats, jobs=jobs, judge=settings.judge or "", **named
    )
    done: dict[str, list[TrialReport]] = {}

    def told(progress: Progress) -> None:
        done.setdefault(progress.case, []).append(progress.trial)
        if not settings.quiet and not (screen.live and progress.trial.passed):
            screen.note(
                make_visible(format_trial(progress.case, progress.trial)),
                "" if progress.trial.passed else "yellow",
            )
        screen.notice(f"{progress.done} of {progress.total}")

    began_at = agent.world.now()
    if not settings.quiet:
        screen.note(
            f"run {make_visible(run.name)}: {format_count(len(dataset.cases), 'case')}, {settings.repeats} of each",
            "dim",
        )
    try:
        with quit_on_second_interrupt(), showing_warnings(screen):
            found, stopped = run_sync(evaluate(run, told)), False
    except KeyboardInterrupt:
        screen.interrupted()
        found, stopped = make_report(run, done, began_at), True
    screen.end_line()
    return found, stopped


def _shown(settings: Eval, report: Report, found: Comparison | None) -> None:
    from ..evals.text_report import render_text

    if not settings.json:
        print_line(make_visible(render_text(report, found)))
        return
    compared = msgspec.to_builtins(found)
    if found:
        compared["regressions"] = [change.name for change in found.regressions]
    print_json(msgspec.json.encode(msgspec.to_builtins(report) | {"comparison": compared}))


def _kept(settings: Eval, report: Report, found: Comparison | None, stopped: bool) -> None:
    screen, notes = Screen(), []
    if settings.html:
        from ..evals.html_report import render_html

        with write_atomically(settings.html) as out:
            out.write(render_html(report, found).encode())
        notes.append(f"the page: {settings.html}")
    if settings.save_baseline and stopped:
        notes.append("no baseline was kept: the run was stopped")
    elif settings.save_baseline:
        with write_atomically(settings.save_baseline) as out:
            out.write(report.to_json())
        notes.append(f"the baseline: {settings.save_baseline}")
    if stopped:
        notes.append(f"go on with it: the same command with --run {report.run}")
    elif failed := _failed(report):
        notes.append(f"look at a failure: treadle show {failed[0]}")
    for note in notes:
        screen.note(make_visible(note), "dim")


def _failed(report: Report) -> Sequence[str]:
    return [trial.thread_id for trial in report.trials if not trial.passed]
