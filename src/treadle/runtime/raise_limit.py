"""Raises the limits of a thread's turn: what waits for that, or had ended at it, goes on."""

import getpass
from typing import TypedDict

from ..core import events as e
from ..core.check_settings import check_number, check_whole_number
from .children import require_trusted
from .log import Log


class Amounts(TypedDict, total=False):
    """By how much; what isn't named stays as it is."""

    steps: int
    tool_calls: int
    tokens: int
    cost_usd: float
    seconds: float
    reason: str
    """Why, in words, for the log."""


async def raise_limit(log: Log, by: str, amounts: Amounts) -> None:
    """Append that a person raises the limits of the open turn, or of one that ended at a limit.

    Raises IllegalEvent where there is no such turn; UsageError for wrong amounts, and in a thread
    that was imported and nobody has adopted.
    """
    for name in ("steps", "tool_calls", "tokens"):
        check_whole_number(f"raise_limit({name}", amounts.get(name, 0))
    for name in ("cost_usd", "seconds"):
        check_number(f"raise_limit({name}", amounts.get(name, 0.0))
    require_trusted(log)
    await log.append(e.LimitRaised(by or getpass.getuser(), **amounts))
