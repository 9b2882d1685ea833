"""Reads what a provider counted at one call, in all spellings that are in use.

Most providers count as OpenAI does; each has names of its own for what OpenAI doesn't have. The
spellings are those of the providers' documentation and of genai-prices, read 2026-11-26.

1. `input_tokens` of a Usage has what was read from the cache and written to it, `output_tokens` has
   all reasoning. Anthropic and those that copy its names count the cache beside the input; xAI and
   Perplexity count reasoning beside the output.
2. A count of a part that makes no sense counts as 0. If the counts of the whole make none, there is
   no Usage, and an estimate takes its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from ..core.events import Usage

_MAX_COUNT = 10**12
_Count = Annotated[int, msgspec.Meta(ge=0, le=_MAX_COUNT)]
_Path = tuple[str, ...]
_Counts = Mapping[_Path, Any]

MAX_NAMES = 32
"""The most tools of its own that a provider can count at one call."""

_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_REPLY_DETAILS = ("completion_tokens_details", "output_tokens_details")


def _within(parents: Iterable[str], *names: str) -> tuple[_Path, ...]:
    return tuple((parent, name) for parent in parents for name in names)


_INPUT: tuple[_Path, ...] = (("prompt_tokens",), ("input_tokens",))
_OUTPUT: tuple[_Path, ...] = (("completion_tokens",), ("output_tokens",))
_TOTAL: tuple[_Path, ...] = (("total_tokens",),)
_BESIDE_INPUT: tuple[_Path, ...] = (
    ("cache_read_input_tokens",),
    ("cache_creation_input_tokens",),
)
"""Anthropic's names of what it counts beside the input; see `_is_cache_beside_input`."""
_READ = (
    *_within(_PROMPT_DETAILS, "cached_tokens", "cache_read_tokens", "cache_read_input_tokens"),
    ("cache_read_input_tokens",),
    ("prompt_cache_hit_tokens",),  # DeepSeek
    ("cached_tokens",),  # Moonshot, Together
    ("num_cached_tokens",),  # Mistral
    ("cached_prompt_text_tokens",),  # xAI
)
_WRITTEN = (
    *_within(
        _PROMPT_DETAILS,
        "cache_write_tokens",  # OpenAI, OpenRouter
        "cache_creation_tokens",  # LiteLLM
        "cache_creation_input_tokens",  # Qwen
    ),
    ("cache_creation_input_tokens",),
)
_LIFETIMES: tuple[_Path, ...] = (
    ("cache_creation",),
    *_within(_PROMPT_DETAILS, "cache_creation", "cache_creation_token_details"),
)
"""Where Anthropic, Qwen and LiteLLM divide what was written by how long it is kept."""
_WRITTEN_5M = tuple((*path, "ephemeral_5m_input_tokens") for path in _LIFETIMES)
_WRITTEN_1H = tuple((*path, "ephemeral_1h_input_tokens") for path in _LIFETIMES)
_REASONING = (
    *_within(_REPLY_DETAILS, "reasoning_tokens", "thinking_tokens"),
    ("reasoning_tokens",),
)
_AUDIO_INPUT = _within(_PROMPT_DETAILS, "audio_tokens")
_AUDIO_OUTPUT = _within(_REPLY_DETAILS, "audio_tokens")
_WHOLE = frozenset((*_INPUT, *_OUTPUT, *_TOTAL))
"""The names of counts that aren't of a part."""
_BESIDE_OUTPUT: tuple[_Path, ...] = (("reasoning_tokens",),)
_CITATIONS: tuple[_Path, ...] = (("citation_tokens",),)
_PERPLEXITY = ("citation_tokens", "num_search_queries")
_WEB_SEARCHES = (("num_search_queries",), *_within(_PROMPT_DETAILS, "web_search_requests"))
_PROVIDER_CALLS = (
    "server_tool_use",  # Anthropic, OpenRouter
    "server_side_tool_usage_details",  # xAI
    "tool_calls_details",  # Perplexity
)
_TOOL_NAMES: dict[str, str] = {"search_web": "web_search", "code_interpreter": "code_execution"}
_COSTS = frozenset(("cost_in_usd_ticks", "cost", "estimated_cost"))
_TICKS = Decimal(10**10)
"""xAI's parts of a US dollar (https://docs.x.ai/developers/cost-tracking)."""
_MOST = 10**18
"""No number that stands for money is higher."""


def find_usage(chunk: Any) -> Usage | None:
    """The count in one chunk of a chat completion: of the chunk, of its choice, or of `x_groq`.

    `chunk` has the fields `usage`, `x_groq`, `choices` and `service_tier`.
    """
    raw = chunk.usage
    if not raw and chunk.choices:
        raw = chunk.choices[0].usage  # Moonshot
    if not raw and isinstance(chunk.x_groq, dict):
        raw = chunk.x_groq.get("usage")
    if not raw:
        return None
    return parse_usage(raw, chunk.service_tier)


def parse_usage(raw: Any, service_tier: Any = None) -> Usage | None:
    """The provider's count as a Usage; None if it makes no sense.

    `service_tier` is what the reply says outside of its count.
    """
    if not isinstance(raw, dict):
        return None
    counts = _flatten(raw)
    try:
        input_tokens = _count_whole(counts, _INPUT)
        output_tokens = _count_whole(counts, _OUTPUT)
        total_tokens = _count_whole(counts, _TOTAL)
    except msgspec.ValidationError:
        return None
    if counts.keys() <= _WHOLE:  # as most counts are
        if not input_tokens and not output_tokens:
            return None
        output_tokens = max(output_tokens, total_tokens - input_tokens)
        tier, reported_usd = _find_tier(raw, service_tier), _find_reported_usd(raw)
        return Usage(input_tokens, output_tokens, service_tier=tier, reported_usd=reported_usd)
    read = _count_part(counts, _READ)
    written_1h = _count_part(counts, _WRITTEN_1H)
    written = max(_count_part(counts, _WRITTEN), written_1h + _count_part(counts, _WRITTEN_5M))
    if _is_cache_beside_input(counts, "prompt_tokens" in raw, input_tokens):
        input_tokens += read + written
    if any(name in raw for name in _PERPLEXITY):
        output_tokens += _count_part(counts, _BESIDE_OUTPUT)
        output_tokens += _count_part(counts, _CITATIONS)
    if not input_tokens and not output_tokens:
        return None
    # Gemini and xAI count their reasoning only in the total.
    output_tokens = max(output_tokens, total_tokens - input_tokens)
    read = min(read, input_tokens)
    written = min(written, input_tokens - read)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=read,
        reasoning_tokens=min(_count_part(counts, _REASONING), output_tokens),
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written_1h, written),
        audio_input_tokens=min(_count_part(counts, _AUDIO_INPUT), input_tokens),
        audio_output_tokens=min(_count_part(counts, _AUDIO_OUTPUT), output_tokens),
        provider_calls=_count_provider_calls(raw, counts),
        service_tier=_find_tier(raw, service_tier),
        reported_usd=_find_reported_usd(raw),
    )


def _is_cache_beside_input(counts: _Counts, is_openai_s: bool, input_tokens: int) -> bool:
    """Whether the input doesn't have what was read from the cache and written to it.

    So it is in Anthropic's own count. Gateways use its names beside OpenAI's `prompt_tokens`, some
    with the cache in them and some without: then only the sizes tell.
    """
    beside = sum(_count_part(counts, (path,)) for path in _BESIDE_INPUT)
    return bool(beside) and (not is_openai_s or beside > input_tokens)


def _flatten(raw: Mapping[str, Any], depth: int = 3) -> _Counts:
    """What stands under each path of at most so many names, without what is 0 or nothing."""
    counts: dict[_Path, Any] = {}
    for name, value in raw.items():
        if isinstance(value, dict) and depth > 1:
            for path, inner in _flatten(value, depth - 1).items():
                counts[(name, *path)] = inner
        elif value is not None and not (type(value) is int and value == 0):
            counts[(name,)] = value
    return counts


def _values(counts: _Counts, paths: Iterable[_Path]) -> list[Any]:
    return [counts[path] for path in paths if path in counts]


def _count_whole(counts: _Counts, paths: Iterable[_Path]) -> int:
    """The highest count under these names. Raises ValidationError for what is none."""
    return max(_to_counts(_values(counts, paths)), default=0)


def _count_part(counts: _Counts, paths: Iterable[_Path]) -> int:
    """The highest count under these names: some providers send one under two, and one of them 0."""
    return max(map(_to_count, _values(counts, paths)), default=0)


def _to_counts(values: Sequence[Any]) -> Sequence[int]:
    """Raises ValidationError for what is no count."""
    if all(type(value) is int and 0 <= value <= _MAX_COUNT for value in values):
        return values
    return msgspec.convert(values, list[_Count], strict=False)


def _to_count(value: Any) -> int:
    if type(value) is int and 0 <= value <= _MAX_COUNT:
        return value
    try:
        return msgspec.convert(value, _Count, strict=False)
    except msgspec.ValidationError:
        return 0


def _count_provider_calls(raw: Mapping[str, Any], all_counts: _Counts) -> dict[str, int]:
    """How often each tool of the provider ran, by one name for the same tool everywhere."""
    counts: dict[str, int] = {}
    for kind in _PROVIDER_CALLS:
        given = raw.get(kind)
        if not isinstance(given, dict):
            continue
        for key, value in given.items():
            name = str(key).removesuffix("_requests").removesuffix("_calls")[:64]
            name = _TOOL_NAMES.get(name, name)
            ran = value.get("invocation") if isinstance(value, dict) else value
            counts[name] = max(counts.get(name, 0), _to_count(ran))
    counts["web_search"] = max(counts.get("web_search", 0), _count_part(all_counts, _WEB_SEARCHES))
    known = [(name, count) for name, count in counts.items() if count]
    return dict(known[:MAX_NAMES])


def _find_tier(raw: Mapping[str, Any], service_tier: Any) -> str:
    if raw.get("speed") == "fast":  # Anthropic
        return "fast"
    for value in (raw.get("service_tier"), service_tier):
        if isinstance(value, str) and value:
            return value[:64]
    return ""


def _find_reported_usd(raw: Mapping[str, Any]) -> float | None:
    """The cost that the provider says, in US dollars; None if it says none that makes sense."""
    if _COSTS.isdisjoint(raw):
        return None
    ticks = _to_decimal(raw.get("cost_in_usd_ticks"))
    if ticks is not None:
        return float(ticks / _TICKS)
    cost = raw.get("cost", raw.get("estimated_cost"))  # DeepInfra has the latter
    if isinstance(cost, dict):  # Perplexity
        cost = cost.get("total_cost")
    charged = _to_decimal(cost)
    if charged is None:
        return None
    # With a key of one's own for the provider behind OpenRouter, that provider charges too.
    # https://openrouter.ai/docs/use-cases/usage-accounting
    details = raw.get("cost_details")
    if isinstance(details, dict) and raw.get("is_byok", True):
        charged += _to_decimal(details.get("upstream_inference_cost")) or 0
    return float(charged)


def _to_decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= _MOST:  # nor is NaN
        return None
    return Decimal(repr(value))
