"""`treadle stats`: times, errors, retries, cache hits."""

import time
from dataclasses import asdict

import msgspec

from ..observe.stats import Percentiles, Stats, ToolStats
from ..observe.stats import compute_stats as counted
from ..stores.sqlite import SQLiteStore
from . import observe_options
from .agents import choose_store
from .event_query import STATS_EVENTS, parse_since, read_events
from .tables import format_table
from .terminal import Screen, print_json, print_line


def stats(settings: observe_options.StatsOptions) -> int:
    """How the threads did: percentiles of times (by nearest rank), tool errors, retries, steps, cache hits."""
    store = choose_store(settings)
    assert isinstance(store, SQLiteStore)
    found = counted(
        read_events(store, STATS_EVENTS, settings.thread), parse_since(settings.since, time.time())
    )
    if settings.json:
        print_json(msgspec.json.encode(_json(found)))
    elif not found.threads:
        Screen().note("nothing has happened" + (" since then" if settings.since else " yet"), "dim")
    else:
        print_line(format_table(_rows(found)))
    return 0


def _rows(found: Stats) -> list[tuple[str, ...]]:
    calls = [
        f"{found.latency_s.count:,}",
        f"{found.model_retries:,} retries",
        _counts(found.model_failures),
    ]
    usage = found.usage
    return [
        ("threads", f"{found.threads:,}"),
        ("turns", _counts(found.turns)),
        ("steps a turn", _spread(found.steps, "")),
        ("model calls", ", ".join(filter(None, calls))),
        ("model latency", _spread(found.latency_s, " s")),
        ("first token", _spread(found.first_token_s, " s")),
        (
            "tokens",
            f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, {found.tokens_per_s:.1f} out a second",
        ),
        ("from the cache", f"{found.cached_share:.1%} of the input"),
        *((f"tool {name}", _tool(tool)) for name, tool in found.tools.items()),
    ]


def _tool(tool: ToolStats) -> str:
    errors = f"{sum(tool.errors.values()):,} errors ({tool.error_rate:.1%})"
    kinds = f": {_counts(tool.errors)}" if tool.errors else ""
    return f"{tool.calls:,} calls, {errors}{kinds}, {tool.retries:,} retries; {_spread(tool.duration_s, ' s')}"


def _spread(found: Percentiles, unit: str) -> str:
    if not found.count:
        return "-"
    values = {"p50": found.p50, "p90": found.p90, "p99": found.p99, "most": found.most}
    return ", ".join(f"{name} {value:.3g}{unit}" for name, value in values.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(
        f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda each: -each[1])
    )


def _json(found: Stats) -> dict[str, object]:
    tools = {
        name: asdict(tool) | {"error_rate": tool.error_rate} for name, tool in found.tools.items()
    }
    rest = {name: value for name, value in vars(found).items() if name not in ("tools", "usage")}
    spreads = {
        name: asdict(value) if isinstance(value, Percentiles) else value
        for name, value in rest.items()
    }
    usage = msgspec.to_builtins(found.usage)
    return spreads | {"cached_share": found.cached_share, "usage": usage, "tools": tools}
