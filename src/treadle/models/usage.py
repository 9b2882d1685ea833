"""Reads a provider's token counts, and looks up context windows and prices in genai-prices."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from ..core.events import Usage

OPENAI = "https://api.openai.com/v1"
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    prompt_cache_hit_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


def parse_usage(raw: Any) -> Usage | None:
    """The server's count as a Usage; None if it makes no sense."""
    try:
        usage = msgspec.convert(raw, _Usage, strict=False)
    except msgspec.ValidationError:
        return None
    input_tokens = usage.prompt_tokens or 0
    output_tokens = usage.completion_tokens or 0
    if not input_tokens and not output_tokens:
        return None
    # Gemini counts its thoughts only in the total.
    output_tokens = max(output_tokens, (usage.total_tokens or 0) - input_tokens)
    input_details = usage.prompt_tokens_details or _Details()
    output_details = usage.completion_tokens_details or _Details()
    cached = input_details.cached_tokens or usage.prompt_cache_hit_tokens or 0
    reasoning = output_details.reasoning_tokens or 0
    return Usage(
        input_tokens, output_tokens, min(cached, input_tokens), min(reasoning, output_tokens)
    )


def find_context_tokens(model: str, base_url: str | None) -> int | None:
    """The model's context window, from the table of genai-prices, offline; None if it has none."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, None, base_url or OPENAI)
    except LookupError:
        return None
    return found.context_window


def find_price(model: str, base_url: str | None) -> Callable[[Usage], float | None]:
    """A function from a usage to its cost in US dollars, by the table of genai-prices, offline.

    It gives None for a model or an address that isn't in the table.
    """
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price
    from genai_prices.data_snapshot import get_snapshot

    try:
        get_snapshot().find_provider_model(model, None, None, base_url or OPENAI)
    except LookupError:
        return lambda usage: None

    def price(usage: Usage) -> float | None:
        tokens = Tokens(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        )
        try:
            found = calc_price(tokens, model_ref=model, provider_api_url=base_url or OPENAI)
        except LookupError:
            return None
        return float(found.total_price)

    return price
