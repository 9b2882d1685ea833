"""Reads by how much a person raises limits: `+50000`, `1.50`."""

import math
import re
from collections.abc import Mapping

from ..core.errors import UsageError
from ..core.visible import visible_word
from ..runtime.post import Amounts

WHOLE = ("tokens", "steps", "tool_calls")
"""The limits that count; the others are measured."""
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
"""A count with its thousands apart. In a measure a comma may be meant as a point: 1,50."""


def read_amounts(given: Mapping[str, str | None]) -> Amounts:
    """The amounts by the limit's name, without those that weren't given. Raises UsageError."""
    amounts = Amounts()
    for name, text in given.items():
        if text is not None:
            amounts[name] = read_amount(name, text)  # type: ignore[literal-required]
    return amounts


def read_amount(name: str, text: str) -> int | float:
    """By how much the limit of this name is raised. Raises UsageError, which says what is taken."""
    kind, example = "an amount", "+1.50"
    if name in WHOLE:
        kind, example = "a whole number", "+1000"
    shown = f"{name.replace('_', ' ')}: {visible_word(text)}"
    plain = text.strip().removeprefix("+").removeprefix("$")
    if name in WHOLE and _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        amount = int(plain) if name in WHOLE else float(plain)
    except ValueError:
        raise UsageError(f"{shown} is not {kind} to add, such as {example}") from None
    if not math.isfinite(amount):
        raise UsageError(f"{shown} is no amount; say how much more, such as {example}")
    if amount < 0:
        raise UsageError(f"{shown} would lower a limit, which can't be done; to stop: cancel")
    if amount == 0:
        raise UsageError(f"{shown} raises nothing; to let what waits try again: --again")
    return amount


def option_of(limit: str) -> str:
    """The option of `treadle limit` that raises this limit."""
    return f"--{limit.removeprefix('cost_').replace('_', '-')}"
