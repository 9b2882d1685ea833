"""Renders a report as lines of text.

Pure. It quotes models, so it must be made visible before it is shown.
"""

from collections.abc import Sequence

from ..observe.amounts import format_cost, format_count, format_seconds
from ..observe.columns import format_columns
from ..observe.short_text import shorten
from .baseline import Change, Comparison
from .estimate import CALL_TOKENS, OUTPUT_TOKENS, Estimate
from .format import (
    METRIC_NAMES,
    describe_change,
    describe_repeats,
    describe_unjudged,
    format_change,
    format_metric,
    format_number,
    format_percent,
)
from .grade import Verdict
from .report import CaseReport, Outcome, Report, TrialReport, mean_of

WIDTH = 76
"""Characters of a failure in its line."""
NAME_WIDTH = 40
MARKS: dict[Outcome, str] = {"passed": "✓", "failed": "✗", "unjudged": "?"}


def render_text(report: Report, comparison: Comparison | None = None) -> str:
    """The table of cases, the totals, and the comparison with the baseline."""
    parts = [_render_cases(report.cases), "\n".join(_describe_totals(report))]
    if comparison:
        parts.append(render_comparison(comparison))
    return "\n\n".join(parts)


def render_comparison(comparison: Comparison) -> str:
    """The comparison with the baseline, a line for each metric."""
    rows: list[tuple[str, ...]] = [("mean a case", "was", "is", "change", "p", "")]
    rows += [_change_row(change) for change in comparison.changes]
    agent = "; ".join(comparison.agent) or "the same"
    lines = [
        f"against the baseline, {comparison.compared} cases:",
        format_columns(rows, right=(1, 2, 3, 4)),
        f"the agent: {agent}",
        *comparison.left_out,
    ]
    if not comparison.changes:
        lines.append("nothing can be compared: no case is in both, with the same input")
    return "\n".join(lines)


def render_estimate(estimate: Estimate, cases: int, model: str) -> str:
    """What a run would take, and how that was estimated."""
    price = "no price is known"
    if estimate.cost_usd is not None:
        price = f"about {format_cost(estimate.cost_usd)}"
    trials = format_count(estimate.trials, "trial")
    calls = format_count(round(estimate.steps), "model call")
    usage = estimate.usage
    lines = [
        f"an estimate for {trials} of {format_count(cases, 'case')} with {model}; none was run",
        f"about {calls}, {usage.input_tokens:,} tokens in and {usage.output_tokens:,} out, {price}",
    ]
    if estimate.judge_calls:
        requests = format_count(estimate.judge_calls, "request")
        lines.append(f"and {requests} to judges, whose tokens are not in that")
    if not estimate.measured:
        lines.append(
            "how: each case's first prompt as it would be sent, at 3.5 bytes a token; a step"
            " for each tool call that its checks expect, and one for the answer;"
            f" {OUTPUT_TOKENS} tokens written a step,"
            f" {CALL_TOKENS} read for each result. A baseline's real numbers (--against) are better"
        )
        return "\n".join(lines)
    how = f"how: the means of the baseline's trials, for {estimate.measured} of"
    how += f" {format_count(cases, 'case')}"
    if estimate.measured < cases:
        how += "; the others are taken to be like them"
    return "\n".join([*lines, how])


def format_trial(case: str, trial: TrialReport) -> str:
    """The line of a trial that has ended."""
    failure = ""
    for verdict in trial.verdicts:
        if not verdict.passed:
            failure = f": {format_failure(verdict)}"
            break
    mark = MARKS[trial.outcome]
    calls = format_count(trial.steps, "step")
    took = f"{calls}, {format_number(trial.tokens)} tokens, {format_seconds(trial.seconds)}"
    return f"{mark} {case} {trial.number}{failure} ({took})"


def format_failure(verdict: Verdict) -> str:
    """The failed check and the reason, in one line."""
    return shorten(f"{verdict.check}: {verdict.why}", WIDTH)


def _render_cases(cases: Sequence[CaseReport]) -> str:
    rows: list[tuple[str, ...]] = [("case", "passed", "steps", "tokens", "cost", "time", "")]
    rows += [_case_row(case) for case in cases if case.trials]
    return format_columns(rows, right=(1, 2, 3, 4, 5))


def _case_row(case: CaseReport) -> tuple[str, ...]:
    trials = case.trials
    failure = ""
    if case.first_failure:
        failure = format_failure(case.first_failure)
    return (
        f"{MARKS[case.outcome]} {shorten(case.name, NAME_WIDTH)}",
        f"{case.passes}/{len(case.judged)}",
        format_number(mean_of(trials, lambda trial: trial.steps)),
        format_number(mean_of(trials, lambda trial: trial.tokens)),
        format_cost(mean_of(trials, lambda trial: trial.cost_usd)),
        format_seconds(mean_of(trials, lambda trial: trial.seconds)),
        failure,
    )


def _describe_totals(report: Report) -> list[str]:
    trials = report.trials
    if not trials:
        return ["no trial was run"]
    rate = format_percent(report.pass_rate)
    low, high = map(format_percent, report.pass_interval)
    calls = format_number(report.mean(lambda trial: trial.steps))
    tokens = format_number(report.mean(lambda trial: trial.tokens))
    cost = format_cost(report.mean(lambda trial: trial.cost_usd))
    time = format_seconds(report.mean(lambda trial: trial.seconds))
    lines = [
        f"{report.passes} of {format_count(len(report.judged), 'trial')} passed: {rate},"
        f" 95% interval {low} to {high}",
        f"a trial took {calls} steps, {tokens} tokens, {cost}, {time};"
        f" in all {format_cost(report.cost_usd)}",
    ]
    repeats = describe_repeats(report)
    if repeats:
        lines.insert(1, repeats)
    judges = report.judge_usage
    if judges.tokens:
        cost = format_cost(judges.cost_usd)
        lines.append(f"the judges took {judges.tokens:,} tokens more, {cost}")
    unjudged = describe_unjudged(report)
    if unjudged:
        lines.append(unjudged)
    if report.errors:
        count = format_count(report.errors, "trial")
        lines.append(f"{count} raised an error: what failed may not have been the agent")
    if len(trials) < report.wanted_trials:
        lines.append(
            f"the run was stopped: {len(trials)} of {report.wanted_trials} trials are done"
        )
    return lines


def _change_row(change: Change) -> tuple[str, ...]:
    verdict = describe_change(change)
    if verdict == "worse":
        names = [shorten(each.case, NAME_WIDTH) for each in change.cases[:3]]
        verdict = f"WORSE, most of all {', '.join(names)}"
    return (
        METRIC_NAMES[change.name],
        format_metric(change.name, change.before),
        format_metric(change.name, change.now),
        format_change(change),
        "" if change.name == "seconds" else f"{change.p:.2g}",
        verdict,
    )
