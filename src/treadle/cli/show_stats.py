"""`treadle stats`: latencies, errors, retries, cache hits."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ..core.events import Usage
from ..observe.amounts import format_count, format_seconds
from ..observe.stats import Percentiles, Stats, ToolStats, compute_stats
from .agents import choose_database
from .event_query import ONE_THREAD, SINCE, STATS_EVENTS, parse_since, read_events
from .options import StoreOptions, name_thread
from .parameters import make_flag, make_option
from .tables import format_counts, format_table
from .terminal import Screen, print_as_json, print_line


@dataclass(frozen=True, kw_only=True)
class StatsOptions(StoreOptions):
    thread: str | None = name_thread("[THREAD]", ONE_THREAD, default=None)
    since: str | None = make_option("WHEN", SINCE)
    json: bool = make_flag("As a JSON object.")


def stats(settings: StatsOptions) -> int:
    """How the threads did: percentiles of times (nearest rank), errors, retries, cache hits."""
    store = choose_database(settings)
    events = read_events(store, STATS_EVENTS, settings.thread)
    found = compute_stats(events, parse_since(settings.since, time.time()))
    if settings.json:
        print_as_json(_to_json(found))
    elif found.threads:
        print_line(format_table(_rows(found)))
    else:
        when = "since then" if settings.since else "yet"
        Screen().note(f"nothing has happened {when}", "dim")
    return 0


def _rows(found: Stats) -> list[tuple[str, str]]:
    usage = found.usage
    calls = f"{found.latency_s.count:,}, {found.model_retries:,} retries"
    if found.model_failures:
        calls += f", {format_counts(found.model_failures)}"
    tokens = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    rows = [
        ("threads", f"{found.threads:,}"),
        ("turns", format_counts(found.turns)),
        ("steps a turn", _format_percentiles(found.steps, "{:.3g}".format)),
        ("model calls", calls),
        ("model latency", _format_percentiles(found.latency_s, format_seconds)),
        ("first token", _format_percentiles(found.first_token_s, format_seconds)),
        ("tokens", f"{tokens}, {found.tokens_per_s:.1f} out a second"),
        ("from the cache", f"{found.cached_share:.1%} of the input"),
        *_rare_rows(usage),
    ]
    rows += [(f"tool {name}", _describe_tool(tool)) for name, tool in found.tools.items()]
    return rows


def _rare_rows(usage: Usage) -> list[tuple[str, str]]:
    """Counts that most providers don't have, where there are any."""
    rows = []
    if usage.cache_write_tokens:
        written, hour = usage.cache_write_tokens, usage.cache_write_1h_tokens
        rows.append(("to the cache", f"{written:,} tokens, {hour:,} of them for an hour"))
    if usage.reasoning_tokens:
        rows.append(("reasoning", f"{usage.reasoning_tokens:,} tokens of the output"))
    if usage.audio_input_tokens or usage.audio_output_tokens:
        heard, spoken = usage.audio_input_tokens, usage.audio_output_tokens
        rows.append(("audio", f"{heard:,} tokens in, {spoken:,} out"))
    if usage.provider_calls:
        rows.append(("provider's tools", format_counts(usage.provider_calls)))
    return rows


def _describe_tool(tool: ToolStats) -> str:
    errors = f"{sum(tool.errors.values()):,} errors ({tool.error_rate:.1%})"
    if tool.errors:
        errors += f": {format_counts(tool.errors)}"
    times = _format_percentiles(tool.duration_s, format_seconds)
    return f"{format_count(tool.calls, 'call')}, {errors}, {tool.retries:,} retries; {times}"


def _format_percentiles(found: Percentiles, format_value: Callable[[float], str]) -> str:
    if not found.count:
        return "-"
    values = {"p50": found.p50, "p90": found.p90, "p99": found.p99, "most": found.most}
    return ", ".join(f"{name} {format_value(value)}" for name, value in values.items())


def _to_json(found: Stats) -> object:
    tools = {
        name: msgspec.to_builtins(tool) | {"error_rate": tool.error_rate}
        for name, tool in found.tools.items()
    }
    return msgspec.to_builtins(found) | {"cached_share": found.cached_share, "tools": tools}
