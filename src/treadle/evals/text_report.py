"""A report in lines of text. Pure. It holds what models said: whoever shows it on a terminal makes it safe first."""

from collections.abc import Sequence

from .baseline import Change, Comparison
from .estimate import CALL_TOKENS, OUTPUT_TOKENS, Estimate
from .format import (
    describe_change,
    format_change,
    format_cost,
    format_count,
    format_number,
    format_percent,
)
from .grade import Verdict
from .report import CaseReport, Report, TrialReport, mean_of

WIDTH = 76
"""Characters of a failure in its line."""
METRIC_NAMES = {
    "success": "success",
    "steps": "steps",
    "tokens": "tokens",
    "cost_usd": "cost",
    "seconds": "seconds",
}
NAME_WIDTH = 40


def render_text(report: Report, comparison: Comparison | None = None) -> str:
    """The table by case, the totals, and what has changed since the baseline."""
    parts = ["\n".join(_table(report.cases)), "\n".join(_totals(report))]
    return "\n\n".join(parts + ([render_comparison(comparison)] if comparison else []))


def render_comparison(found: Comparison) -> str:
    """What has changed since the baseline, a line for each number."""
    rows = [["mean a case", "was", "is", "change", "p", ""]]
    rows += [_change(change) for change in found.changes]
    lines = [f"against the baseline, {found.compared} cases:", *_columns(rows, left=(0, 5))]
    lines += [f"the agent: {'; '.join(found.agent) or 'the same'}", *found.left_out]
    if not found.changes:
        lines.append("nothing can be compared: no case is in both, with the same input")
    return "\n".join(lines)


def render_estimate(found: Estimate, cases: int, model: str) -> str:
    """What a run would take, and how that was worked out."""
    price = (
        "no price is known" if found.cost_usd is None else f"about {format_cost(found.cost_usd)}"
    )
    lines = [
        f"an estimate for {format_count(found.trials, 'trial')} of {format_count(cases, 'case')} with {model}; none was run",
        f"about {format_count(round(found.steps), 'model call')}, {found.usage.input_tokens:,} tokens in and"
        f" {found.usage.output_tokens:,} out, {price}",
    ]
    if found.judge_calls:
        lines.append(
            f"and {format_count(found.judge_calls, 'request')} to judges, whose tokens are not in that"
        )
    if found.measured:
        lines.append(
            f"how: the means of the baseline's trials, for {found.measured} of {format_count(cases, 'case')}"
            + ("; the others are taken to be like them" if found.measured < cases else "")
        )
    else:
        lines.append(
            "how: each case's first prompt as it would be sent, at 3.5 bytes a token; a step for each tool call that"
            f" its checks want, and one for the answer; {OUTPUT_TOKENS} tokens written a step, {CALL_TOKENS} read for"
            " each result. A baseline's real numbers (--against) are better"
        )
    return "\n".join(lines)


def format_trial(case: str, trial: TrialReport) -> str:
    """One trial, as it ends."""
    failed = next((f": {format_failure(each)}" for each in trial.verdicts if not each.passed), "")
    took = f"{format_count(trial.steps, 'step')}, {format_number(trial.tokens)} tokens, {trial.seconds:.1f} s"
    return f"{'✗' if failed else '✓'} {case} {trial.number}{failed} ({took})"


def format_failure(verdict: Verdict) -> str:
    """Which check failed and why, in one line."""
    line = " ".join(f"{verdict.check}: {verdict.why}".split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _table(cases: Sequence[CaseReport]) -> list[str]:
    rows = [["case", "passed", "steps", "tokens", "cost", "seconds", ""]]
    for case in (
        case for case in cases if case.trials
    ):  # a run that was stopped has not begun them all
        trials, failure = case.trials, case.first_failure
        rows.append(
            [
                f"{'✗' if failure else '✓'} {_name(case.name)}",
                f"{case.passes}/{len(trials)}",
                format_number(mean_of(trials, lambda trial: trial.steps)),
                format_number(mean_of(trials, lambda trial: trial.tokens)),
                format_cost(mean_of(trials, lambda trial: trial.cost_usd)),
                format_number(mean_of(trials, lambda trial: trial.seconds)),
                format_failure(failure[1]) if failure else "",
            ]
        )
    return _columns(rows, left=(0, 6))


def _totals(report: Report) -> list[str]:
    trials = report.trials
    if not trials:
        return ["no trial was run"]
    rate, (low, high) = format_percent(report.pass_rate), report.pass_interval
    lines = [
        f"{report.passes} of {format_count(len(trials), 'trial')} passed: {rate}, 95% interval {format_percent(low)} to"
        f" {format_percent(high)}",
        f"a trial took {format_number(report.mean(lambda trial: trial.steps))} steps,"
        f" {format_number(report.mean(lambda trial: trial.tokens))} tokens, {format_cost(report.mean(lambda trial: trial.cost_usd))},"
        f" {format_number(report.mean(lambda trial: trial.seconds))} s; in all {format_cost(report.cost_usd)}",
    ]
    judged = report.judged
    if judged.tokens:
        lines.append(
            f"the judges took {judged.tokens:,} tokens more, {format_cost(judged.cost_usd)}"
        )
    if report.errors:
        lines.append(
            f"{format_count(report.errors, 'trial')} raised an error: what failed may not have been the agent"
        )
    if len(trials) < report.wanted_trials:
        lines.append(
            f"the run was stopped: {len(trials)} of {report.wanted_trials} trials are done"
        )
    return lines


def _change(change: Change) -> list[str]:
    show = {"success": format_percent, "cost_usd": format_cost}.get(change.name, format_number)
    said = describe_change(change)
    if said == "worse":
        said = f"WORSE, most of all {', '.join(_name(each.case) for each in change.cases[:3])}"
    p = "" if change.name == "seconds" else f"{change.p:.2g}"
    return [
        METRIC_NAMES[change.name],
        show(change.before),
        show(change.now),
        format_change(change),
        p,
        said,
    ]


def _name(case: str) -> str:
    return case if len(case) <= NAME_WIDTH else f"{case[: NAME_WIDTH - 1]}…"


def _columns(rows: Sequence[Sequence[str]], left: tuple[int, ...]) -> list[str]:
    """The rows in columns; those that aren't named `left` are numbers and stand on the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    widths[-1] = 0
    lines = []
    for row in rows:
        cells = (
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines
