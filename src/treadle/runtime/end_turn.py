"""Ends turns and calls together with the child threads that work for them. Drives nothing.

1. The children are ended first, the deepest before all others. Then the end goes to the parent's
   log, with what they have used. A crash in between leaves the parent open, and whoever resumes it
   ends it again.
2. A child that has yet to begin, or to go on, is begun as one that has ended. A driver that was
   stopped just before it began the child finds its place taken when it goes on, however late.
3. A driver that has lost its thread leaves the children alone: they are another driver's now.
"""

import contextlib

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.errors import IllegalEvent, SeqTaken, TreadleError
from ..core.legal import one_line
from ..core.links import MAX_DEPTH, find_children, is_child, start_of_child
from ..core.result import read_result, since_reopening
from ..core.state import State, fold
from ..core.taint import join_labels, labels_of
from ..core.visible import shorten
from ..core.waits import find_effects
from ..models.known_secrets import redact_known
from .children import is_yet_to_go_on, start_below
from .drives import find_drive
from .log import Log, open_log

PARENT_ENDED = "the parent's turn has ended"
CALL_ENDED = "the call that it worked for has ended"
CUT_OFF = "stopped before it had an answer: the turn has ended, or has come to a limit"
MAY_HAVE_RUN = (
    "{message}. In the midst of these calls, which may have had their effect: {calls}. Check before"
    " you repeat them"
)
_SHOWN_CHARS = 200
"""Characters of a call's arguments in a message."""


async def end_turn(log: Log, *events: e.Event, after: int | None = None) -> None:
    """Append events that end the turn or bring it to a limit, after the ends of all its children.

    Raises as `Log.append` does; SeqTaken only where `after` is given.
    """
    why = _why_children_end(events[-1])
    while True:
        seq = log.state.seq
        if after is not None:
            seq = after
        failed = []
        for call in _calls_with_child(log.state):
            cut_off = e.ToolFailed(call.id, "cancelled", CUT_OFF)
            failed.append(await end_child(log, call, cut_off, why))
        try:
            await log.append(*failed, *events, after=seq)
            return
        except SeqTaken:  # a child has come to its own end, say
            if after is not None:
                raise


async def append_decided(log: Log, events: tuple[e.Event, ...], after: int) -> None:
    """Append the events that `decide` gave. Raises as `Log.append` does.

    What approval rules and checks of arguments and answers have said is in them: other people's
    code, whose words may have a secret.
    """
    events = tuple(map(_redact_event, events))
    if any(_is_end(event) for event in events):
        await end_turn(log, *events, after=after)
    else:
        ended = [await _end_its_child(log, event) for event in events]
        await log.append(*ended, after=after)


def _is_end(event: e.Event) -> bool:
    """Whether calls that are open then don't go on."""
    if isinstance(event, e.LimitReached):
        return not event.waits
    return isinstance(event, e.TurnEnded)


async def _end_its_child(log: Log, event: e.Event) -> e.Event:
    """The event; where it is the failure of a call with a child, after that child's end."""
    if isinstance(event, e.ToolFailed) and event.call_id in log.state.calls:
        return await end_child(log, log.state.calls[event.call_id], event)
    return event


def _redact_event(event: e.Event) -> e.Event:
    match event:
        case e.ToolFailed(message=text) | e.AnswerRejected(message=text):
            return replace(event, message=redact_known(text))
        case e.ApprovalAsked(reason=text) | e.TurnEnded(reason=text):
            return replace(event, reason=redact_known(text))
        case _:
            return event


async def cancel_call(log: Log, call: CallState, why: str) -> None:
    """Append that nobody waits for this call any more, after the end of its child."""
    failed = await end_child(log, call, e.ToolFailed(call.id, "cancelled", why))
    with contextlib.suppress(IllegalEvent):  # its result came at the same moment
        await log.append(failed)


async def end_child(log: Log, call: CallState, failed: e.ToolFailed, why: str = "") -> e.ToolFailed:
    """End the turn of this call's child, if any; the event, with what that turn has used added.

    `why` is the reason in the child's log; "" stands for the message of the failure.
    It names the calls below that may have had their effect, with the labels of their threads. Where
    there are none, the outcome of a call that was cut off isn't unknown. Raises Fenced and
    StoreErrors.
    """
    if call.child is None:
        return failed
    await log.refresh()
    if log.lost_reason:
        raise log.lost_error()
    why = why or failed.message
    child = await _open_child(log, call, call.child.thread_id, why)
    if not is_child(child.records, log.thread_id, call.id, log.state.depth):
        return _without_effects(failed)  # it would have got another name
    if child.state.is_open:
        with contextlib.suppress(IllegalEvent):  # it came to its own end at the same moment
            await end_turn(child, e.TurnEnded("cancelled", why))
    below = await _open_below(child)
    if effects := [call for each in below for call in find_effects(_before_limit(each))]:
        shown = ", ".join(
            f"{each.name} {shorten(one_line(each.final_arguments), _SHOWN_CHARS)}"
            for each in effects
        )
        message = MAY_HAVE_RUN.format(message=failed.message, calls=shown)
        # Their arguments are the words of a model that has read what those threads hold.
        labels = join_labels(labels_of(each.state.held) for each in below)
        failed = replace(failed, message=message, labels=labels)
    else:
        failed = _without_effects(failed)
    result = since_reopening(read_result(child.records, child.state))
    return replace(failed, usage=result.usage, cost_usd=result.summary().cost_usd)


async def _open_child(log: Log, call: CallState, thread_id: str, why: str) -> Log:
    """The log of the call's child, which has begun or gone on, or now never will (rule 2).

    The parent's listeners hear of its end, as nobody else here tells them any more.
    """
    child = await open_log(thread_id, log.store, log.world)
    if not find_drive(log.store, thread_id):
        child.listeners = (log.tell,)
    opening: list[e.Event] = []
    if not child.records and log.state.depth < MAX_DEPTH:
        task = e.UserSaid(call.final_arguments, labels=labels_of(log.state.held))
        opening = [start_below(log, call.id, call.name), task]
    elif is_yet_to_go_on(log, child, call.id):
        opening = [e.ThreadClaimed(child.world.new_id(), reopens=True)]
    if opening:
        with contextlib.suppress(SeqTaken):  # it begins at this very moment
            ended = e.TurnEnded("cancelled", why)
            await child.append(*opening, ended, after=child.state.seq)
        await child.refresh()
    return child


async def _open_below(log: Log) -> list[Log]:
    """The log, and those of all that works for its last turn, at any depth."""
    found = [log]
    for child in await _open_children(log):
        found += await _open_below(child)
    return found


async def _open_children(log: Log) -> list[Log]:
    """The logs of those that work for its last turn.

    None that is yet to begin, or is a child of the thread that this one was forked from.
    """
    found: list[Log] = []
    opened_seq = log.state.turn.opened_seq if log.state.turn else 0
    for started in find_children(log.records[opened_seq:]):
        child = await open_log(started.thread_id, log.store, log.world)
        if is_child(child.records, log.thread_id, started.call_id, log.state.depth):
            found.append(child)
    return found


def _before_limit(log: Log) -> State:
    """The state in which the last turn has come to its limit, as it has no open calls from there
    on; the last state where it has come to none."""
    limit = log.state.turn and log.state.turn.limit
    for record in reversed(log.records if limit else ()):
        if record.event == limit:
            return fold(log.records[: record.seq - 1])
    return log.state


def _without_effects(failed: e.ToolFailed) -> e.ToolFailed:
    if not failed.unknown:
        return failed
    return replace(failed, unknown=False, retry_after_s=None)


async def end_abandoned_children(log: Log) -> None:
    """End the turns of children, at any depth, whose calls are over.

    By rules 1 and 2 there are none; but an older version left such.
    """
    why = CALL_ENDED
    if log.state.turn and log.state.turn.ended:
        why = _why_children_end(log.state.turn.ended)
    awaited = {call.child.thread_id for call in _calls_with_child(log.state) if call.child}
    for child in await _open_children(log):
        if child.thread_id not in awaited and child.state.is_open:
            with contextlib.suppress(IllegalEvent):
                await end_turn(child, e.TurnEnded("cancelled", why))
        await end_abandoned_children(child)


async def cancel_turn(log: Log) -> None:
    """End the turn as cancelled, and its children; or leave it open, where its driver lets it go.

    A child's end is left to its parent's driver. The end may not get written: where that driver is
    fenced, or its store breaks, the turn goes on in another process.
    """
    # Whatever keeps the end from being written, the cancellation itself goes on.
    with contextlib.suppress(TreadleError):
        if log.lets_go or log.stop_asked.is_set():
            await log.release()
        elif not start_of_child(log.records):
            await end_turn(log, e.TurnEnded("cancelled"))


def _calls_with_child(state: State) -> tuple[CallState, ...]:
    """The open calls of the turn under way that run as a child."""
    return tuple(call for call in state.calls.values() if call.child)


def _why_children_end(event: e.Event | None) -> str:
    """The reason in the children's logs, where this event ends the parent's turn."""
    if isinstance(event, e.TurnEnded) and event.status == "cancelled":
        return event.reason
    return PARENT_ENDED
