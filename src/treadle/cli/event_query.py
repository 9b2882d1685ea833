"""Reads the events that sums need from a whole store, without their texts."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from ..core import events as e
from ..core.errors import StoreDamaged, UsageError
from ..core.visible import visible_line
from ..runtime.sync import run_sync
from ..stores.rows import from_rows
from ..stores.store import Store
from .terminal import Screen
from .threads import list_thread_infos, resolve_thread

ONE_THREAD = "Only this thread: its name, the beginning of it, or last (-)."
SINCE = "Since a day (2026-01-31, UTC), or for so long: 30m, 24h, 7d."
COST_EVENTS = (
    *(e.ThreadStarted, e.ThreadClaimed, e.ThreadForked, e.HandedOff, e.UserSaid, e.TurnEnded),
    *(e.AgentDescribed, e.TrustChanged, e.ModelCalled, e.ModelReplied, e.ModelFailed),
)
"""The types of event that `cost_entries` needs."""
STATS_EVENTS = (
    *COST_EVENTS,
    *(e.StepAsked, e.ToolStarted, e.ChildStarted, e.ToolReturned, e.ToolFailed, e.OutcomeDecided),
)
"""The types of event that `compute_stats` needs."""

MAX_NOTE = 300
"""Characters of the note about a damaged thread."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_events(
    store: Store, kinds: tuple[type[e.Event], ...], thread: str | None
) -> list[e.Record]:
    """The records of these kinds, thread by thread: of one thread, named as people do, or of all.

    Damaged threads are left out of all, and named on standard error; but if the one that was asked
    for is damaged, this raises StoreDamaged. Raises UnknownThread.
    """
    if thread is not None:
        return _read_thread(store, kinds, resolve_thread(store, thread))
    found: list[e.Record] = []
    for info in reversed(list_thread_infos(store)):
        damage = f"thread {info.thread_id!r}: {info.damaged}" if info.damaged else ""
        try:
            found += _read_thread(store, kinds, info.thread_id)
        except StoreDamaged as error:
            damage = str(error)
        if damage:
            Screen().note(visible_line(f"left out: {damage}", MAX_NOTE), "yellow")
    return found


def _read_thread(store: Store, kinds: tuple[type[e.Event], ...], name: str) -> list[e.Record]:
    """Reads and verifies the whole thread, and keeps the records of these kinds without texts."""
    records = from_rows(name, run_sync(store.read(name)))
    return [
        msgspec.structs.replace(record, event=_without_texts(record.event))
        for record in records
        if isinstance(record.event, kinds)
    ]


def _without_texts(event: e.Event) -> e.Event:
    """The event without what was said: texts are most of a file, and no sum goes by them."""
    match event:
        case e.UserSaid() | e.ToolReturned():
            return msgspec.structs.replace(event, content="")
        case e.ModelReplied():
            return msgspec.structs.replace(event, content=event.calls)
        case e.AgentDescribed():
            return msgspec.structs.replace(event, instructions="", tools={})
        case _:
            return event


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
