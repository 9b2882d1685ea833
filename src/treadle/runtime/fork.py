"""Forks a thread: a new one shares its beginning, to try another message, model or instructions."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import takewhile

from msgspec.structs import replace

from ..core import events as e
from ..core import values as v
from ..core.call import asked_calls
from ..core.changed_arguments import changed_call
from ..core.check_settings import check_kind
from ..core.errors import UsageError
from ..core.state import fold
from ..core.taint import join_labels
from ..stores.rows import to_rows
from ..stores.store import Store
from .require_log import require_log
from .said import Said, take_message
from .world import World


@dataclass(frozen=True)
class Fork:
    """The new thread, and the calls that ran in the records that it shares."""

    thread_id: str
    ran: tuple[e.Call, ...]
    """They have had their effect, or may have. They are never run again."""


async def fork(
    store: Store, thread: str, *, at: int | None = None, edit: Said | None = None, world: World
) -> Fork:
    """Make a thread that shares the records of `thread` up to and with seq `at` (None: all).

    With `edit`, `at` must be the message that opened a turn (None: the last one), and the new
    thread says that instead: a text by the same person. A text alone takes the place of the words;
    pictures and files stay, unless the content of `edit` is a tuple. Resume or run the new thread
    to continue; the old one is not touched.
    Raises UnknownThread, and UsageError for an `at` that can't be, and for an empty `edit`.
    """
    parent = await require_log(thread, store, world)
    last_seq = _last_shared_seq(parent.records, at, edit is not None)
    shared = parent.records[:last_seq]
    new_thread_id = world.new_id()
    opening: list[e.Event] = [e.ThreadForked(thread, last_seq, world.new_id())]
    # What was taken back, and what was imported, stays so in a fork of the time before.
    allowed = {each.call_id for each in fold(shared).permissions}
    later = [record.event for record in parent.records[last_seq:]]
    opening += [event for event in later if _takes_back(event, allowed)]
    opening += [event for event in later if isinstance(event, e.TrustChanged)]
    if edit is not None:
        edited = parent.records[last_seq].event
        assert isinstance(edited, e.UserSaid)
        said = take_message(edit)
        if isinstance(edit, str):
            said = replace(said, by=edited.by)
        # What a stranger has written may stand in it still, or what a parent's thread held.
        labels = join_labels((said.labels, edited.labels))
        content = _with_attachments(said.content, edited.content)
        pinned = said.pinned or edited.pinned
        opening.append(replace(said, content=content, pinned=pinned, labels=labels))
    records = list(shared)
    for event in opening:
        records.append(e.Record(new_thread_id, len(records) + 1, world.now(), event, 0.0))
    await store.append(new_thread_id, to_rows(records))
    return Fork(new_thread_id, find_started_calls(shared))


def _with_attachments(new: v.Said, old: v.Said) -> v.Said:
    """The new content; where it is a text alone, with what the old one has beside its texts."""
    if not isinstance(new, str) or isinstance(old, str):
        return new
    before = list(takewhile(lambda part: not isinstance(part, str), old))
    after = [part for part in old[len(before) :] if not isinstance(part, str)]
    if not before and not after:
        return new
    return (*before, new, *after)


def _takes_back(event: e.Event, allowed: Collection[str]) -> bool:
    """Whether it takes back what one of these calls has allowed beforehand."""
    return isinstance(event, e.ApprovalGiven) and not event.allowed and event.call_id in allowed


def find_started_calls(records: Iterable[e.Record]) -> tuple[e.Call, ...]:
    """The calls that were started, in that order, each with the arguments that it ran with."""
    asked: dict[str, e.Call] = {}
    started: dict[str, e.Call] = {}
    for record in records:
        asked |= {call.id: call for call in asked_calls(record.event)}
        asked |= changed_call(asked, record.event)
        if isinstance(record.event, e.ToolStarted):
            started[record.event.call_id] = asked[record.event.call_id]
    return tuple(started.values())


def _last_shared_seq(records: list[e.Record], at: int | None, edited: bool) -> int:
    if edited:
        return _seq_before_turn(records, at)
    if at is None:
        return len(records)
    check_kind("fork(at=)", at, int, "a record's number")
    if not 1 <= at <= len(records):
        raise UsageError(f"there is no record {at}; the thread has 1 to {len(records)}")
    return at


def _seq_before_turn(records: list[e.Record], at: int | None) -> int:
    opening_seqs = [
        record.seq
        for record in records
        if isinstance(record.event, e.UserSaid) and record.event.opens_turn
    ]
    if at is None:
        at = max(opening_seqs, default=0)
    if at not in opening_seqs:
        raise UsageError(
            f"record {at} opens no turn, so it can't be edited; those that do:"
            f" {', '.join(map(str, opening_seqs)) or 'none'}"
        )
    return at - 1
