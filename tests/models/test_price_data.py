"""The table that ships, against genai-prices: which model a name is, what it costs when, from where it is."""

from datetime import UTC, datetime
from itertools import islice

import msgspec
import pytest
from genai_prices.data_snapshot import get_snapshot

from treadle.models.export_prices import export_prices
from treadle.models.price_data import SHIPPED, Condition, PriceData, fits, is_newer

TIMES = [
    datetime(2024, 6, 1, 3, 30, tzinfo=UTC),
    datetime(2025, 9, 29, 20, 15, tzinfo=UTC),
    datetime(2026, 11, 27, 12, tzinfo=UTC),
]
KINDS = [{}, {"service_tier": "flex", "speed": "fast"}, {"service_tier": "priority"}]
URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1/",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "azure": "https://mine.openai.azure.com/openai/v1/",
    "aws": "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
}


@pytest.fixture(scope="module")
def exported() -> PriceData:
    return export_prices()


def test_what_ships_is_what_its_version_says(exported: PriceData) -> None:
    shipped = msgspec.json.decode(SHIPPED.read_bytes(), type=PriceData)
    if shipped.version == exported.version:
        assert shipped == exported, "run: python -m treadle.models.export_prices"
    assert not is_newer(shipped.version, exported.version)
    assert {"openai", "anthropic", "google"} <= {each.id for each in shipped.providers}


@pytest.mark.slow
def test_a_name_is_the_same_model_at_the_same_price(exported: PriceData) -> None:
    for theirs, ours in zip(get_snapshot().providers, exported.providers, strict=True):
        step = len(theirs.models) // 60 + 1
        for info in islice(theirs.models, 0, None, step):
            for name in (info.id, info.id.replace("-20", "-2.0"), f"{info.id}-20251211"):
                found = theirs.find_model(name)
                model = ours.find(name.lower())
                if found is None or model is None:
                    continue
                assert ours.models.index(model) == theirs.models.index(found)
                assert model.context_window == found.context_window
            for moment in TIMES:
                for kind in KINDS:
                    at = theirs.models.index(info)
                    values = ours.models[at].values(moment, kind)
                    price = info.get_prices(moment, kind)
                    for name, key in (("input", "input_mtok"), ("output", "output_mtok")):
                        right = getattr(price, key)
                        right = getattr(right, "base", right)
                        shown = values.get(name)
                        base = shown[0][1] if isinstance(shown, list) else shown
                        assert base == (None if right is None else str(right))


@pytest.mark.parametrize("provider", URLS)
@pytest.mark.parametrize(
    "name",
    [
        "gpt-5.4-mini",
        "GPT-4o-20241120",
        "claude-opus-4-6",
        "claude-sonnet-4-5-20250929",
        "gemini-2.5-pro",
        "o3-20250416",
        "no-such-model",
    ],
)
def test_a_model_is_found_where_the_library_finds_it(
    exported: PriceData, provider: str, name: str
) -> None:
    found = exported.find(name, URLS[provider])
    try:
        theirs, info = get_snapshot().find_provider_model(name, None, None, URLS[provider])
    except LookupError:
        assert found is None
        return
    assert found
    model, own = found
    assert own == any(info is each for each in theirs.models)
    assert model.context_window == info.context_window


def test_an_unknown_address_has_no_prices(exported: PriceData) -> None:
    assert exported.find("gpt-4o", "http://127.0.0.1:8000/v1") is None


@pytest.mark.parametrize(
    ("hour", "holds"), [(15, False), (17, True), (23, True), (0, True), (1, False)]
)
def test_a_price_may_hold_over_midnight(hour: int, holds: bool) -> None:
    condition = Condition(after="16:30:00", until="00:30:00")
    assert condition.holds(datetime(2026, 1, 1, hour, tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    ("clause", "name", "does"),
    [
        ({"equals": "GPT-4o"}, "gpt-4o", True),
        ({"starts_with": "gpt"}, "my-gpt", False),
        ({"ends_with": "mini"}, "gpt-mini", True),
        ({"contains": "4"}, "gpt-4o", True),
        ({"regex": "^gpt-4.$"}, "gpt-4o", True),
        ({"and": [{"contains": "4"}, {"contains": "5"}]}, "gpt-4o", False),
        ({"or": [{"contains": "4"}, {"contains": "5"}]}, "gpt-4o", True),
        ({"unheard_of": "gpt-4o"}, "gpt-4o", False),
    ],
)
def test_a_clause_says_which_names_fit(clause: dict[str, object], name: str, does: bool) -> None:
    assert fits(clause, name) is does


def test_versions_are_compared_as_numbers() -> None:
    assert is_newer("0.2.10", "0.2.9")
    assert not is_newer("0.2.9", "0.2.9")
    assert is_newer("1.0", "0.2.9")
