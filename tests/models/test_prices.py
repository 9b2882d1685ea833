"""Prices that users give, and prices of the table of genai-prices against its own arithmetic."""

import functools
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import Usage
from treadle.core.errors import UsageError
from treadle.core.limits import worst_cost
from treadle.models.price_table import find_price, make_price
from treadle.models.prices import Prices, check_prices
from treadle.models.remote_model import RemoteModel
from treadle.models.settings import with_settings
from treadle.models.usage import parse_usage

OPENROUTER = "https://openrouter.ai/api/v1"
ANTHROPIC = "https://api.anthropic.com/v1/"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_what_is_written_to_the_cache_is_priced() -> None:
    counted = {
        "prompt_tokens": 10000,
        "completion_tokens": 100,
        "total_tokens": 10100,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 9000},
    }
    used = parse_usage(counted)
    assert used
    theirs = TheirUsage(input_tokens=10000, cache_write_tokens=9000, output_tokens=100)
    model = "anthropic/claude-sonnet-4.5"
    right = calc_price(theirs, model_ref=model, provider_api_url=OPENROUTER).total_price
    assert find_price(model, OPENROUTER)(used) == float(right) == 0.03825


URLS = {
    "anthropic": ANTHROPIC,
    "deepseek": "https://api.deepseek.com",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "groq": "https://api.groq.com/openai/v1",
    "minimax": "https://api.minimax.io/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshotai": "https://api.moonshot.ai/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": OPENROUTER,
    "perplexity": "https://api.perplexity.ai",
    "together": "https://api.together.xyz/v1",
    "x-ai": "https://api.x.ai/v1",
}


@functools.cache
def chat_models() -> list[tuple[str, str]]:
    """Address and name of the table's models that are priced by the token, in and out."""
    found = []
    for provider in get_snapshot().providers:
        url = URLS.get(provider.id)
        for info in provider.models if url else ():
            keys = {key for key, value in vars(info.get_prices(NOW)).items() if value is not None}
            if {"input_mtok", "output_mtok"} <= keys and info.is_match(info.id):
                found.append((str(url), info.id))
    return found


@st.composite
def usages(draw: st.DrawFn, prompt: int, reply: int) -> Usage:
    """Any usage of so many tokens in and out."""
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    hour = draw(st.integers(0, written))
    heard = draw(st.integers(0, prompt - read - written))
    thought = draw(st.integers(0, reply))
    spoken = draw(st.integers(0, reply - thought))
    return Usage(prompt, reply, read, thought, False, written, hour, heard, spoken)


SIZES = st.sampled_from((0, 1, 900, 120_000, 200_001, 300_000)) | st.integers(0, 400_000)


@given(st.data(), SIZES, st.integers(0, 20_000))
@settings(max_examples=60)
def test_costs_are_those_that_the_table_calculates(
    data: st.DataObject, prompt: int, reply: int
) -> None:
    url, model = data.draw(st.sampled_from(chat_models()))
    used = data.draw(usages(prompt, reply + 1))
    theirs = TheirUsage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cached_tokens,
        cache_write_tokens=used.cache_write_tokens,
        cache_write_1h_tokens=used.cache_write_1h_tokens,
        input_audio_tokens=used.audio_input_tokens,
        cache_audio_read_tokens=0,
        output_reasoning_tokens=used.reasoning_tokens,
        output_audio_tokens=used.audio_output_tokens,
        web_searches=0,
        storage_searches=0,
    )
    right = calc_price(
        theirs,
        model_ref=model,
        provider_api_url=url,
        genai_request_timestamp=NOW,
    )
    cost_usd = find_price(model, url, clock=NOW.timestamp)(used)
    assert cost_usd == float(right.total_price)


@given(st.data(), SIZES, st.integers(0, 20_000), st.integers(0, 500), st.integers(0, 500))
def test_no_usage_of_any_model_costs_more_than_its_reservation(
    data: st.DataObject, prompt: int, reply: int, more_in: int, more_out: int
) -> None:
    url, model = data.draw(st.sampled_from(chat_models()))
    price = find_price(model, url, clock=NOW.timestamp)
    reserved_usd = worst_cost(price, prompt + more_in, reply + more_out, has_audio=True)
    cost_usd = price(data.draw(usages(prompt, reply)))
    assert reserved_usd is not None
    assert cost_usd is not None
    assert cost_usd <= reserved_usd


def test_a_reservation_has_the_whole_prompt_written_to_the_cache() -> None:
    price = find_price("claude-opus-4-5", ANTHROPIC)
    hour = Usage(10_000, 0, cache_write_tokens=10_000, cache_write_1h_tokens=10_000)
    assert price(hour) == 0.1
    assert worst_cost(price, 10_000, 0) == 0.1
    assert price(Usage(10_000)) == 0.05


def test_a_reservation_holds_when_the_price_changes_in_the_course_of_the_day() -> None:
    """DeepSeek's V4 Flash costs twice as much from 1 to 4 and from 6 to 10 (UTC)."""
    now = [datetime(2026, 11, 26, 0, 55, tzinfo=UTC).timestamp()]
    price = find_price("deepseek-v4-flash", URLS["deepseek"], clock=lambda: now[0])
    reserved_usd = worst_cost(price, 1_000_000, 0)
    cheap_usd = price(Usage(1_000_000))
    now[0] += 600
    dear_usd = price(Usage(1_000_000))
    assert (cheap_usd, dear_usd, reserved_usd) == (0.15, 0.3, 0.3)


def test_the_tier_that_served_a_call_is_priced_and_one_that_was_asked_for_is_reserved() -> None:
    standard, priority = Usage(1_000_000), Usage(1_000_000, service_tier="priority")
    plain = find_price("gpt-4o", None)
    asked = make_price("gpt-4o", None, None, {"service_tier": "priority"})
    assert (plain(standard), plain(priority), asked(priority)) == (2.5, 4.25, 4.25)
    assert worst_cost(asked, 1_000_000, 0) == 4.25
    assert asked(Usage(1_000_000, service_tier="default")) == 2.5  # not served as asked
    flex = make_price("gpt-4o", None, None, {"service_tier": "flex"})
    assert worst_cost(flex, 1_000_000, 0) == 2.5
    assert plain(Usage(1_000_000, service_tier="unheard of")) == 2.5
    fast = make_price("claude-opus-5", ANTHROPIC, None, {"speed": "fast"})
    assert fast(Usage(1_000, service_tier="fast")) == 0.01
    assert worst_cost(fast, 1_000, 0) == 0.02  # kept for an hour, too


def test_tools_that_a_provider_runs_are_priced_or_the_cost_is_unknown() -> None:
    price = find_price("claude-opus-4-5", ANTHROPIC)
    plain = price(Usage(1000, 10))
    assert plain
    searched = price(Usage(1000, 10, provider_calls={"web_search": 2, "web_fetch": 5}))
    assert searched == pytest.approx(plain + 0.02)
    assert price(Usage(1000, 10, provider_calls={"moon_walk": 1})) is None


def test_a_model_without_prices_of_tokens_has_none_and_not_0() -> None:
    assert find_price("whisper-1", None)(Usage(1, 1)) is None
    assert find_price("text-embedding-3-small", None)(Usage(1, 1)) is None
    assert find_price("no-such-model", None)(Usage(1, 1)) is None
    assert find_price("gpt-4o", "http://127.0.0.1:1/v1")(Usage(1, 1)) is None


GATEWAY = "http://127.0.0.1:1/v1"


def test_prices_that_a_user_gives_win_and_what_they_leave_out_is_as_its_whole() -> None:
    given = {"input": 1, "output": 4, "cache_write": 1.25, "provider_calls": {"web_search": 10}}
    model = RemoteModel("m", base_url=GATEWAY, prices=given)
    used = Usage(1_000_000, 1_000_000, 100_000, 500_000, False, 200_000, 100_000)
    assert model.cost_usd(used) == 5.05
    assert model.cost_usd(Usage(10, provider_calls={"web_search": 1})) == 0.01001
    assert RemoteModel("gpt-4o", base_url=None, prices=given).cost_usd(Usage(1_000_000)) == 1.0
    assert RemoteModel("m", base_url=GATEWAY).cost_usd(used) is None
    free = RemoteModel("m", base_url=GATEWAY, prices={"input": 0, "output": 0})
    assert free.cost_usd(used) == 0.0


def test_prices_are_a_setting() -> None:
    plain = RemoteModel("m", base_url=GATEWAY)
    priced = with_settings(plain, {"prices": {"input": 0.1, "output": 0.2}})
    assert priced.cost_usd(Usage(1_000_000, 1_000_000)) == 0.3
    warm = with_settings(priced, {"temperature": 0})
    assert warm.cost_usd(Usage(1_000_000, 1_000_000)) == 0.3
    assert plain.cost_usd(Usage(1)) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"input": 1}, "missing required field `output`"),
        ({"input": 1, "output": 1, "outptu": 1}, "unknown field `outptu`; prices are US dollars"),
        ({"input": "cheap", "output": 1}, "there are: input, output, cache_read"),
        ({"input": -1, "output": 1}, "-1 is no price; it must be 0 or more"),
        ({"input": 1, "output": float("nan")}, "is no price"),
        ({"input": 1, "output": 1, "provider_calls": {"x": float("inf")}}, "Infinity is no price"),
        (0.2, "prices=0.2"),
    ],
)
def test_prices_that_make_no_sense_are_refused(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        RemoteModel("m", base_url=GATEWAY, prices=given)
    with pytest.raises(UsageError):
        check_prices(given)


def test_costs_are_exact() -> None:
    prices = Prices(input=Decimal("0.1"), output=Decimal("0.2"))
    assert prices.cost(Usage(3, 3)) == Decimal("0.0000009")
