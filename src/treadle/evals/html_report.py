"""A report as one HTML page that needs nothing else: no script, no font, no picture, no network.

All text that comes from cases, models and tools is escaped, and what nobody would see in it is shown; the policy in its
head forbids whatever would slip through.
"""

import base64
import hashlib
import shlex
import time
from collections.abc import Iterable
from html import escape

from ..observe.visible import make_visible
from .baseline import Change, Comparison
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
from .style import CSS

_NAMES = {
    "success": "Success",
    "steps": "Steps",
    "tokens": "Tokens",
    "cost_usd": "Cost",
    "seconds": "Seconds",
}
MAX_SQUARES = 20
"""Squares that are drawn for a case's trials; more become a bar."""


def render_html(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page."""
    style = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    most = max((trial.tokens for trial in report.trials), default=0)
    body = [
        _head(report),
        _compared(comparison) if comparison else "",
        "<section><h2>Cases</h2>",
        '<div class="heads"><span>Case</span><span>Passed</span><span class="n">Steps</span><span class="n">Tokens'
        '</span><span class="n">Cost</span><span class="n">Seconds</span></div>',
        *(_case(case, most) for case in report.cases),
        "</section>",
        _foot(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_safe(report.dataset)}: {report.passes} of {len(report.trials)} passed</title>"
        f"<style>{CSS}</style></head>\n<body><main>\n{''.join(filter(None, body))}\n</main></body></html>\n"
    )


def _head(report: Report) -> str:
    count, low, high = len(report.trials), *report.pass_interval
    rate, tried = report.pass_rate, sum(bool(case.trials) for case in report.cases)
    means = {
        "steps": format_number(report.mean(lambda trial: trial.steps)),
        "tokens": format_number(report.mean(lambda trial: trial.tokens)),
        "cost": format_cost(report.mean(lambda trial: trial.cost_usd)),
        "seconds": format_number(report.mean(lambda trial: trial.seconds)),
    }
    notes = []
    if count < report.wanted_trials:
        notes.append(f"The run was stopped: {count} of {report.wanted_trials} trials are done.")
    if report.errors:
        notes.append(
            f"{report.errors} of the trials raised an error: what failed may not have been the agent."
        )
    return (
        f"<header><h1>{_safe(report.dataset)} <span>tried on {_safe(report.agent.agent)} with"
        f" {_safe(report.agent.model)}</span></h1>"
        f'<p class="rate"><strong>{format_percent(rate)}</strong> <span>{report.passes} of {count} trials of {tried} cases'
        f" passed; 95% interval {format_percent(low)} to {format_percent(high)}</span></p>{_scale(rate, low, high)}"
        '<div class="ends"><span>0%</span><span>100%</span></div><dl class="means">'
        + "".join(
            f"<div><dt>{name} a trial</dt><dd>{value}</dd></div>" for name, value in means.items()
        )
        + f"</dl>{''.join(f'<p class=note>{note}</p>' for note in notes)}</header>"
    )


def _scale(rate: float, low: float, high: float) -> str:
    """The pass rate as a bar, with its interval as a line."""
    low, high = 1000 * low, 1000 * high
    reach = f"M{low:.1f} 11H{high:.1f}M{low:.1f} 5V17M{high:.1f} 5V17"
    return (
        '<svg class="scale" viewBox="0 0 1000 22" preserveAspectRatio="none" role="img" aria-label="pass rate">'
        '<rect class="low" y="6" width="1000" height="10" opacity=".25"/>'
        f'<rect class="part" y="6" width="{1000 * rate:.1f}" height="10"/>'
        f'<path class="reach" d="{reach}" vector-effect="non-scaling-stroke"/></svg>'
    )


def _compared(found: Comparison) -> str:
    rows = "".join(_change(change) for change in found.changes)
    notes = [f"the agent: {'; '.join(found.agent)}"] if found.agent else ["the agent is the same"]
    notes += found.left_out
    return (
        f"<section><h2>Against the baseline, {found.compared} cases</h2><table><thead><tr><th>mean a case"
        '<th class=n>was<th class=n>is<th class=n>change<th class="n optional">p<th></thead>'
        f"<tbody>{rows}</tbody></table>"
        + "".join(f'<p class="soft said">{_safe(note)}</p>' for note in notes)
        + "</section>"
    )


def _change(change: Change) -> str:
    show = {"success": format_percent, "cost_usd": format_cost}.get(change.name, format_number)
    said = describe_change(change)
    mark = {"worse": "worse", "better": "better", "less": "better"}.get(said, "")
    cases = f": {', '.join(each.case for each in change.cases)}" if said == "worse" else ""
    p = "" if change.name == "seconds" else f"{change.p:.2g}"
    return (
        f"<tr><td>{_NAMES[change.name]}<td class=n>{show(change.before)}<td class=n>{show(change.now)}"
        f'<td class="n {mark}">{format_change(change)}<td class="n optional">{p}'
        f'<td>{said}<span class="optional">{_safe(cases)}</span></tr>'
    )


def _case(case: CaseReport, most: float) -> str:
    trials = case.trials
    tokens = mean_of(trials, lambda trial: trial.tokens)
    steps = format_number(mean_of(trials, lambda trial: trial.steps))
    plural, why = "" if steps == "1" else "s", case.first_failure
    width = 100 * (tokens or 0) / most if most else 0
    bar = f'<svg viewBox="0 0 100 6" height="6" preserveAspectRatio="none"><rect width="{width:.1f}" height="6"/></svg>'
    return (
        f'<details class="case"><summary><span class="name">{_safe(case.name)}</span>{_marks(trials)}'
        f'<span class="n unit" data-unit=" step{plural}">{steps}</span>'
        f'<span class="n used">{bar}<span class="unit" data-unit=" tokens">{format_number(tokens)}</span></span>'
        f'<span class="n optional">{format_cost(mean_of(trials, lambda trial: trial.cost_usd))}</span>'
        f'<span class="n unit" data-unit=" s">{format_number(mean_of(trials, lambda trial: trial.seconds))}</span>'
        + (f'<span class="why">{_safe(_first(why[1]))}</span>' if why else "")
        + '</summary><div class="inside">'
        + "".join(
            f'<p class="label">input</p><p class="said">{_safe(text)}</p>' for text in case.messages
        )
        + "".join(
            _trial(trial)
            for trial in sorted(trials, key=lambda trial: (trial.passed, trial.number))
        )
        + "</div></details>\n"
    )


def _marks(trials: Iterable[TrialReport]) -> str:
    """A square for each trial; a bar where there are many."""
    passed = [trial.passed for trial in trials]
    label = f"{sum(passed)} of {len(passed)} passed"
    if len(passed) > MAX_SQUARES:
        part = 100 * sum(passed) / len(passed)
        shapes = f'<rect class="no" width="100" height="9"/><rect class="ok" width="{part:.1f}" height="9"/>'
    else:
        shapes = "".join(_square(index, each) for index, each in enumerate(passed))
    height = 19 if 10 < len(passed) <= MAX_SQUARES else 9
    return (
        f'<span class="marks"><svg width="100" height="{height}" viewBox="0 0 100 {height}" role="img"'
        f' aria-label="{label}"><title>{label}</title>{shapes}</svg></span>'
    )


def _square(index: int, passed: bool) -> str:
    x, y = index % 10 * 10, index // 10 * 10
    return (
        f'<rect class="{"ok" if passed else "no"}" x="{x}" y="{y}" width="8" height="8" rx="1.5"/>'
    )


def _trial(trial: TrialReport) -> str:
    checks = "".join(_checked(each) for each in trial.verdicts)
    error = f'<p class="label">error</p><pre>{_safe(trial.error)}</pre>' if trial.error else ""
    lines = _safe("\n".join(trial.lines))
    return (
        f'<div class="trial"><h3>Trial {trial.number}: {"passed" if trial.passed else "failed"}</h3>'
        f'<ul class="checks">{checks}</ul>{error}'
        f'<p class="label">answer</p><p class="said">{_safe(trial.answer) or "<span class=soft>none</span>"}</p>'
        f"<details><summary>{format_count(trial.steps, 'step')}, {format_count(trial.tool_calls, 'tool call')},"
        f" {format_count(trial.tokens, 'token')}</summary>"
        f"<pre>{lines}</pre></details>"
        f'<p class="label">the whole of it</p><pre>treadle show {_safe(shlex.quote(trial.thread_id))}</pre></div>'
    )


def _checked(verdict: Verdict) -> str:
    why = ""
    if verdict.why:
        why = (
            f"<pre>{_safe(verdict.why)}</pre>" if "\n" in verdict.why else f": {_safe(verdict.why)}"
        )
    return f'<li class="{"ok" if verdict.passed else "no"}">{_safe(verdict.check)}{why}</li>'


def _first(verdict: Verdict) -> str:
    return f"{verdict.check}: {' '.join(verdict.why.split())[:240]}"


def _foot(report: Report) -> str:
    judged = report.judged
    judges = (
        f" The judges took {format_number(judged.tokens)} tokens ({format_cost(judged.cost_usd)})."
        if judged.tokens
        else ""
    )
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.began_at))
    return (
        f"<footer>Run {_safe(report.run)}, begun {began}, {format_number(report.seconds)} s; instructions"
        f" {_safe(report.agent.instructions)}, {len(report.agent.tools)} tools; in all"
        f" {format_cost(report.cost_usd)}.{judges}"
        " The interval is Wilson's; repeated trials of one case count for less than new cases. Made by treadle eval."
        "</footer>"
    )


def _safe(text: str) -> str:
    return escape(make_visible(text))
