"""The options of summary, costs, stats, cache and export-traces.

Imports nothing slow.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .complete import thread_names
from .options import StoreOptions
from .parameters import make_argument, make_option

_ONLY = "Only this thread: its name, the beginning of it, or last (-)."

_THREAD = "Its name, the beginning of it, or last (-)."

OneThread = Annotated[
    str | None,
    make_argument(metavar="[THREAD]", help=_ONLY, complete=thread_names),
]
ThreadOrLast = Annotated[
    str, make_argument(metavar="[THREAD]", help=_THREAD, complete=thread_names)
]
Since = Annotated[
    str | None,
    make_option(
        metavar="WHEN", help="Since a day (2026-01-31, UTC), or for so long: 30m, 24h, 7d."
    ),
]


@dataclass(frozen=True, kw_only=True)
class CostsOptions(StoreOptions):
    thread: OneThread = None
    by: Annotated[
        str | None,
        make_option(
            metavar="WHAT",
            help="day, thread, tree (a thread with its children), agent, model, purpose, turn or"
            " step; default: day, or turn for one thread.",
        ),
    ] = None
    since: Since = None
    limit: Annotated[
        int, make_option("--limit", "-n", min=1, metavar="N", help="At most so many lines.")
    ] = 30
    json: Annotated[bool, make_option("--json", help="As JSON Lines; all of them.")] = False


@dataclass(frozen=True, kw_only=True)
class StatsOptions(StoreOptions):
    thread: OneThread = None
    since: Since = None
    json: Annotated[bool, make_option("--json", help="As a JSON object.")] = False


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(StoreOptions):
    thread: ThreadOrLast = "last"
    json: Annotated[bool, make_option("--json", help="As a JSON object.")] = False


@dataclass(frozen=True, kw_only=True)
class CacheOptions(StoreOptions):
    thread: ThreadOrLast = "last"
    json: Annotated[bool, make_option("--json", help="As JSON Lines, one a model call.")] = False


@dataclass(frozen=True, kw_only=True)
class ExportTracesOptions(StoreOptions):
    thread: Annotated[str, make_argument(metavar="THREAD", help=_THREAD, complete=thread_names)]
    endpoint: Annotated[
        str | None,
        make_option(
            metavar="URL",
            help="An OTLP/HTTP server, as http://127.0.0.1:4318; else OTEL_EXPORTER_OTLP_ENDPOINT.",
        ),
    ] = None
    output: Annotated[
        Path | None,
        make_option(
            "--output", "-o", metavar="FILE", help="As OTLP JSON into this file instead; - : out."
        ),
    ] = None
    tree: Annotated[
        bool,
        make_option("--tree", help="With the threads that it began, and those that they began."),
    ] = False
    content: Annotated[
        bool,
        make_option(
            "--content", help="With what was said, but for secrets; else names and numbers alone."
        ),
    ] = False
