"""The table of prices and context windows by provider and model: what it holds, and looking it up.

It ships as prices.json, made of the library genai-prices (MIT licence, by Pydantic), so that nobody
has to install that one. Where a newer version of it is installed, that one's prices are used.
"""

import functools
import re
from collections.abc import Mapping
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

SHIPPED = Path(__file__).with_name("prices.json")
_COMPACT_DATE = re.compile(r"(?<=-)(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
Values = dict[str, str | list[tuple[int, str]]]
"""Prices by their names in Prices, and those of the tools that a provider runs, in US dollars.

One price is a text; a list has pairs: above how many tokens of the prompt, which price.
"""


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a price holds: since a day, or daily between two times. All in UTC."""

    since: str = ""
    after: str = ""
    until: str = ""

    def holds(self, moment: datetime) -> bool:
        if self.since:
            return moment.date().isoformat() >= self.since
        at = moment.time().isoformat()
        if self.until < self.after:  # over midnight
            return at >= self.after or at < self.until
        return self.after <= at < self.until


class PriceSet(msgspec.Struct, frozen=True, omit_defaults=True):
    values: Values
    when: Condition | None = None


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """Other prices for requests of this kind, such as {"service_tier": "flex"}."""

    kind: dict[str, str]
    values: Values
    when: Condition | None = None


class PricedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    match: dict[str, Any]
    """Which names are this model's: see `fits`."""
    prices: list[PriceSet]
    variants: list[Variant] = []
    context_window: int | None = None

    def values(self, moment: datetime, kind: Mapping[str, str]) -> Values:
        """The prices at this time (in UTC) for requests of this kind."""
        found = self.prices[0].values
        for each in self.prices:  # the last one that holds
            if each.when is None or each.when.holds(moment):
                found = each.values
        for variant in reversed(self.variants):  # the first one that holds
            fits_kind = all(kind.get(name) == value for name, value in variant.kind.items())
            if fits_kind and (variant.when is None or variant.when.holds(moment)):
                found = found | variant.values
        return found


class PricedProvider(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    address: str
    """A pattern of its addresses."""
    lenders: list[str]
    """The providers whose prices hold for models that it doesn't have itself."""
    models: list[PricedModel]

    def find(self, name: str) -> PricedModel | None:
        for model in self.models:
            if fits(model.match, name):
                return model
        return None


class PriceData(msgspec.Struct, frozen=True):
    version: str
    """Of genai-prices."""
    providers: list[PricedProvider]

    def find(self, model: str, address: str) -> tuple[PricedModel, bool] | None:
        """What is known of a model at an address, and whether that provider says so itself.

        Variants hold only if it does.
        """
        provider = self._find_provider(address)
        if provider is None:
            return None
        model = model.lower()
        lenders = [each for name in provider.lenders for each in self.providers if each.id == name]
        for name in (model, _with_dashes(model)):
            for each in (provider, *lenders):
                found = each.find(name)
                if found:
                    return found, each is provider
        return None

    def _find_provider(self, address: str) -> PricedProvider | None:
        for provider in self.providers:
            if re.match(provider.address, address):
                return provider
        return None


def fits(clause: Mapping[str, Any], name: str) -> bool:
    """Whether a name in lower case fits a clause such as {"or": [{"equals": "gpt-4o"}, …]}."""
    ((how, what),) = clause.items()
    match how:
        case "or":
            return any(fits(each, name) for each in what)
        case "and":
            return all(fits(each, name) for each in what)
        case "equals":
            return name == str(what).lower()
        case "starts_with":
            return name.startswith(str(what).lower())
        case "ends_with":
            return name.endswith(str(what).lower())
        case "contains":
            return str(what).lower() in name
        case _:
            return how == "regex" and bool(re.search(what, name))


def _with_dashes(name: str) -> str:
    """A name such as gpt-5.2-20251211 with its date as the table writes it, 2025-12-11."""

    def write(found: re.Match[str]) -> str:
        try:
            return date(*map(int, found.groups())).isoformat()
        except ValueError:
            return found[0]

    return _COMPACT_DATE.sub(write, name)


@functools.cache
def load_prices() -> PriceData:
    """The table that ships, or that of a newer genai-prices, where one is installed."""
    shipped = msgspec.json.decode(SHIPPED.read_bytes(), type=PriceData)
    try:
        installed = version("genai-prices")
    except PackageNotFoundError:
        return shipped
    if not is_newer(installed, shipped.version):
        return shipped
    from .export_prices import export_prices

    return export_prices()


def is_newer(version: str, other: str) -> bool:
    """Whether one version, such as 0.2.10, is newer than another, such as 0.2.9."""
    numbers = [[int(each) for each in re.findall(r"\d+", text)] for text in (version, other)]
    return numbers[0] > numbers[1]
