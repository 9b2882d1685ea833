"""Facts out of a whole store: the records of the types that a sum goes by, without what was said in them."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import StoreDamaged, UsageError
from ..observe.visible import visible_line
from ..runtime.sync import run_sync
from ..stores.sqlite import SQLiteStore
from .terminal import Screen
from .threads import list_thread_ids, resolve_thread

COST_EVENTS = tuple(
    kind.__name__
    for kind in (
        *(e.ThreadStarted, e.ThreadClaimed, e.ThreadForked, e.HandedOff, e.UserSaid, e.TurnEnded),
        *(e.ModelCalled, e.ModelReplied, e.ModelFailed),
    )
)
"""What `cost.entries` goes by."""
STATS_EVENTS = (
    *COST_EVENTS,
    *(
        kind.__name__
        for kind in (e.StepAsked, e.ToolStarted, e.ToolReturned, e.ToolFailed, e.OutcomeDecided)
    ),
)
"""What `stats.stats` goes by."""

MAX_NOTE = 300
"""Characters of what is said of a damaged thread."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_events(store: SQLiteStore, types: Sequence[str], thread: str | None) -> list[e.Record]:
    """Of one thread, named as people do, or of all, thread by thread.

    Damaged threads are left out, and standard error names them; the one that was asked for raises StoreDamaged. Raises
    UnknownThread.
    """
    if thread is not None:
        return list(_read_events(store, types, resolve_thread(store, thread)))
    found: list[e.Record] = []
    for name in reversed(list_thread_ids(store)):
        try:
            found += list(_read_events(store, types, name))
        except StoreDamaged as error:
            Screen().note(visible_line(f"left out: {error}", MAX_NOTE), "yellow")
    return found


def _read_events(store: SQLiteStore, types: Sequence[str], name: str) -> Iterator[e.Record]:
    for row in run_sync(store.read(name)):
        event = decode_event(row.event)
        if type(event).__name__ in types:
            yield e.Record(name, row.seq, row.at, _without_text(event))


def _without_text(event: e.Event) -> e.Event:
    """Texts are most of a file: the records of all threads are in memory at once without them."""
    texts = [field for field in ("text", "content") if field in event.__struct_fields__]
    return msgspec.structs.replace(event, **dict.fromkeys(texts, ""))


def parse_since(text: str | None, now: float) -> float:
    """The moment that `--since` names, in seconds since the epoch. Raises UsageError."""
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
