"""`treadle threads`: lists the threads of a store, the last written first.

Only the threads that are shown, or searched for words, are read and verified as a whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import get_args

import msgspec

from ..core import events as e
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.result import Status, read_result
from ..core.state import fold
from ..core.waits import is_held
from ..models.chat.read_history import BY_SYSTEM
from ..observe.amounts import format_count
from ..observe.visible import visible_line
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from ..stores.archive import ALL_THREADS
from ..stores.rows import from_rows
from ..stores.sqlite import SQLiteStore
from ..stores.store import ThreadInfo
from .agents import choose_store
from .tables import format_table
from .terminal import Screen, print_json, print_line
from .thread_options import ThreadsOptions

STATUSES = (*get_args(Status), "imported", "parked", "damaged")
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
    if any(thread.status == "imported" for thread in listed) and not settings.json:
        how = "look at it with treadle show THREAD, then treadle adopt THREAD"
        Screen().note(f"what was imported does nothing before you adopt it: {how}", "dim")
    if any(thread.status == "parked" for thread in listed) and not settings.json:
        how = "see treadle explain THREAD, then treadle approve THREAD or treadle cancel THREAD"
        Screen().note(f"several processes have died at what is parked: {how}", "dim")
    if len(found) > settings.limit:
        Screen().note(f"there are more; these are the last {settings.limit} (--limit N)", "dim")
    elif not found and _has_filter(settings):
        Screen().note("no thread is like that", "dim")
    elif not found:
        Screen().note("there is no thread yet", "dim")
    return 0


def list_threads(store: SQLiteStore, settings: ThreadsOptions) -> Iterator[ThreadRow]:
    """The threads that fit the filters, one at a time: a caller that stops early reads no more."""
    wanted = [word.casefold() for word in (settings.text or "").split()]
    for info in run_sync(store.threads(ALL_THREADS)):
        try:
            listed = _read_row(store, info, settings, wanted)
        except (StoreDamaged, IllegalEvent):
            listed = _damaged_row(info, settings)
        if listed and settings.status in (None, listed.status):
            yield listed


def _read_row(
    store: SQLiteStore, info: ThreadInfo, settings: ThreadsOptions, wanted: Sequence[str]
) -> ThreadRow | None:
    """The line of a thread; None if the filters leave it out. Raises StoreDamaged, IllegalEvent."""
    ends = store.read_ends(info)
    if ends.parent_thread_id and not settings.all:
        return None
    if settings.agent not in (None, ends.agent):
        return None
    ended = ends.last_type == "TurnEnded"
    if ended and settings.status not in (None, "damaged", "imported", ends.status):
        return None
    # Only now, since it verifies and decodes every record.
    records = from_rows(info.thread_id, run_sync(store.read(info.thread_id)))
    if wanted and not _says(records, wanted):
        return None
    status: str = ends.status
    if _waits_for_adoption(records):
        status = "imported"
    elif not ended:
        state = fold(records)
        status = read_result(records, state).status
        if is_held(state):
            status = "parked"
    said = [record.event for record in records if isinstance(record.event, e.UserSaid)]
    turns = sum(not each.answers for each in said)
    own = [each for each in said if each.by != BY_SYSTEM] or said
    first = own[0].text if own else ""
    return ThreadRow(
        info.thread_id, info.updated_at, ends.agent, status, turns, info.records, first
    )


def _waits_for_adoption(records: Sequence[e.Record]) -> bool:
    events = [record.event for record in records]
    changes = [event.trusted for event in events if isinstance(event, e.TrustChanged)]
    return bool(changes) and not changes[-1]


def _damaged_row(info: ThreadInfo, settings: ThreadsOptions) -> ThreadRow | None:
    """The line of a damaged thread; None if a filter asks for what can't be read of it."""
    if settings.agent is not None or settings.text is not None:
        return None
    return ThreadRow(info.thread_id, info.updated_at, "", "damaged", 0, info.records, "")


def _says(records: Sequence[e.Record], wanted: Sequence[str]) -> bool:
    """Whether the user and the model together have said all of these words."""
    texts = [
        record.event.text
        for record in records
        if isinstance(record.event, e.UserSaid | e.ModelReplied)
    ]
    said = "\n".join(texts).casefold()
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
