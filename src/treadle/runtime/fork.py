"""A new thread that shares the beginning of another: to try another message, another model, other instructions."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..core import events as e
from ..core.codec import encode_event
from ..core.errors import UnknownThread, UsageError
from ..stores.store import Row, Store
from .log import open_log
from .world import World


@dataclass(frozen=True)
class Fork:
    """The new thread, and what the shared beginning has already done to the world."""

    thread_id: str
    ran: tuple[e.Call, ...]
    """The calls that ran, or may have, in the shared records. They are never run again."""


async def fork(
    store: Store, thread: str, *, at: int | None = None, edit: str | None = None, world: World
) -> Fork:
    """Share the records of `thread` up to and with seq `at` (None: all); resume or run the new thread to go on.

    With `edit`, record `at` must be the message that opened a turn (None: the last one), and the new thread says that
    instead. The parent is not touched. Raises UnknownThread, and UsageError for an `at` that can't be.
    """
    parent = await open_log(thread, store, world)
    if not parent.records:
        raise UnknownThread(f"there is no thread {thread!r} in this store")
    last = _last_shared(parent.records, at, edit is not None)
    shared = parent.records[:last]
    new = world.new_id()
    rows = [Row(record.seq, record.at, encode_event(record.event)) for record in shared]
    opening: list[e.Event] = [e.ThreadForked(thread, last, world.new_id())]
    if edit is not None:
        opening.append(e.UserSaid(edit))
    rows += [
        Row(last + 1 + index, world.now(), encode_event(event))
        for index, event in enumerate(opening)
    ]
    await store.append(new, rows)
    return Fork(new, find_started_calls(shared))


def find_started_calls(records: Iterable[e.Record]) -> tuple[e.Call, ...]:
    """The calls that were started in these records, in that order, each with the arguments that ran."""
    asked: dict[str, e.Call] = {}
    started: dict[str, e.Call] = {}
    for record in records:
        match record.event:
            case e.ModelReplied(calls=calls):
                asked |= {call.id: call for call in calls}
            case e.StepAsked(call=call):
                asked[call.id] = call
            case e.ApprovalGiven(call_id=call_id, arguments=str(edited)):
                asked[call_id] = e.Call(call_id, asked[call_id].name, edited)
            case e.ToolStarted(call_id=call_id):
                started[call_id] = asked[call_id]
    return tuple(started.values())


def _last_shared(records: list[e.Record], at: int | None, edited: bool) -> int:
    opens = [r.seq for r in records if isinstance(r.event, e.UserSaid) and not r.event.answers]
    if edited:
        at = (opens[-1] if opens else 0) if at is None else at
        if at not in opens:
            raise UsageError(
                f"record {at} opens no turn, so it can't be edited; those that do: {_listed(opens)}"
            )
        return at - 1
    at = len(records) if at is None else at
    if not 1 <= at <= len(records):
        raise UsageError(f"there is no record {at}; the thread has 1 to {len(records)}")
    return at


def _listed(seqs: list[int]) -> str:
    return ", ".join(map(str, seqs)) or "none"
