"""Facts out of a whole store: the records of the types that a sum goes by, without what was said in them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..core import events as e
from ..core.codec import decode_event, tags_of
from ..core.errors import UsageError
from ..stores.sqlite import SQLiteStore
from .threads import resolve_thread

COST_EVENTS = (
    *(e.ThreadStarted, e.ThreadClaimed, e.ThreadForked, e.HandedOff, e.UserSaid, e.TurnEnded),
    *(e.AgentDescribed, e.ModelCalled, e.ModelReplied, e.ModelFailed),
)
"""What `cost.entries` goes by."""
STATS_EVENTS = (
    *COST_EVENTS,
    *(e.StepAsked, e.ToolStarted, e.ToolReturned, e.ToolFailed, e.OutcomeDecided),
)
"""What `stats.stats` goes by."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_FACTS = """
select thread_id, seq, at,
    case when json_extract(event, '$.type') = 'ModelReplied.2' and json_type(event, '$.content') = 'array'
        then event
        else json_replace(event, '$.text', '', '$.content', '', '$.instructions', '', '$.tools', json('{}')) end
from record
where json_extract(event, '$.type') in ({types}) and ({all} or thread_id = ?) order by id
"""
"""Append order is each thread's own. Texts stay in the file: they are most of it. A reply of blocks comes whole, since its
calls stand among them."""


def read_events(
    store: SQLiteStore, kinds: Sequence[type[e.Event]], thread: str | None
) -> list[e.Record]:
    """Of one thread, named as people do, or of all. Raises UnknownThread and StoreDamaged."""
    name = resolve_thread(store, thread) if thread is not None else ""
    if not store.path.exists():
        return []
    tags = tags_of(kinds)
    marks = ", ".join("?" * len(tags))
    rows = store.select(_FACTS.format(types=marks, all=int(thread is None)), (*tags, name))
    return [e.Record(thread_id, seq, at, decode_event(event)) for thread_id, seq, at, event in rows]


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
