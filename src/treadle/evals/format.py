"""Formats the numbers of a report for people.

The same words in the terminal and on the page. Pure.
"""

from ..observe.amounts import format_cost, format_count, format_seconds
from .baseline import SIGNIFICANCE, Change
from .report import Report

METRIC_NAMES = {
    "success": "success",
    "steps": "steps",
    "tokens": "tokens",
    "cost_usd": "cost",
    "seconds": "time",
}


def format_metric(name: str, value: float) -> str:
    """A value of the metric of this name."""
    match name:
        case "success":
            return format_percent(value)
        case "cost_usd":
            return format_cost(value)
        case "seconds":
            return format_seconds(value)
        case _:
            return format_number(value)


def format_percent(share: float) -> str:
    """A share as a percentage; only all is 100% and only none is 0%."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}%"
    text = f"{100 * share:.1f}%"
    return {"100.0%": "99.9%", "0.0%": "0.1%"}.get(text, text).replace(".0%", "%")


def format_number(value: float | None) -> str:
    """At least two digits; `-` for None."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}"


def format_change(change: Change) -> str:
    """How much a metric has changed: success in points, everything else in percent."""
    if change.now == change.before:
        return "same"
    if change.name == "success":
        return f"{100 * (change.now - change.before):+.1f} points"
    if change.share is None:
        return "new"
    return f"{100 * change.share:+.0f}%"


def describe_change(change: Change) -> str:
    """`worse`, `better` or `less`.

    Or why a change is not significant; "" if nothing has changed.
    """
    if change.name == "seconds" or change.now == change.before:
        return ""
    if not change.significant:
        return "may be noise" if change.p >= SIGNIFICANCE else "too little to count"
    if change.worse:
        return "worse"
    return "better" if change.name == "success" else "less"


def describe_repeats(report: Report) -> str:
    """How likely it is that several trials of a case all pass; "" if a case was judged once."""
    fewest = min((len(case.judged) for case in report.cases if case.trials), default=0)
    shares = [
        f"{format_percent(share)} for {k} (pass^{k})"
        for k in sorted({2, fewest})
        if k >= 2 and (share := report.pass_all(k)) is not None
    ]
    if not shares:
        return ""
    return f"the probability that several trials of a case all pass: {', '.join(shares)}"


def describe_unjudged(report: Report) -> str:
    """How many trials have no verdict; "" if all have one."""
    unjudged = len(report.trials) - len(report.judged)
    if not unjudged:
        return ""
    count = format_count(unjudged, "trial")
    return f"{count} couldn't be judged, and count neither as passed nor as failed"
