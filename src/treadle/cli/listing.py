"""`treadle threads`: lists the threads of a store, the last written first.

Only the threads that are shown, or searched for words, are read and verified as a whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ..core import events as e
from ..core.age import parse_age
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.feedback import is_rated
from ..core.status import THREAD_STATUSES
from ..core.visible import visible_line
from ..models.chat.read_history import BY_SYSTEM
from ..observe.amounts import format_count
from ..runtime.delete import plan_deletion
from ..runtime.local_time import format_time
from ..runtime.retention import find_expired
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.rows import from_rows
from ..stores.store import Store, ThreadInfo
from .agents import choose_database
from .complete import thread_names
from .delete_threads import DECLINED, NOTES, confirm, delete_named, describe
from .options import JSON, StoreOptions
from .parameters import make_flag, make_option
from .process import own_output
from .rate import read_rating
from .tables import format_table
from .terminal import Screen, print_as_json, print_line
from .threads import resolve_thread

if TYPE_CHECKING:
    from ..stores.open_store import Database

STATUSES = (*THREAD_STATUSES, "damaged")
HEADER = ("THREAD", "LAST WRITTEN", "AGENT", "STATUS", "TURNS", "RECORDS", "FIRST MESSAGE")
PAGE = 200
"""How many lines of the list are read at once."""
MAX_MESSAGE = 60
"""Characters of a thread's first message."""


@dataclass(frozen=True, kw_only=True)
class ThreadsOptions(StoreOptions):
    status: str | None = make_option(
        "STATUS",
        "answered, limit, failed, refused, cancelled, waiting, unfinished, imported or damaged.",
    )
    agent: str | None = make_option("NAME", "Only threads of the agent with this name.")
    text: str | None = make_option("WORDS", "Only threads with all of these words.")
    key: str | None = make_option("KEY", "Only threads with a message of this key.")
    rated: str | None = make_option("RATING", "Only where a person found a turn so: good or bad.")
    parent: str | None = make_option(
        "THREAD", "Only children of this thread.", complete=thread_names
    )
    older: str | None = make_option(
        "AGE", "Only where nobody wrote for so long, to children and forks neither: 90d, 12h."
    )
    all: bool = make_flag("Also children of other threads.")
    limit: int = make_option("N", "At most so many.", 20, short="-n", min=1)
    before: int | None = make_option("N", "The next page, as the last one names it.", min=1)
    json: bool = make_flag(JSON)
    delete: bool = make_flag("With --older: delete all of them, once you agree.")
    notes: bool = make_flag(NOTES)
    yes: bool = make_flag("Delete without asking.", short="-y")


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
    parent: str = ""
    position: int = 0
    """Give that of the last one as --before, and the next page follows."""


def threads(settings: ThreadsOptions) -> int:
    """List the threads, the last written first; or delete those that are old."""
    _refuse_wrong(settings)
    store = choose_database(settings)
    if settings.parent is not None and store.exists():
        settings = replace(settings, parent=resolve_thread(store, settings.parent))
    expired = _find_expired(store, settings)
    found: list[ThreadRow] = []
    if store.exists():
        rows = list_threads(store, settings, expired)
        found = list(islice(rows, settings.limit + 1))
    listed = found[: settings.limit]
    if settings.json:
        for thread in listed:
            print_as_json(thread)
    elif listed:
        print_line(_format(listed))
        _say_what_helps(listed)
    if len(found) > settings.limit:
        following = f"--before {listed[-1].position}" if listed[-1].position else "--limit N"
        Screen().note(
            f"there are more; these are the last {settings.limit} (--limit N; the next page:"
            f" {following})",
            "dim",
        )
    elif not found and _has_filter(settings):
        Screen().note("no thread is like that", "dim")
    elif not found:
        Screen().note("there is no thread yet", "dim")
    if settings.delete and expired:
        return _delete(store, expired, settings)
    return 0


def _refuse_wrong(settings: ThreadsOptions) -> None:
    if settings.status is not None and settings.status not in STATUSES:
        raise UsageError(
            f"no thread has the status {settings.status!r}; there are: {', '.join(STATUSES)}"
        )
    read_rating(settings.rated)
    if not settings.delete:
        return
    if settings.older is None:
        raise UsageError("--delete is for --older AGE; single threads: treadle delete THREAD")
    if any(other is not None for other in _filters(settings)):
        raise UsageError("--delete takes all threads of --older AGE: leave the other filters out")


def _find_expired(store: "Database", settings: ThreadsOptions) -> list[str] | None:
    """The threads that --older asks for; None if it doesn't."""
    if settings.older is None:
        return None
    before = World().now() - parse_age(settings.older)
    if not store.exists():
        return []
    return run_sync(find_expired(store, before))


def _delete(store: Store, expired: Sequence[str], settings: ThreadsOptions) -> int:
    screen = Screen()
    plan = run_sync(plan_deletion(store, expired))
    for line in describe(plan, settings.notes):
        screen.note(line)
    if not settings.yes and not confirm(screen):
        return DECLINED
    delete_named(store, expired, screen, notes=settings.notes)
    return 0


def _say_what_helps(listed: Sequence[ThreadRow]) -> None:
    if any(thread.status == "imported" for thread in listed):
        how = "look at it with treadle show THREAD, then treadle adopt THREAD"
        Screen().note(f"what was imported does nothing before you adopt it: {how}", "dim")
    if any(thread.status == "parked" for thread in listed):
        how = "see treadle explain THREAD, then treadle approve THREAD or treadle cancel THREAD"
        Screen().note(f"several processes have died at what is parked: {how}", "dim")


def list_threads(
    store: Store, settings: ThreadsOptions, only: Sequence[str] | None = None
) -> Iterator[ThreadRow]:
    """The threads that fit the filters, one at a time: a caller that stops early reads no more."""
    wanted = [word.casefold() for word in (settings.text or "").split()]
    named = None if only is None else set(only)
    for info in _list_infos(store, settings):
        if named is not None and info.thread_id not in named:
            continue
        try:
            listed = _read_row(store, info, wanted, settings.rated)
        except (StoreDamaged, IllegalEvent):
            listed = _damaged_row(info, settings)
        if listed and settings.status in (None, listed.status):
            yield listed


def _list_infos(store: Store, settings: ThreadsOptions) -> Iterator[ThreadInfo]:
    """The lines of the store's list, page by page."""
    parent = settings.parent
    if parent is None and not settings.all:
        parent = ""
    # What is damaged is only known once it is read.
    status = None if settings.status == "damaged" else settings.status
    before = settings.before
    while True:
        page = run_sync(
            store.threads(
                PAGE,
                status=status,
                agent=settings.agent,
                parent=parent,
                key=settings.key,
                before=before,
            )
        )
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].position


def _read_row(
    store: Store, info: ThreadInfo, wanted: Sequence[str], rated: str | None
) -> ThreadRow | None:
    """The line of a thread; None if it lacks a word, or no turn is rated so. Raises StoreDamaged,
    IllegalEvent."""
    if info.damaged or info.status == "damaged":
        raise StoreDamaged(info.damaged)
    # Only now, since it verifies and decodes every record.
    records = from_rows(info.thread_id, run_sync(store.read(info.thread_id)))
    if not records:
        return None  # deleted at this moment
    if wanted and not _says(records, wanted):
        return None
    if rated and not is_rated(records, rated):
        return None
    said = [record.event for record in records if isinstance(record.event, e.UserSaid)]
    turns = sum(each.opens_turn for each in said)
    own = [each for each in said if each.by != BY_SYSTEM] or said
    return ThreadRow(
        info.thread_id,
        info.updated_at,
        info.agent,
        info.status,
        turns,
        info.records,
        own[0].text if own else "",
        info.parent,
        info.position,
    )


def _damaged_row(info: ThreadInfo, settings: ThreadsOptions) -> ThreadRow | None:
    """The line of a damaged thread; None if a filter asks for what can't be read of it."""
    filters = (settings.agent, settings.text, settings.rated)
    if any(given is not None for given in filters):
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


def _format(listed: Sequence[ThreadRow]) -> str:
    """The threads in columns; under a header for a person, and without one for a program."""
    rows = [_row(thread) for thread in listed]
    if own_output().isatty():
        rows.insert(0, HEADER)
    return format_table(rows)


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
    filters = (*_filters(settings), settings.older, settings.before)
    return any(given is not None for given in filters)


def _filters(settings: ThreadsOptions) -> tuple[str | None, ...]:
    """Those that leave threads out by what they are."""
    named = (settings.status, settings.agent, settings.text, settings.key)
    return (*named, settings.parent, settings.rated)
