"""Makes our table of prices of that of the library genai-prices.

`python -m treadle.models.export_prices` writes the table that ships, of the version installed here.
The same is done in memory where a newer version is installed than the one that ships.
"""

from datetime import UTC, date, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .price_data import (
    SHIPPED,
    Condition,
    PriceData,
    PricedModel,
    PricedProvider,
    PriceSet,
    Values,
    Variant,
)

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

_NAMES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "requests_kcount": "requests",
    "web_searches_kcount": "web_search",
    "social_searches_kcount": "x_search",
    "storage_searches_kcount": "file_search",
    "code_executions_kcount": "code_execution",
}
"""The library's names and ours, of the prices that Treadle reads."""


def export_prices() -> PriceData:
    """The table of the installed genai-prices. Raises ImportError if it isn't installed."""
    from genai_prices.data_snapshot import get_snapshot

    providers = [_export_provider(each) for each in get_snapshot().providers]
    return PriceData(version("genai-prices"), providers)


def _export_provider(provider: "Provider") -> PricedProvider:
    models = [_export_model(model) for model in provider.models]
    return PricedProvider(
        provider.id, provider.api_pattern, provider.fallback_model_providers or [], models
    )


def _export_model(model: "ModelInfo") -> PricedModel:
    if isinstance(model.prices, list):
        sets = [PriceSet(_values(each.prices), _when(each.constraint)) for each in model.prices]
    else:
        sets = [PriceSet(_values(model.prices))]
    variants = [
        Variant(each.when, _values(each.prices), _when(each.constraint))
        for each in model.price_variants or ()
    ]
    return PricedModel(_clause(model.match), sets, variants, model.context_window)


def _clause(match: Any) -> dict[str, Any]:
    """Such as {"or": [{"equals": "gpt-4o"}, {"starts_with": "gpt-4o-2024"}]}."""
    ((name, value),) = vars(match).items()
    if isinstance(value, list):
        return {name.rstrip("_"): [_clause(each) for each in value]}
    return {name: value}


def _values(prices: Any) -> Values:
    found: Values = {}
    for name, value in vars(prices).items():
        if name not in _NAMES or value is None:
            continue
        price: str | list[tuple[int, str]] = str(getattr(value, "base", value))
        if hasattr(value, "tiers"):
            price = [(-1, str(value.base))]
            price += [(tier.start, str(tier.price)) for tier in value.tiers]
        found[_NAMES[name]] = price
    return found


def _when(constraint: Any) -> Condition | None:
    if constraint is None:
        return None
    if hasattr(constraint, "start_date"):
        return Condition(since=constraint.start_date.isoformat())
    return Condition(after=_utc(constraint.start_time), until=_utc(constraint.end_time))


def _utc(at: time) -> str:
    moment = datetime.combine(date(1970, 1, 1), at)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.time().isoformat()


def _write(path: Path) -> None:
    """One line a model, so that a new version's changes can be read."""
    data = export_prices()
    lines = []
    for provider in data.providers:
        models = ",\n".join(f"  {msgspec.json.encode(each).decode()}" for each in provider.models)
        head = msgspec.json.encode(msgspec.structs.replace(provider, models=[])).decode()
        lines.append(f"{head.removesuffix(']}')}\n{models}\n]}}")
    text = f'{{"version":"{data.version}","providers":[\n' + ",\n".join(lines) + "\n]}\n"
    path.write_text(text, "utf8")


if __name__ == "__main__":
    _write(SHIPPED)
