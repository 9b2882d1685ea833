"""Numbers of a report as people read them: the same words in the terminal and on the page. Pure."""

from decimal import Decimal

from .baseline import SIGNIFICANCE, Change


def format_percent(part: float) -> str:
    """A part as a percentage; it never rounds to all or none what isn't."""
    text = f"{100 * part:.0f}%" if part in (0.0, 1.0) else f"{100 * part:.1f}%"
    return {"100.0%": "99.9%", "0.0%": "0.1%"}.get(text, text).replace(".0%", "%")


def format_number(value: float | None) -> str:
    """Three digits or more; - for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.1f}"


def format_count(count: int, noun: str) -> str:
    """So many of them."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_cost(usd: float | None) -> str:
    """Dollars with the digits that matter; - where no price is known."""
    if usd is None:
        return "-"
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}" if usd else "$0"
    return f"${Decimal(f'{usd:.3g}' if usd >= 0.001 else f'{usd:.2g}'):f}"  # never 8e-05


def format_change(change: Change) -> str:
    """How much a number has changed: in points for success, else in percent of what it was."""
    if change.now == change.before:
        return "same"
    if change.name == "success":
        return f"{100 * (change.now - change.before):+.1f} points"
    return "new" if change.share is None else f"{100 * change.share:+.0f}%"


def describe_change(change: Change) -> str:
    """`worse`, `better` or `less` where a change counts, else why it doesn't; "" where there is none."""
    if change.name == "seconds" or change.now == change.before:
        return ""
    if not change.counts:
        return "may be noise" if change.p >= SIGNIFICANCE else "too little to count"
    return "worse" if change.worse else "better" if change.name == "success" else "less"
