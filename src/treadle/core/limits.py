"""Limits, and what breaks them. Pure: knows nothing of clocks or of the loop.

A limit holds for one turn. Before each model call its worst case (the prompt, and all the output
that it may write) must fit into what is left; the reply in the log says what it really used.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from .check_settings import check_flags, check_number, check_whole_number
from .events import LimitRaised, LimitReached, Usage


class Ceiling(msgspec.Struct, frozen=True):
    """The most that an account may come to. None means no limit."""

    tokens: int | None = None
    usd: float | None = None
    requests: int | None = None
    """Model calls; only of an account of a minute."""

    def less(self, tokens: int, usd: float) -> "Ceiling":
        """What is left of it beside so much, never less than nothing; not of the model calls."""
        return Ceiling(
            self.tokens if self.tokens is None else max(0, self.tokens - tokens),
            self.usd if self.usd is None else max(0.0, self.usd - usd),
        )


NO_CEILING = Ceiling()

LAST_WORD_TOKENS = 128
"""What is kept for the text of a last word. It may have all that is left."""
LAST_RESULTS_TOKENS = 32
"""What is kept for the short forms of the last results, which a last word is shown."""

RAISED = ("steps", "tool_calls", "tokens", "cost_usd", "seconds")
"""The limits that a person may raise while a turn is open."""

N = TypeVar("N", int, float)
Cost = Callable[[Usage], float | None]
"""US dollars for so many tokens; None where no price is known."""
WorstCost = Callable[[int, int], float | None]
"""The most US dollars that a prompt and a reply of so many tokens can cost."""

MIN_OUTPUT_TOKENS = 16
"""A reply that may be no longer than this isn't worth its prompt."""


@dataclass(frozen=True)
class Limits:
    """What one turn may use. None means no limit."""

    steps: int | None = 20
    """Model calls; a retry of the same call doesn't count, nor does a last word."""
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
    """How often the same call, with the same arguments, may be asked for.

    Then it gets advice, then the turn ends.
    """
    model_tries: int = 5
    """How often one request is made while the provider is unavailable."""
    last_word: bool = True
    """At a limit, ask once more, with no tool to call, for the best answer by now.

    Room for that is kept from the start. Not at a limit of seconds, and not after a reply that was
    cut off at its own limit of tokens.
    """

    def __post_init__(self) -> None:
        for name in ("steps", "tool_calls", "tokens", "cost_usd", "seconds", "repeats"):
            if getattr(self, name) == math.inf:
                object.__setattr__(self, name, None)
        for name in ("steps", "tool_calls", "tokens", "repeats"):
            check_whole_number(f"Limits({name}", getattr(self, name), or_none="no limit")
        for name in ("cost_usd", "seconds"):
            check_number(f"Limits({name}", getattr(self, name), or_none="no limit")
        check_whole_number("Limits(model_tries", self.model_tries, 1)
        check_flags("Limits", unpriced=self.unpriced, last_word=self.last_word)


def has_account(limits: Limits) -> bool:
    """Whether a turn with these limits has an account that its children are paid from."""
    return limits.tokens is not None or limits.cost_usd is not None


class Spent(msgspec.Struct, frozen=True):
    """What a turn has used, with every call in flight counted at its worst case."""

    steps: int
    tool_calls: int
    tokens: int
    cost_usd: float
    seconds: float


def format_amount(amount: float) -> str:
    """What was used, or may be: 1,250,000 or 0.125."""
    if abs(amount) >= 100_000 or amount == int(amount):
        return f"{amount:,.0f}"
    return f"{amount:,.6g}"


def name_unit(limit: str) -> str:
    """What a limit of this name counts, in words."""
    if "usd" in limit:
        return "US dollars"
    if limit == "output":
        return "tokens of one reply"
    return limit.partition("_a_")[0].replace("_", " ")


def raise_limits(limits: Limits, raised: LimitRaised | None) -> Limits:
    """The limits with what people have raised them by; never below nothing."""
    if raised is None:
        return limits
    more = {name: getattr(raised, name) for name in RAISED}
    now = {name: getattr(limits, name) for name in RAISED}
    changed = {name: max(0, now[name] + more[name]) for name in RAISED if now[name] is not None}
    return dataclasses.replace(limits, **changed)


def lower_limits(limits: Limits, raised: LimitRaised | None) -> Limits:
    """The limits as they were before people raised them by this."""
    if raised is None:
        return limits
    less = {name: -getattr(raised, name) for name in RAISED}
    before = raise_limits(limits, msgspec.structs.replace(raised, **less))
    # What a sum of decimals has lost in its last digits comes back.
    usd = None if before.cost_usd is None else round(before.cost_usd, 9)
    seconds = None if before.seconds is None else round(before.seconds, 9)
    return dataclasses.replace(before, cost_usd=usd, seconds=seconds)


def limit_to_room(limits: Limits, spent: Spent, room: Ceiling) -> Limits:
    """The limits, lowered so far that no more can be used than there is room for."""
    if room == NO_CEILING:
        return limits
    tokens = cost_usd = None
    if room.tokens is not None:
        tokens = spent.tokens + max(0, room.tokens)
    if room.usd is not None:
        cost_usd = spent.cost_usd + max(0.0, room.usd)
    return dataclasses.replace(
        limits,
        tokens=tightest_limit(limits.tokens, tokens),
        cost_usd=tightest_limit(limits.cost_usd, cost_usd),
    )


def tightest_limit(*limits: N | None) -> N | None:
    """The lowest of these limits; None if there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


def check_tool_call_limits(
    limits: Limits, tool_calls: int, new_calls: int, spent_s: float
) -> LimitReached | None:
    """The limit that starting new calls would break, where that makes `tool_calls` in all.

    Then none of them starts.
    """
    if limits.tool_calls is not None and new_calls and tool_calls > limits.tool_calls:
        return LimitReached("tool_calls", tool_calls, limits.tool_calls)
    return check_seconds(limits, spent_s)


def check_seconds(limits: Limits, spent_s: float) -> LimitReached | None:
    """The limit on seconds, if so many reach it."""
    if limits.seconds is not None and spent_s >= limits.seconds:
        return LimitReached("seconds", round(spent_s, 3), limits.seconds)
    return None


def cost_in_tier(cost: Cost, asked_tier: str | None) -> Cost:
    """The cost where this service tier is asked for.

    A usage that doesn't say how it was served is priced as the dearer of that tier and the model's
    own.
    """
    if not asked_tier:
        return cost
    tier = asked_tier

    def dearer(usage: Usage) -> float | None:
        own_usd = cost(usage)
        if usage.service_tier or own_usd is None:
            return own_usd
        tier_usd = cost(replace(usage, service_tier=tier))
        return None if tier_usd is None else max(own_usd, tier_usd)

    return dearer


def worst_cost(
    cost: Cost, prompt_tokens: int, output_tokens: int, has_audio: bool = False
) -> float | None:
    """The most that a call of so many tokens can cost; None where no price is known.

    Nobody knows beforehand of which class its tokens will be: the provider may write the whole
    prompt to its cache, or spend the whole reply on reasoning. So each class is tried for all of
    them: of the prompt, whose dearest it has then, and of the reply, since the costs of the two add
    up. What the provider's own tools cost comes on top: nobody knows how often they will run.
    """
    plain = Usage(prompt_tokens, output_tokens, estimated=True)
    written = replace(plain, cache_write_tokens=prompt_tokens)
    prompts = [
        plain,
        replace(plain, cached_tokens=prompt_tokens),
        written,
        replace(written, cache_write_1h_tokens=prompt_tokens),
    ]
    if has_audio:
        prompts.append(replace(plain, audio_input_tokens=prompt_tokens))
    dearest, most_usd = plain, 0.0
    for prompt in prompts:
        prompt_usd = cost(prompt)
        if prompt_usd is None:
            return None
        if prompt_usd > most_usd:
            dearest, most_usd = prompt, prompt_usd
    for reply in (
        replace(dearest, reasoning_tokens=output_tokens),
        replace(dearest, audio_output_tokens=output_tokens),
    ):
        reply_usd = cost(reply)
        if reply_usd is None:
            return None
        most_usd = max(most_usd, reply_usd)
    return most_usd


def allowed_output_tokens(
    limits: Limits,
    spent: Spent,
    prompt_tokens: int,
    wanted: int,
    worst_usd: WorstCost,
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
    prompt_usd = worst_usd(prompt_tokens, 0)
    whole_usd = worst_usd(prompt_tokens, wanted)
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
    doublings = min(attempt - 1, 6)  # no float holds what a thousand of them come to
    return min(30.0, 0.5 * 2.0**doublings) * (1 - chance / 2)
