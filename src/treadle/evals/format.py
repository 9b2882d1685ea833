"""Formats the numbers of a report for people.

The same words in the terminal and on the page. Pure.
"""

from decimal import Decimal

from .baseline import SIGNIFICANCE, Change

METRIC_NAMES = {
    "success": "success",
    "steps": "steps",
    "tokens": "tokens",
    "cost_usd": "cost",
    "seconds": "seconds",
}


def format_metric(name: str, value: float) -> str:
    """A value of the metric of this name."""
    match name:
        case "success":
            return format_percent(value)
        case "cost_usd":
            return format_cost(value)
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


def format_count(count: int, noun: str) -> str:
    """A count with its noun: 1 trial, 2 trials."""
    plural = "s" * (count != 1)
    return f"{count:,} {noun}{plural}"


def format_cost(usd: float | None) -> str:
    """Dollars, with the digits that matter; `-` if no price is known."""
    if usd is None:
        return "-"
    if usd == 0:
        return "$0"
    if usd >= 1:
        return f"${usd:,.2f}"
    digits = f"{usd:.3g}" if usd >= 0.001 else f"{usd:.2g}"
    return f"${Decimal(digits):f}"  # Decimal, so that it is never 8e-05


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
