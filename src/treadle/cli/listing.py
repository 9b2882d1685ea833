"""`treadle threads`: lists the threads. A log is folded only if its status needs it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, get_args

import msgspec

from ..core import events as e
from ..core.codec import decode_event
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.result import Status, read_result
from ..core.state import fold
from ..observe.visible import visible_line
from ..runtime.sync import run_sync
from ..stores.sqlite import LAST_RECORDS, SQLiteStore
from .agents import choose_store
from .tables import format_table, format_time
from .terminal import Screen, print_json, print_line
from .thread_options import ThreadsOptions
from .turn_printer import format_count

STATUSES = (*get_args(Status), "damaged")
MAX_MESSAGE = 60
"""Characters of a thread's first message."""

_BEGAN = """
select json_extract(event, '$.agent'), json_extract(event, '$.parent_thread_id') from record
where thread_id = ? and seq = 1
"""
_SAID = """
select json_extract(event, '$.text') from record
where thread_id = ? and json_extract(event, '$.type') in ('UserSaid', 'ModelReplied')
"""
_FIRST = """
select json_extract(event, '$.text') from record
where thread_id = ? and json_extract(event, '$.type') = 'UserSaid' order by seq limit 1
"""
_TURNS = """
select count(*) from record
where thread_id = ? and json_extract(event, '$.type') = 'UserSaid'
  and json_extract(event, '$.answers') is null
"""


@dataclass(frozen=True)
class ThreadRow:
    """A thread in the list."""

    thread_id: str
    updated_at: float
    agent: str
    status: str
    turns: int
    records: int
    first_message: str


def threads(settings: ThreadsOptions) -> int:
    """List the threads, the last written first."""
    if settings.status is not None and settings.status not in STATUSES:
        raise UsageError(
            f"no thread has the status {settings.status!r}; there are: {', '.join(STATUSES)}"
        )
    store = choose_store(settings)
    assert isinstance(store, SQLiteStore)
    found: list[ThreadRow] = []
    if store.path.exists():
        found = list(islice(list_threads(store, settings), settings.limit + 1))
    listed = found[: settings.limit]
    if settings.json:
        for thread in listed:
            print_json(msgspec.json.encode(asdict(thread)))
    elif listed:
        print_line(format_table([_row(thread) for thread in listed]))
    if len(found) > settings.limit:
        Screen().note(f"there are more; these are the last {settings.limit} (--limit N)", "dim")
    elif not found and _has_filter(settings):
        Screen().note("no thread is like that", "dim")
    elif not found:
        Screen().note("there is no thread yet", "dim")
    return 0


def list_threads(store: SQLiteStore, settings: ThreadsOptions) -> Iterator[ThreadRow]:
    """The threads that match the filters, read one at a time: a caller may stop early."""
    wanted = [word.casefold() for word in (settings.text or "").split()]
    for thread_id, records, at, kind, ended in store.select(LAST_RECORDS):
        [(name, parent)] = store.select(_BEGAN, (thread_id,))
        agent = str(name or "")
        if parent and not settings.all:
            continue
        if settings.agent is not None and agent != settings.agent:
            continue
        if wanted and not _contains(store, thread_id, wanted):
            continue
        status = str(ended) if kind == "TurnEnded" else _read_status(store, thread_id)
        if settings.status in (None, status):
            first = str(_select_one(store, _FIRST, thread_id) or "")
            turns = _select_one(store, _TURNS, thread_id)
            yield ThreadRow(thread_id, at, agent, status, turns, records, first)


def _read_status(store: SQLiteStore, thread_id: str) -> str:
    """The status of a thread whose last record doesn't tell: its log must be folded."""
    try:
        rows = run_sync(store.read(thread_id))
        records = [e.Record(thread_id, row.seq, row.at, decode_event(row.event)) for row in rows]
        return read_result(records, fold(records)).status
    except (StoreDamaged, IllegalEvent):
        return "damaged"


def _contains(store: SQLiteStore, thread_id: str, wanted: list[str]) -> bool:
    said = "\n".join(str(text) for (text,) in store.select(_SAID, (thread_id,))).casefold()
    return all(word in said for word in wanted)


def _select_one(store: SQLiteStore, query: str, thread_id: str) -> Any:
    rows = store.select(query, (thread_id,))
    return rows[0][0] if rows else None


def _row(each: ThreadRow) -> tuple[str, ...]:
    return (
        each.thread_id,
        format_time(each.updated_at),
        each.agent,
        each.status,
        format_count(each.turns, "turn"),
        f"{each.records} records",
        visible_line(each.first_message, MAX_MESSAGE),
    )


def _has_filter(settings: ThreadsOptions) -> bool:
    return any(given is not None for given in (settings.status, settings.agent, settings.text))
