"""`treadle threads`: lists the threads. A log is folded only if its status needs it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import get_args

import msgspec

from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.result import Status, read_result
from ..core.state import fold
from ..observe.visible import visible_line
from ..runtime.sync import run_sync
from ..stores.rows import from_rows
from ..stores.sqlite import SQLiteStore
from .agents import choose_store
from .tables import format_table, format_time
from .terminal import Screen, print_json, print_line
from .thread_options import ThreadsOptions
from .turn_printer import format_count

STATUSES = (*get_args(Status), "damaged")
MAX_MESSAGE = 60
"""Characters of a thread's first message."""


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
    for last in store.last_records():
        thread_id = last.thread_id
        origin = store.read_origin(thread_id)
        agent = origin.agent
        if origin.parent_thread_id and not settings.all:
            continue
        if settings.agent is not None and agent != settings.agent:
            continue
        if wanted and not _contains(store, thread_id, wanted):
            continue
        if last.type == "TurnEnded":
            status = str(last.status)
        else:
            status = _read_status(store, thread_id)
        if settings.status in (None, status):
            first = store.read_first_message(thread_id)
            turns = store.count_turns(thread_id)
            yield ThreadRow(thread_id, last.at, agent, status, turns, last.seq, first)


def _read_status(store: SQLiteStore, thread_id: str) -> str:
    """The status of a thread whose last record doesn't tell: its log must be folded."""
    try:
        records = from_rows(thread_id, run_sync(store.read(thread_id)))
        return read_result(records, fold(records)).status
    except (StoreDamaged, IllegalEvent):
        return "damaged"


def _contains(store: SQLiteStore, thread_id: str, wanted: list[str]) -> bool:
    said = "\n".join(store.read_texts(thread_id)).casefold()
    return all(word in said for word in wanted)


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
