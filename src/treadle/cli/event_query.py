"""Reads the events that sums need from a whole store, without their texts."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..core import events as e
from ..core.errors import UsageError
from ..stores.rows import from_rows
from ..stores.sqlite import SQLiteStore
from .threads import resolve_thread

COST_EVENTS = (
    *(e.ThreadStarted, e.ThreadClaimed, e.ThreadForked, e.HandedOff, e.UserSaid, e.TurnEnded),
    *(e.AgentDescribed, e.ModelCalled, e.ModelReplied, e.ModelFailed),
)
"""The types of event that `cost_entries` needs."""
STATS_EVENTS = (
    *COST_EVENTS,
    *(e.StepAsked, e.ToolStarted, e.ToolReturned, e.ToolFailed, e.OutcomeDecided),
)
"""The types of event that `compute_stats` needs."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_events(
    store: SQLiteStore, kinds: Sequence[type[e.Event]], thread: str | None
) -> list[e.Record]:
    """The records of one thread, or of all. Raises UnknownThread and StoreDamaged."""
    name = None
    if thread is not None:
        name = resolve_thread(store, thread)
    if not store.path.exists():
        return []
    found = []
    for thread_id, row in store.read_types(kinds, name):
        found += from_rows(thread_id, [row])
    return found


def parse_since(text: str | None, now: float) -> float:
    """The time that `--since` means, in seconds since the epoch. Raises UsageError."""
    if text is None:
        return 0.0
    if found := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise UsageError(
            f"--since {text}: it must be a day like 2026-01-31, or a time like 30m, 24h or 7d"
        ) from None
