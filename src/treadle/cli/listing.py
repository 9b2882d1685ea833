"""`treadle threads`: no log is folded that needn't be, and nothing is worked out for a thread that isn't listed."""

from collections.abc import Iterator, Sequence
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
from ..stores.archive import ALL_THREADS
from ..stores.sqlite import SQLiteStore
from ..stores.store import Row, ThreadInfo
from .agents import choose_store
from .tables import format_table, format_time
from .terminal import Screen, print_json, print_line
from .thread_options import Threads

STATUSES = (*get_args(Status), "damaged")
MAX_MESSAGE = 60
"""Characters of a thread's first message."""

_ENDS = """
select json_extract(first.event, '$.agent'), json_extract(first.event, '$.parent_thread_id'),
    json_extract(last.event, '$.type'), json_extract(last.event, '$.status')
from record as first join record as last on last.thread_id = first.thread_id and last.seq = ?
where first.thread_id = ? and first.seq = 1 and json_valid(first.event) and json_valid(last.event)
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
where thread_id = ? and json_extract(event, '$.type') = 'UserSaid' and json_extract(event, '$.answers') is null
"""


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
    for info in run_sync(store.threads(ALL_THREADS)):
        try:
            listed = _listed(store, info, settings, wanted)
        except (StoreDamaged, IllegalEvent):
            listed = Listed(info.thread_id, info.updated_at, "", "damaged", 0, info.records, "")
            if (settings.agent, settings.text) != (None, None):
                continue
        if listed and settings.status in (None, listed.status):
            yield listed


def _listed(
    store: SQLiteStore, info: ThreadInfo, settings: Threads, wanted: list[str]
) -> Listed | None:
    """None where the filters leave it out. Raises StoreDamaged and IllegalEvent."""
    thread_id = info.thread_id
    ends = store.select(_ENDS, (info.records, thread_id))
    if info.damaged or not ends:
        raise StoreDamaged(f"thread {thread_id!r}: {info.damaged or 'an end of it is missing'}")
    [(name, parent, kind, ended)] = ends
    agent = str(name or "")
    if (parent and not settings.all) or settings.agent not in (None, agent):
        return None
    if settings.status not in (None, "damaged", str(ended)) and kind == "TurnEnded":
        return None
    rows = run_sync(store.read(thread_id))  # only now: it looks at every record
    if wanted and not _says(store, thread_id, wanted):
        return None
    status = str(ended) if kind == "TurnEnded" else _status(thread_id, rows)
    first, turns = str(_one(store, _FIRST, thread_id) or ""), _one(store, _TURNS, thread_id)
    return Listed(thread_id, info.updated_at, agent, status, turns, info.records, first)


def _status(thread_id: str, rows: Sequence[Row]) -> str:
    """Of a thread whose last record doesn't say: only a fold knows what its calls wait for."""
    records = [e.Record(thread_id, row.seq, row.at, decode_event(row.event)) for row in rows]
    return read_result(records, fold(records)).status


def _says(store: SQLiteStore, thread_id: str, wanted: list[str]) -> bool:
    said = "\n".join(str(text) for (text,) in store.select(_SAID, (thread_id,))).casefold()
    return all(word in said for word in wanted)


def _one(store: SQLiteStore, query: str, thread_id: str) -> Any:
    rows = store.select(query, (thread_id,))
    return rows[0][0] if rows else None


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
