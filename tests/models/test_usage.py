"""What providers count, in the spellings of their documentation, against genai-prices' reading."""

from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from server import delta, stream
from treadle import Usage
from treadle.models.chat.dialect import CHAT
from treadle.models.reply_reader import ReplyReader
from treadle.models.usage import MAX_NAMES, parse_usage


def read(*chunks: dict[str, Any]) -> Usage:
    reader = ReplyReader(CHAT)
    reader.feed(stream(*chunks))
    return reader.finish(100).usage


OPENAI = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 900, "audio_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 40},
}
ANTHROPIC = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 500,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 70,
    "output_tokens_details": {"thinking_tokens": 30},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
}
DEEPSEEK = {
    "prompt_tokens": 100,
    "prompt_cache_hit_tokens": 64,
    "prompt_cache_miss_tokens": 36,
    "completion_tokens": 40,
    "total_tokens": 140,
    "completion_tokens_details": {"reasoning_tokens": 30},
}
XAI = {
    "prompt_tokens": 125,
    "completion_tokens": 8,
    "total_tokens": 173,
    "prompt_tokens_details": {"text_tokens": 125, "audio_tokens": 0, "cached_tokens": 98},
    "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 0},
    "cost_in_usd_ticks": 37756000,
    "server_side_tool_usage_details": {"web_search_calls": 3, "x_search_calls": 0},
}
PERPLEXITY = {
    "prompt_tokens": 33,
    "completion_tokens": 100,
    "total_tokens": 133,
    "citation_tokens": 500,
    "num_search_queries": 28,
    "reasoning_tokens": 900,
    "cost": {"input_tokens_cost": 0.1, "total_cost": 0.25},
}
QWEN = {
    "prompt_tokens": 1600,
    "completion_tokens": 10,
    "total_tokens": 1610,
    "prompt_tokens_details": {
        "cached_tokens": 0,
        "cache_creation_input_tokens": 1500,
        "cache_creation": {"ephemeral_5m_input_tokens": 1500},
    },
}
LITELLM_INSIDE = {
    "prompt_tokens": 1284,
    "completion_tokens": 467,
    "total_tokens": 1751,
    "prompt_tokens_details": {
        "cached_tokens": 0,
        "cache_creation_tokens": 1253,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": 1253},
    },
    "cache_creation_input_tokens": 1253,
    "cache_read_input_tokens": 0,
}
LITELLM_BESIDE = {
    "prompt_tokens": 31,
    "completion_tokens": 467,
    "total_tokens": 498,
    "prompt_tokens_details": {"cached_tokens": 0},
    "cache_creation_input_tokens": 1253,
    "cache_read_input_tokens": 0,
}
OPENROUTER = {
    "prompt_tokens": 194,
    "completion_tokens": 2,
    "total_tokens": 196,
    "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cost": 0.95,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0.94},
}
RESPONSES = {
    "input_tokens": 125,
    "output_tokens": 48,
    "total_tokens": 173,
    "input_tokens_details": {"cached_tokens": 98, "cache_write_tokens": 20},
    "output_tokens_details": {"reasoning_tokens": 5},
}


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (
            OPENAI,
            Usage(2006, 300, 1000, 200, False, 900, audio_input_tokens=6, audio_output_tokens=40),
        ),
        (
            ANTHROPIC,
            Usage(
                1550,
                70,
                1000,
                30,
                False,
                500,
                100,
                provider_calls={"web_search": 2, "web_fetch": 1},
            ),
        ),
        (DEEPSEEK, Usage(100, 40, 64, 30)),
        (
            XAI,
            Usage(125, 48, 98, 40, provider_calls={"web_search": 3}, reported_usd=0.0037756),
        ),
        (
            PERPLEXITY,
            Usage(33, 1500, 0, 900, provider_calls={"web_search": 28}, reported_usd=0.25),
        ),
        (QWEN, Usage(1600, 10, cache_write_tokens=1500)),
        (LITELLM_INSIDE, Usage(1284, 467, 0, 0, False, 1253, 1253)),
        (LITELLM_BESIDE, Usage(1284, 467, cache_write_tokens=1253)),
        (OPENROUTER, Usage(194, 2, cache_write_tokens=100, reported_usd=0.95)),
        (RESPONSES, Usage(125, 48, 98, 5, cache_write_tokens=20)),
        ({"prompt_tokens": 0, "input_tokens": 9, "output_tokens": 1}, Usage(9, 1)),
        (ANTHROPIC | {"prompt_tokens": 1550}, parse_usage(ANTHROPIC)),
        (ANTHROPIC | {"prompt_tokens": 50}, parse_usage(ANTHROPIC)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}, Usage(9, 1, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "num_cached_tokens": 4}, Usage(9, 1, 4)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "estimated_cost": 2e-7},
            Usage(9, 1, reported_usd=2e-7),
        ),
        # With one's own key for the provider behind the gateway, both charge.
        (OPENROUTER | {"is_byok": True}, Usage(194, 2, 0, 0, False, 100, reported_usd=1.89)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "speed": "fast"},
            Usage(9, 1, service_tier="fast"),
        ),
        # What makes no sense in a part counts as 0, and a part is never larger than the whole.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": "many", "audio_tokens": -1},
                "server_tool_use": {"web_search_requests": None, "web_fetch_requests": 0},
                "cost": -1,
                "service_tier": 7,
            },
            Usage(9, 1, 8, cache_write_tokens=1),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": True}, Usage(9, 1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": None}, Usage(9, 1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": float("nan")}, Usage(9, 1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": 10**400}, Usage(9, 1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cost": 0}, Usage(9, 1, reported_usd=0.0)),
        ({"prompt_tokens": 9, "server_tool_use": "yes"}, Usage(9, 0)),
    ],
)
def test_every_spelling_is_read(counted: dict[str, Any], expected: Usage) -> None:
    assert parse_usage(counted) == expected


TABLE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "input_audio_tokens": "audio_input_tokens",
    "output_audio_tokens": "audio_output_tokens",
}
"""The table's names of counts, and ours."""


@pytest.mark.parametrize(
    ("provider", "flavor", "counted"),
    [
        ("openai", "chat", OPENAI),
        ("openai", "responses", RESPONSES),
        ("openrouter", "chat", OPENROUTER),
        ("azure", "chat", OPENAI),
        ("groq", "default", OPENAI | {"prompt_tokens_details": {"cached_tokens": 1000}}),
        ("google", "chat", OPENAI | {"prompt_tokens_details": {"cached_tokens": 1000}}),
        ("mistral", "default", OPENAI | {"prompt_tokens_details": {"cached_tokens": 1000}}),
        ("anthropic", "default", ANTHROPIC),
        ("x-ai", "chat", XAI),
        ("perplexity", "default", PERPLEXITY),
    ],
)
def test_genai_prices_reads_the_same_where_it_reads_that_count(
    provider: str, flavor: str, counted: dict[str, Any]
) -> None:
    [found] = [each for each in get_snapshot().providers if each.id == provider]
    _, theirs = found.extract_usage({"usage": counted}, api_flavor=flavor)
    ours = parse_usage(counted)
    assert ours
    for name, own in TABLE.items():
        if name in vars(theirs):
            assert getattr(ours, own) == vars(theirs)[name], name
    if "web_searches" in vars(theirs):
        assert ours.provider_calls["web_search"] == vars(theirs)["web_searches"]


COUNT = {"prompt_tokens": 7, "completion_tokens": 3}


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [], "usage": COUNT},
        {"choices": [], "x_groq": {"id": "req_1", "usage": COUNT}},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNT}]},
        {"choices": [{"index": 0, "delta": {}}], "usage": COUNT, "x_groq": {"id": "req_1"}},
    ],
)
def test_a_count_is_found_wherever_it_stands(chunk: dict[str, Any]) -> None:
    assert read(delta("stop", content="yes"), chunk) == Usage(7, 3)


def test_the_tier_that_a_reply_was_served_in_is_kept() -> None:
    last = {"choices": [], "usage": COUNT, "service_tier": "priority"}
    assert read(delta("stop", content="yes"), last).service_tier == "priority"


def test_the_names_of_a_provider_s_tools_are_bounded() -> None:
    many = {f"tool{number}_requests": 1 for number in range(1000)} | {"x" * 500: 1}
    found = parse_usage(COUNT | {"server_tool_use": many})
    assert found
    assert len(found.provider_calls) == MAX_NAMES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [*OPENAI, *ANTHROPIC, *XAI, *PERPLEXITY, *OPENROUTER, *QWEN["prompt_tokens_details"]]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_a_server_counts_no_part_is_larger_than_its_whole(counted: Any) -> None:
    found = parse_usage(counted)
    if found is None:
        return
    assert found.cached_tokens + found.cache_write_tokens <= found.input_tokens
    assert 0 <= found.cache_write_1h_tokens <= found.cache_write_tokens
    assert 0 <= found.audio_input_tokens <= found.input_tokens
    assert max(found.reasoning_tokens, found.audio_output_tokens) <= found.output_tokens
    assert found.reported_usd is None or 0 <= found.reported_usd < float("inf")


def test_sums_have_every_count() -> None:
    one = Usage(10, 5, 4, 3, False, 2, 1, 6, 5, {"web_search": 1}, "priority", 0.1)
    two = Usage(1, 1, 1, 1, True, 1, 1, 1, 1, {"web_search": 2, "web_fetch": 1}, "priority", 0.2)
    calls = {"web_search": 3, "web_fetch": 1}
    assert one + two == Usage(11, 6, 5, 4, True, 3, 2, 7, 6, calls, "priority", 0.3)
    assert one.provider_calls == {"web_search": 1}
    assert (one + Usage(1, 1)).reported_usd == 0.1
    assert (one + Usage(1, 1, service_tier="flex")).service_tier == ""
