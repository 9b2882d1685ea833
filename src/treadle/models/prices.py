"""Prices of a model's tokens, as a user gives them or a table has them, and the arithmetic.

All of it is decimal, so that a cost has no rounding of floats. What has no price is None, never 0.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.events import Usage

_MILLION = Decimal(10**6)
_THOUSAND = Decimal(10**3)


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars for a million tokens of each class. None: as the class that it is a part of."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    """A part of what was written; None: as `cache_write`."""
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    requests: Decimal = Decimal(0)
    """For a thousand requests."""
    provider_calls: dict[str, Decimal] = {}
    """For a thousand runs of each of the provider's own tools, such as {"web_search": 10}."""

    def cost(self, usage: Usage) -> Decimal | None:
        """The exact cost; None if the provider ran a tool of its own that has no price here."""
        if not usage.total_tokens:
            return Decimal(0)
        plain_in, plain_out = usage.input_tokens, usage.output_tokens
        millionths = Decimal(0)
        if usage.cached_tokens:  # most parts are 0, and a reservation asks for many costs
            read = min(usage.cached_tokens, plain_in)
            plain_in -= read
            millionths += read * _first(self.cache_read, self.input)
        if usage.cache_write_tokens:
            written = min(usage.cache_write_tokens, plain_in)
            written_1h = min(usage.cache_write_1h_tokens, written)
            plain_in -= written
            write = _first(self.cache_write, self.input)
            millionths += (written - written_1h) * write
            millionths += written_1h * _first(self.cache_write_1h, write)
        if usage.audio_input_tokens:
            heard = min(usage.audio_input_tokens, plain_in)
            plain_in -= heard
            millionths += heard * _first(self.audio_input, self.input)
        if usage.audio_output_tokens:
            spoken = min(usage.audio_output_tokens, plain_out)
            plain_out -= spoken
            millionths += spoken * _first(self.audio_output, self.output)
        if usage.reasoning_tokens:
            thought = min(usage.reasoning_tokens, plain_out)
            plain_out -= thought
            millionths += thought * _first(self.reasoning, self.output)
        millionths += plain_in * self.input + plain_out * self.output
        sum_usd = millionths / _MILLION
        if self.requests:
            sum_usd += self.requests / _THOUSAND
        for name, count in usage.provider_calls.items():
            if name not in self.provider_calls:
                return None
            sum_usd += count * self.provider_calls[name] / _THOUSAND
        return sum_usd


def check_prices(given: Prices | Mapping[str, Any] | None) -> Prices | None:
    """The prices that a user gives for a model. Raises UsageError: what is wrong, what there is."""
    if given is None or isinstance(given, Prices):
        prices = given
    else:
        try:
            prices = msgspec.convert(given, Prices)
        except msgspec.ValidationError as error:
            text = str(error)
            classes = ", ".join(Prices.__struct_fields__)
            raise UsageError(
                f"prices={given!r}: {text[:1].lower()}{text[1:]}; prices are US dollars for a"
                f" million tokens, as {{'input': 0.2, 'output': 0.8}}; there are: {classes}"
            ) from None
    for value in _numbers(prices):
        if not value.is_finite() or value < 0:
            raise UsageError(f"prices={given!r}: {value} is no price; it must be 0 or more")
    return prices


def _first(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price


def _numbers(prices: Prices | None) -> list[Decimal]:
    if prices is None:
        return []
    values = [getattr(prices, name) for name in Prices.__struct_fields__]
    numbers = [value for value in values if isinstance(value, Decimal)]
    return numbers + list(prices.provider_calls.values())
