"""Looks up prices and context windows in the table that ships, offline.

1. No price is None, never 0.
2. A reservation looks at a dozen usages: so prices are read from the table once, and prices.py
   calculates. A test compares it with the arithmetic of genai-prices, from which the table is.
3. What a provider counted is priced at the time that it is asked for. What is estimated is priced
   at the dearest time of the next 24 hours, as a reservation must be: some prices change by day.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..core.events import Usage
from ..core.limits import Cost
from .price_data import PricedModel, Values, load_prices
from .prices import Prices

OPENAI = "https://api.openai.com/v1"
_SLOT_S = 1800
"""The table's prices change at full and half hours."""
_SLOTS_A_DAY = 48

_TOOLS = ("web_search", "x_search", "file_search", "code_execution")
_FREE_TOOLS = dict.fromkeys(("web_fetch", "tool_search", "mcp"), Decimal(0))
"""Anthropic and OpenAI charge only the tokens that these bring in."""


@dataclass(frozen=True)
class _Level:
    """The prices of prompts of more than `above` tokens. They hold for all tokens of the call."""

    above: int
    prices: Prices | None
    """None if a price is missing that every call needs."""


def make_price(
    model: str, base_url: str | None, prices: Prices | None, body: Mapping[str, Any]
) -> Cost:
    """The function from a usage of this model to its cost: by these prices, else by the table.

    `body` has the fields that each request has: a service tier in it changes the table's prices.
    """
    if prices is not None:
        return lambda usage: _to_usd((prices.cost(usage),))
    asked = body.get("service_tier", body.get("speed"))
    return find_price(model, base_url, asked if isinstance(asked, str) else "")


def find_price(
    model: str,
    base_url: str | None,
    asked_tier: str = "",
    clock: Callable[[], float] = time.time,
) -> Cost:
    """A function from a usage to its cost in US dollars, by the table that ships.

    It gives None for a model or an address that isn't in the table. A usage that doesn't say how it
    was served is priced as standard or as `asked_tier`, whichever is dearer.
    """
    found = _find_model(model, base_url)
    if found is None:
        return lambda usage: None
    info, own = found

    @functools.lru_cache(maxsize=16)
    def read_levels(slot: int, count: int, tiers: tuple[str, ...]) -> list[list[_Level]]:
        slots = range(slot, slot + count)
        times = [datetime.fromtimestamp(each * _SLOT_S, UTC) for each in slots]
        return _read_levels(info, own, times, tiers)

    def price(usage: Usage) -> float | None:
        slot = int(clock() // _SLOT_S)
        count = _SLOTS_A_DAY + 1 if usage.estimated else 1
        tiers = (usage.service_tier,) if usage.service_tier else ("", asked_tier)
        costs = []
        for levels in read_levels(slot, count, tiers):
            level = [each for each in levels if usage.input_tokens > each.above][-1]
            costs.append(level.prices.cost(usage) if level.prices else None)
        return _to_usd(costs)

    return price


def find_context_tokens(model: str, base_url: str | None) -> int | None:
    """The model's context window, from the table that ships; None if it has none."""
    found = _find_model(model, base_url)
    return found[0].context_window if found else None


def _find_model(model: str, base_url: str | None) -> tuple[PricedModel, bool] | None:
    return load_prices().find(model, base_url or OPENAI)


def _read_levels(
    info: PricedModel, own: bool, times: Iterable[datetime], tiers: Iterable[str]
) -> list[list[_Level]]:
    """The different prices that hold at one of these times in one of these tiers."""
    found: list[Values] = []
    for moment in times:
        for tier in tiers:
            kind: dict[str, str] = {}
            if tier and own:  # variants hold at their provider alone
                kind = {"service_tier": tier, "speed": tier, "processing": tier}
            values = info.values(moment, kind)
            if values not in found:
                found.append(values)
    return [_split_by_size(values) for values in found]


def _split_by_size(values: Values) -> list[_Level]:
    """Prices that depend on the size of the prompt, as one set of prices for each size."""
    starts = {-1}
    for value in values.values():
        if isinstance(value, list):
            starts |= {start for start, _ in value}
    levels = []
    for start in sorted(starts):
        at = {name: _price_above(value, start) for name, value in values.items()}
        levels.append(_Level(start, _to_prices(at)))
    return levels


def _price_above(value: str | list[tuple[int, str]], start: int) -> Decimal:
    """The price of a prompt just larger than `start`."""
    if isinstance(value, str):
        return Decimal(value)
    return Decimal([price for above, price in value if start >= above][-1])


def _to_prices(values: Mapping[str, Decimal]) -> Prices | None:
    if "input" not in values or "output" not in values:
        return None
    tools = {name: values[name] for name in _TOOLS if name in values}
    given = {name: value for name, value in values.items() if name not in _TOOLS}
    return Prices(**given, provider_calls=_FREE_TOOLS | tools)


def _to_usd(costs: Sequence[Decimal | None]) -> float | None:
    """The highest of these; None if one is unknown."""
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return None
    return float(max(known))
