"""Looks up prices and context windows in the table of genai-prices, offline.

1. No price is None, never 0.
2. The table's own arithmetic takes 0.1 ms for each usage, and a reservation looks at a dozen: so
   prices are read from the table once, and prices.py calculates. A test compares the two.
3. What a provider counted is priced at the time that it is asked for. What is estimated is priced
   at the dearest time of the next 24 hours, as a reservation must be: some prices change by day.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..core.events import Usage
from ..core.limits import Cost
from .prices import Prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

OPENAI = "https://api.openai.com/v1"
_SLOT_S = 1800
"""The table's prices change at full and half hours."""
_SLOTS_A_DAY = 48

_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "requests": "requests_kcount",
}
"""Our names and the table's."""
_TOOL_KEYS = {
    "web_search": "web_searches_kcount",
    "x_search": "social_searches_kcount",
    "file_search": "storage_searches_kcount",
    "code_execution": "code_executions_kcount",
}
_FREE_TOOLS = {"web_fetch": Decimal(0), "tool_search": Decimal(0)}
"""Anthropic charges only the tokens that these bring in."""


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
        return lambda usage: _to_usd([prices.cost(usage)])
    asked = body.get("service_tier", body.get("speed"))
    return find_price(model, base_url, asked if isinstance(asked, str) else "")


def find_price(
    model: str,
    base_url: str | None,
    asked_tier: str = "",
    clock: Callable[[], float] = time.time,
) -> Cost:
    """A function from a usage to its cost in US dollars, by the table of genai-prices, offline.

    It gives None for a model or an address that isn't in the table. A usage that doesn't say how it
    was served is priced as standard or as `asked_tier`, whichever is dearer.
    """
    found = _find_model(model, base_url)
    if found is None:
        return lambda usage: None
    provider, info = found

    @functools.lru_cache(maxsize=16)
    def read_levels(slots: tuple[int, ...], tiers: tuple[str, ...]) -> list[list[_Level]]:
        times = [datetime.fromtimestamp(slot * _SLOT_S, UTC) for slot in slots]
        return _read_levels(provider, info, times, tiers)

    def price(usage: Usage) -> float | None:
        slot = int(clock() // _SLOT_S)
        slots: tuple[int, ...] = (slot,)
        if usage.estimated:
            slots = tuple(range(slot, slot + _SLOTS_A_DAY + 1))
        tiers = (usage.service_tier,) if usage.service_tier else ("", asked_tier)
        costs = []
        for levels in read_levels(slots, tiers):
            level = [each for each in levels if usage.input_tokens > each.above][-1]
            costs.append(level.prices.cost(usage) if level.prices else None)
        return _to_usd(costs)

    return price


def find_context_tokens(model: str, base_url: str | None) -> int | None:
    """The model's context window, from the table of genai-prices, offline; None if it has none."""
    found = _find_model(model, base_url)
    return found[1].context_window if found else None


def _find_model(model: str, base_url: str | None) -> "tuple[Provider, ModelInfo] | None":
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, None, base_url or OPENAI)
    except LookupError:
        return None


def _read_levels(
    provider: "Provider", info: "ModelInfo", times: Iterable[datetime], tiers: Iterable[str]
) -> list[list[_Level]]:
    """The different prices that hold at one of these times in one of these tiers."""
    own = any(info is each for each in provider.models)  # variants hold at their provider alone
    found: list[ModelPrice] = []
    for moment in times:
        for tier in tiers:
            context: dict[str, str] = {}
            if tier and own:
                context = {"service_tier": tier, "speed": tier, "processing": tier}
            price = info.get_prices(moment, context)
            if price not in found:
                found.append(price)
    return [_split_by_size(price) for price in found]


def _split_by_size(price: "ModelPrice") -> list[_Level]:
    """Prices that depend on the size of the prompt, as one set of prices for each size."""
    values = {key: value for key, value in vars(price).items() if value is not None}
    starts = {-1}
    for value in values.values():
        starts |= {tier.start for tier in getattr(value, "tiers", ())}
    levels = []
    for start in sorted(starts):
        at = {key: _price_above(value, start) for key, value in values.items()}
        levels.append(_Level(start, _to_prices(at)))
    return levels


def _price_above(value: Any, start: int) -> Decimal:
    """The price of a prompt just larger than `start`."""
    found: Decimal = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if start >= tier.start:
            found = tier.price
    return found


def _to_prices(values: Mapping[str, Decimal]) -> Prices | None:
    given = {name: values[key] for name, key in _KEYS.items() if key in values}
    if "input" not in given or "output" not in given:
        return None
    tools = {name: values[key] for name, key in _TOOL_KEYS.items() if key in values}
    return Prices(**given, provider_calls=_FREE_TOOLS | tools)


def _to_usd(costs: Iterable[Decimal | None]) -> float | None:
    """The highest of these; None if one is unknown."""
    highest = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        highest = max(highest, cost)
    return float(highest)
