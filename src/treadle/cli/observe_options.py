"""The options of summary, costs, stats, cache and export-traces.

Imports nothing slow.
"""

from dataclasses import dataclass
from pathlib import Path

from .options import StoreOptions, name_thread
from .parameters import make_flag, make_option

_ONLY = "Only this thread: its name, the beginning of it, or last (-)."
_SINCE = "Since a day (2026-01-31, UTC), or for so long: 30m, 24h, 7d."


@dataclass(frozen=True, kw_only=True)
class CostsOptions(StoreOptions):
    thread: str | None = name_thread("[THREAD]", _ONLY, default=None)
    by: str | None = make_option(
        "WHAT",
        "day, thread, tree (a thread with its children), agent, model, purpose, turn or"
        " step; default: day, or turn for one thread.",
    )
    since: str | None = make_option("WHEN", _SINCE)
    limit: int = make_option("N", "At most so many lines.", 30, short="-n", min=1)
    json: bool = make_flag("As JSON Lines; all of them.")


@dataclass(frozen=True, kw_only=True)
class StatsOptions(StoreOptions):
    thread: str | None = name_thread("[THREAD]", _ONLY, default=None)
    since: str | None = make_option("WHEN", _SINCE)
    json: bool = make_flag("As a JSON object.")


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    json: bool = make_flag("As a JSON object.")


@dataclass(frozen=True, kw_only=True)
class CacheOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    json: bool = make_flag("As JSON Lines, one a model call.")


@dataclass(frozen=True, kw_only=True)
class ExportTracesOptions(StoreOptions):
    thread: str = name_thread()
    endpoint: str | None = make_option(
        "URL", "An OTLP/HTTP server, as http://127.0.0.1:4318; else OTEL_EXPORTER_OTLP_ENDPOINT."
    )
    output: Path | None = make_option(
        "FILE", "As OTLP JSON into this file instead; - : out.", short="-o"
    )
    tree: bool = make_flag("With the threads that it began, and those that they began.")
    content: bool = make_flag("With what was said, but for secrets; else names and numbers alone.")
