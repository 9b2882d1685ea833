"""`treadle eval`.

Runs a dataset, reports it, compares it with a baseline. The exit code is for CI.
"""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from ..core.visible import make_visible, visible_command
from ..evals.baseline import Comparison, compare_reports
from ..evals.dataset import Dataset
from ..evals.report import Report, TrialReport, load_report
from ..observe.amounts import format_count
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from .agents import make_agent
from .atomic_file import require_writable, write_atomically
from .ending import ANSWERED, FAILED
from .load_model import load_model
from .options import AgentOptions
from .parameters import make_argument, make_flag, make_option
from .signals import INTERRUPTED, TERMINATED, Terminated, handling_signals, let_go
from .terminal import Screen, print_as_json, print_line, showing_warnings

JOBS = 4

_WHAT = "What is run"
_OUTPUT = "Output"
_what_option = partial(make_option, panel=_WHAT)
_baseline_option = partial(make_option, panel="Baselines")


@dataclass(frozen=True, kw_only=True)
class EvalOptions(AgentOptions):
    file: str = make_argument("FILE", "A dataset: .yaml, .json, .jsonl, or path/file.py:name.")
    repeats: int = _what_option("N", "How often each case runs.", 1, short="-n", min=1)
    jobs: int | None = _what_option(
        "N", "Trials at a time; default 4, or 1 for the embedded model.", short="-j", min=1
    )
    tag: list[str] | None = _what_option("TAG", "Only cases with this tag; may be repeated.")
    case: list[str] | None = _what_option("GLOB", "Only cases whose name matches; may be repeated.")
    judge: str | None = _what_option("MODEL", "The model of judges; default: the agent's own.")
    run: str | None = _what_option(
        "NAME", "The run's name; the same name continues it, and pays for nothing twice."
    )
    dry_run: bool = make_flag("Estimate tokens and cost without a request.", panel=_WHAT)
    html: Path | None = make_option("FILE", "Write the report as one HTML page.", panel=_OUTPUT)
    json: bool = make_flag("The report as JSON, instead of the table.", panel=_OUTPUT)
    quiet: bool = make_flag("Don't show trials as they end.", short="-q", panel=_OUTPUT)
    save_baseline: Path | None = _baseline_option("FILE", "Save the report, to compare with later.")
    against: Path | None = _baseline_option(
        "FILE", "Compare with this report; exit 1 if something got worse."
    )
    min_pass: float = _baseline_option(
        "RATE",
        "Exit 1 below this pass rate; a case with a `min_pass` of its own has that one.",
        1.0,
        min=0.0,
        max=1.0,
    )


def evaluate(settings: EvalOptions) -> int:
    """Run a dataset: how many cases pass, what they take, what got worse since a baseline."""
    from ..evals.dataset_files import load_dataset

    with redirect_stdout(sys.stderr):  # standard output is for the report
        dataset = load_dataset(settings.file)
    dataset = dataset.only(settings.tag or (), settings.case or ())
    place = settings.agent or dataset.agent or None
    agent = make_agent(replace(settings, agent=place), False)
    baseline = load_report(settings.against) if settings.against else None
    if settings.dry_run:
        return _estimate(settings, dataset, agent, baseline)
    _require_outputs(settings)
    report, stopped = _run(settings, dataset, agent)
    comparison = compare_reports(baseline, report) if baseline else None
    _print_report(settings, report, comparison)
    _save(settings, report, comparison, stopped)
    if stopped:
        return INTERRUPTED
    if comparison and comparison.regressions:
        return FAILED
    return FAILED if report.shortfalls(settings.min_pass) else ANSWERED


def _require_outputs(settings: EvalOptions) -> None:
    """Raise UsageError for what can't be written at the end, before anything is paid for."""
    for path in (settings.html, settings.save_baseline):
        if path:
            require_writable(path)
    if settings.html:
        from ..evals.html_report import require_jinja

        require_jinja()


def _estimate(
    settings: EvalOptions, dataset: Dataset, agent: Agent, baseline: Report | None
) -> int:
    from ..evals.estimate import estimate
    from ..evals.text_report import render_estimate

    found = estimate(dataset, agent, settings.repeats, baseline)
    if settings.json:
        print_as_json(found)
    else:
        text = render_estimate(found, len(dataset.cases), agent.run_settings.model.name)
        print_line(make_visible(text))
    return ANSWERED


def _run(settings: EvalOptions, dataset: Dataset, agent: Agent) -> tuple[Report, bool]:
    """The report, and whether Ctrl-C stopped the run; then it has the finished trials."""
    from ..evals.run_dataset import Progress, Run, evaluate, make_report
    from ..evals.text_report import format_trial

    screen = Screen()
    agent = load_model(agent, screen)
    is_embedded = agent.run_settings.model.name.partition(":")[0] == "local"
    run = Run(
        dataset,
        agent,
        repeats=settings.repeats,
        jobs=settings.jobs or (1 if is_embedded else JOBS),
        judge=settings.judge or "",
    )
    if settings.run:
        run = replace(run, name=settings.run)
    finished: dict[str, list[TrialReport]] = {}

    def on_progress(progress: Progress) -> None:
        trial = progress.trial
        finished.setdefault(progress.case, []).append(trial)
        line = make_visible(format_trial(progress.case, trial))
        if trial.outcome != "passed" and not settings.quiet:
            screen.note(line, "yellow")
        elif not settings.quiet and not screen.live:
            screen.note(line)
        screen.notice(f"{progress.done} of {progress.total}")

    began_at = agent.world.now()
    if not settings.quiet:
        cases = format_count(len(dataset.cases), "case")
        name = make_visible(run.name)
        screen.note(f"run {name}: {cases}, {settings.repeats} of each", "dim")
    stopped = False
    try:
        with handling_signals(), showing_warnings(screen):
            report = run_sync(evaluate(run, on_progress))
    except KeyboardInterrupt:
        screen.interrupted()
        report = make_report(run, finished, began_at)
        stopped = True
    except Terminated:
        let_go()
        raise SystemExit(TERMINATED) from None
    screen.end_line()
    return report, stopped


def _print_report(settings: EvalOptions, report: Report, comparison: Comparison | None) -> None:
    from ..evals.text_report import render_text

    if not settings.json:
        print_line(make_visible(render_text(report, comparison)))
        return
    compared = msgspec.to_builtins(comparison)
    if comparison:
        compared["regressions"] = [change.name for change in comparison.regressions]
    print_as_json(msgspec.to_builtins(report) | {"comparison": compared})


def _save(
    settings: EvalOptions, report: Report, comparison: Comparison | None, stopped: bool
) -> None:
    """Write the page and the baseline, and say what to do next."""
    notes: list[str] = []
    if settings.html:
        from ..evals.html_report import render_html

        with write_atomically(settings.html) as out:
            out.write(render_html(report, comparison).encode())
        notes.append(f"the page: {settings.html}")
    if settings.save_baseline and stopped:
        notes.append("no baseline was kept: the run was stopped")
    elif settings.save_baseline:
        with write_atomically(settings.save_baseline) as out:
            out.write(report.to_json())
        notes.append(f"the baseline: {settings.save_baseline}")
    notes += [f"missed: {shortfall}" for shortfall in report.shortfalls(settings.min_pass)]
    failed = [trial.thread_id for trial in report.trials if trial.outcome == "failed"]
    if stopped:
        notes.append(f"go on with it: the same command with --run {report.run}")
    elif len(report.judged) < len(report.trials):
        notes.append(f"ask the judges again: the same command with --run {report.run}")
    if failed and not stopped:
        notes.append(f"look at a failure: {visible_command(['treadle', 'show', failed[0]])}")
    screen = Screen()
    for note in notes:
        screen.note(make_visible(note), "dim")
