"""Limits as data, and what breaks them. Pure: knows nothing of clocks, prices or the loop.

A limit holds for one turn. Before each model call its worst case (the prompt, and all the output it may write)
must fit into what is left; what the call really used is settled when its reply is in the log.
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
"""Tokens. A reply that may be no longer than this isn't worth its prompt."""


@dataclass(frozen=True)
class Limits:
    """What one turn may use. None lifts a limit."""

    steps: int | None = 20
    """Model calls; a retry of the same call is not a new step."""
    tool_calls: int | None = 50
    """Calls that start; a retry of the same call is not a new one."""
    tokens: int | None = 200_000
    """In and out, over all model calls."""
    cost_usd: float | None = None
    unpriced: bool = False
    """Let a cost limit pass where the model's price is unknown. Else that is an error."""
    seconds: float | None = 600.0
    """Of work: waiting for a person and being down don't count."""
    repeats: int | None = 2
    """How often one call with the same arguments runs. Once more is answered with advice, and then the turn ends."""
    model_tries: int = 5
    """How often one request is made when the provider is unavailable."""
    last_word: bool = False
    """At a limit of steps, tool calls or repeats, ask once more, without tools, for the best answer so far."""


class Spent(msgspec.Struct, frozen=True):
    """What a turn has used, with every call in flight counted at its worst case."""

    steps: int
    tool_calls: int
    tokens: int
    cost_usd: float
    seconds: float


def tightest_limit(*limits: N | None) -> N | None:
    """The lowest of these limits; None where none holds."""
    return min((limit for limit in limits if limit is not None), default=None)


def check_model_call_limits(limits: Limits, spent: Spent) -> LimitReached | None:
    """The limit that one more model call would break, whatever its size."""
    if limits.steps is not None and spent.steps >= limits.steps:
        return LimitReached("steps", spent.steps, limits.steps)
    if limits.seconds is not None and spent.seconds >= limits.seconds:
        return LimitReached("seconds", round(spent.seconds, 3), limits.seconds)
    return None


def check_tool_call_limits(limits: Limits, spent: Spent, new_calls: int) -> LimitReached | None:
    """The limit that starting so many calls would break. Then none of them starts."""
    if limits.tool_calls is not None and spent.tool_calls + new_calls > limits.tool_calls:
        return LimitReached("tool_calls", spent.tool_calls + new_calls, limits.tool_calls)
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
    """How many tokens the reply may have, at most `wanted`, or the limit that leaves no room for the `least`."""
    if limits.tokens is not None:
        left = limits.tokens - spent.tokens - prompt_tokens
        if left < min(least, wanted):
            return LimitReached(
                "tokens", spent.tokens + prompt_tokens + min(least, wanted), limits.tokens
            )
        wanted = min(wanted, left)
    if limits.cost_usd is not None:
        prompt_usd = cost(Usage(prompt_tokens))
        whole_usd = cost(Usage(prompt_tokens, wanted))
        if prompt_usd is None or whole_usd is None:
            return wanted  # `Policy` refuses an unknown price unless `unpriced` says otherwise
        left_usd = limits.cost_usd - spent.cost_usd
        if whole_usd > left_usd:
            fits = (
                int(wanted * (left_usd - prompt_usd) / (whole_usd - prompt_usd))
                if whole_usd > prompt_usd
                else 0
            )
            if fits < least:
                return LimitReached("cost_usd", spent.cost_usd + prompt_usd, limits.cost_usd)
            wanted = fits
    return wanted


def backoff_s(attempt: int, chance: float, asked_s: float | None = None) -> float:
    """Seconds before the try after this one: 0.5 doubled each time, at most 30, less up to half by chance.

    What the provider asked for is obeyed, with a little added so that not all clients return at once.
    """
    if asked_s is not None and 0 <= asked_s < math.inf:
        return asked_s + chance * min(1.0, asked_s / 10 + 0.05)
    return min(30.0, 0.5 * 2.0 ** (attempt - 1)) * (1 - chance / 2)
