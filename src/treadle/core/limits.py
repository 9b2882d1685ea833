"""Limits, and what breaks them. Pure: knows nothing of clocks or of the loop.

A limit holds for one turn. Before each model call its worst case (the prompt, and all the output
that it may write) must fit into what is left; the reply in the log says what it really used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from .events import LimitReached, Usage

N = TypeVar("N", int, float)
Cost = Callable[[Usage], float | None]
"""US dollars for so many tokens; None where no price is known."""

MIN_OUTPUT_TOKENS = 16
"""A reply that may be no longer than this isn't worth its prompt."""


@dataclass(frozen=True)
class Limits:
    """What one turn may use. None means no limit."""

    steps: int | None = 20
    """Model calls; a retry of the same call doesn't count."""
    tool_calls: int | None = 50
    """Calls that start; a retry of the same call doesn't count."""
    tokens: int | None = 200_000
    """In and out, over all model calls."""
    cost_usd: float | None = None
    unpriced: bool = False
    """Let calls pass a cost limit if the model's price is unknown. Else that is an error."""
    seconds: float | None = 600.0
    """Of work: waiting for a person and being down don't count."""
    repeats: int | None = 2
    """How often a call with the same arguments runs. Then it gets advice, then the turn ends."""
    model_tries: int = 5
    """How often one request is made while the provider is unavailable."""
    last_word: bool = False
    """At a limit of steps, tool calls or repeats, ask for an answer, with no tool to call."""


class Spent(msgspec.Struct, frozen=True):
    """What a turn has used, with every call in flight counted at its worst case."""

    steps: int
    tool_calls: int
    tokens: int
    cost_usd: float
    seconds: float


def tightest_limit(*limits: N | None) -> N | None:
    """The lowest of these limits; None if there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


def check_model_call_limits(limits: Limits, spent: Spent) -> LimitReached | None:
    """The limit that one more model call would break, whatever its size."""
    if limits.steps is not None and spent.steps >= limits.steps:
        return LimitReached("steps", spent.steps, limits.steps)
    return _check_seconds(limits, spent)


def check_tool_call_limits(limits: Limits, spent: Spent, new_calls: int) -> LimitReached | None:
    """The limit that starting so many calls would break. Then none of them starts."""
    tool_calls = spent.tool_calls + new_calls
    if limits.tool_calls is not None and tool_calls > limits.tool_calls:
        return LimitReached("tool_calls", tool_calls, limits.tool_calls)
    return _check_seconds(limits, spent)


def _check_seconds(limits: Limits, spent: Spent) -> LimitReached | None:
    if limits.seconds is not None and spent.seconds >= limits.seconds:
        return LimitReached("seconds", round(spent.seconds, 3), limits.seconds)
    return None


def allowed_output_tokens(
    limits: Limits,
    spent: Spent,
    prompt_tokens: int,
    wanted: int,
    cost: Cost,
    least: int = MIN_OUTPUT_TOKENS,
) -> int | LimitReached:
    """How many tokens the reply may have, at most `wanted`; LimitReached if fewer than `least`."""
    if limits.tokens is not None:
        needed = spent.tokens + prompt_tokens + min(least, wanted)
        if needed > limits.tokens:
            return LimitReached("tokens", needed, limits.tokens)
        wanted = min(wanted, limits.tokens - spent.tokens - prompt_tokens)
    if limits.cost_usd is None:
        return wanted
    prompt_usd = cost(Usage(prompt_tokens))
    whole_usd = cost(Usage(prompt_tokens, wanted))
    if prompt_usd is None or whole_usd is None:
        return wanted  # RunSettings refuses an unknown price, unless `unpriced` is set
    left_usd = limits.cost_usd - spent.cost_usd
    if whole_usd <= left_usd:
        return wanted
    affordable = 0
    if whole_usd > prompt_usd:
        affordable = int(wanted * (left_usd - prompt_usd) / (whole_usd - prompt_usd))
    if affordable < least:
        return LimitReached("cost_usd", spent.cost_usd + prompt_usd, limits.cost_usd)
    return affordable


def backoff_s(attempt: int, chance: float, asked_s: float | None = None) -> float:
    """Seconds before the next try: 0.5, doubled each time up to 30, less up to half by chance.

    A wait that the provider asked for is obeyed, with a little added so that not all clients return
    at once.
    """
    if asked_s is not None and 0 <= asked_s < math.inf:
        return asked_s + chance * min(1.0, asked_s / 10 + 0.05)
    return min(30.0, 0.5 * 2.0 ** (attempt - 1)) * (1 - chance / 2)
