"""`treadle threads`: no log is folded that needn't be, and nothing is worked out for a thread that isn't listed."""

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
from .thread_options import Threads

STATUSES = (*get_args(Status), "damaged")
MAX_MESSAGE = 60
"""Characters of a thread's first message."""


@dataclass(frozen=True)
class Listed:
    thread_id: str
    updated_at: float
    agent: str
    status: str
    turns: int
    records: int
    first_message: str


def threads(settings: Threads) -> int:
    """The threads, the last written first."""
    if settings.status is not None and settings.status not in STATUSES:
        raise UsageError(
            f"no thread has the status {settings.status!r}; there are: {', '.join(STATUSES)}"
        )
    store = choose_store(settings)
    assert isinstance(store, SQLiteStore)
    found = (
        list(islice(list_threads(store, settings), settings.limit + 1))
        if store.path.exists()
        else []
    )
    for each in found[: settings.limit] if settings.json else ():
        print_json(msgspec.json.encode(asdict(each)))
    if found and not settings.json:
        print_line(format_table([_row(each) for each in found[: settings.limit]]))
    if len(found) > settings.limit:
        Screen().note(f"there are more; these are the last {settings.limit} (--limit N)", "dim")
    elif not found:
        Screen().note(
            "no thread is like that" if _filtered(settings) else "there is no thread yet", "dim"
        )
    return 0


def list_threads(store: SQLiteStore, settings: Threads) -> Iterator[Listed]:
    """The threads that fit the filters, one at a time, so that whoever stops early pays for no more."""
    wanted = [word.casefold() for word in (settings.text or "").split()]
    for last in store.last_records():
        thread_id = last.thread_id
        origin = store.read_origin(thread_id)
        if origin.parent_thread_id and not settings.all:
            continue
        if settings.agent not in (None, origin.agent):
            continue
        if wanted and not _says(store, thread_id, wanted):
            continue
        status = str(last.status) if last.type == "TurnEnded" else _status(store, thread_id)
        if settings.status in (None, status):
            turns = store.count_turns(thread_id)
            first = store.read_first_message(thread_id)
            yield Listed(thread_id, last.at, origin.agent, status, turns, last.seq, first)


def _status(store: SQLiteStore, thread_id: str) -> str:
    """Of a thread whose last record doesn't say: only a fold knows what its calls wait for."""
    try:
        records = from_rows(thread_id, run_sync(store.read(thread_id)))
        return read_result(records, fold(records)).status
    except (StoreDamaged, IllegalEvent):
        return "damaged"


def _says(store: SQLiteStore, thread_id: str, wanted: list[str]) -> bool:
    said = "\n".join(store.read_texts(thread_id)).casefold()
    return all(word in said for word in wanted)


def _row(each: Listed) -> tuple[str, ...]:
    turns = f"{each.turns} turn{'' if each.turns == 1 else 's'}"
    words = visible_line(each.first_message, MAX_MESSAGE)
    return (
        each.thread_id,
        format_time(each.updated_at),
        each.agent,
        each.status,
        turns,
        f"{each.records} records",
        words,
    )


def _filtered(settings: Threads) -> bool:
    return any(given is not None for given in (settings.status, settings.agent, settings.text))
