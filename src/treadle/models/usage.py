"""From what a provider counted to our Usage, and to what it costs."""

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
    """The server's count; None where it makes no sense."""
    try:
        usage = msgspec.convert(raw, _Usage, strict=False)
    except msgspec.ValidationError:
        return None
    read, wrote = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if not read and not wrote:
        return None
    wrote = max(
        wrote, (usage.total_tokens or 0) - read
    )  # Gemini counts its thoughts in the total only
    cached = (
        (usage.prompt_tokens_details or _Details()).cached_tokens
        or usage.prompt_cache_hit_tokens
        or 0
    )
    reasoning = (usage.completion_tokens_details or _Details()).reasoning_tokens or 0
    return Usage(read, wrote, min(cached, read), min(reasoning, wrote))


def find_context_tokens(model: str, base_url: str | None) -> int | None:
    """How many tokens the model takes, by the table that genai-prices carries, offline; None where it doesn't say."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, None, base_url or OPENAI)
    except LookupError:
        return None
    return found.context_window


def find_price(model: str, base_url: str | None) -> Callable[[Usage], float | None]:
    """By the price table that genai-prices carries, offline; None for a model or an address that isn't in it."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def price(usage: Usage) -> float | None:
        tokens = Tokens(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        )
        try:
            return float(
                calc_price(tokens, model_ref=model, provider_api_url=base_url or OPENAI).total_price
            )
        except LookupError:
            return None

    return price
