"""Times, costs and counts as people read them: `0.15 ms`, `$0.0021`, `2 turns`. Pure."""

from decimal import Decimal


def format_seconds(seconds: float | None) -> str:
    """A time with its unit and two digits, or in whole units from ten on; `-` for None.

    `0.15 ms`, `92 ms`, `1.5 s`, `42 s`, `2 min 5 s`, `3 h 20 min`.
    """
    if seconds is None:
        return "-"
    if seconds <= 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{_two_digits(seconds * 1000)} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{_two_digits(seconds)} s"
    minutes, rest_s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


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


def format_count(count: int, noun: str) -> str:
    """A count with its noun: 1 turn, 2 turns."""
    plural = "s" * (count != 1)
    return f"{count:,} {noun}{plural}"


def _two_digits(value: float) -> str:
    if value >= 9.95:
        return f"{value:.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    return f"{Decimal(f'{value:.2g}'):f}"
