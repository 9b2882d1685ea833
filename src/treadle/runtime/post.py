"""Writes what a person says to a turn that waits or runs, in whatever process. Drives nothing."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypedDict, get_args

from msgspec.structs import replace

from ..core import events as e
from ..core.arguments import refuse_other_shape
from ..core.call import decision_digest
from ..core.check_settings import check_number, check_whole_number, refuse_unknown
from ..core.errors import IllegalEvent, SeqTaken, UsageError
from ..core.feedback import last_ended, read_feedback
from ..core.links import start_of_child
from ..core.name_kind import name_kind
from ..core.verify import VERIFY
from ..core.write_event import write_event
from ..this_user import current_user
from .children import open_parent, open_tree, refuse_child, require_trusted
from .conflicts import explaining_conflicts
from .drives import find_beat
from .end_turn import end_turn
from .log import Log
from .message_key import was_posted
from .said import as_answer, take_said
from .settings import RunSettings
from .steer import Steered, steer

_Decision = e.ApprovalGiven | e.OutcomeDecided | e.TurnEnded | e.TrustChanged | e.LimitRaised
Post = _Decision | e.UserSaid | e.FeedbackGiven

_WHOLE, _PARTS = ("steps", "tool_calls", "tokens"), ("cost_usd", "seconds")
"""The amounts of a LimitRaised that are whole numbers, and the others."""


async def post(
    log: Log, event: Post, find_settings: Callable[[], Awaitable[RunSettings]]
) -> Steered | None:
    """Append what a person says to a turn that waits or runs. Of a message, where it has come.

    A TrustChanged goes to the children too. `find_settings` is asked for the tools where a person
    has edited arguments. An answer whose key is in the log already says nothing new. Raises
    IllegalEvent where nothing waits for this event, or for something else than it approves;
    UsageError for a key with other words, and for a decision in a thread that nobody has adopted.
    """
    _refuse_foreign(event)
    if isinstance(event, e.UserSaid):
        event = take_said(event)
        if not event.answers:
            return await steer(log, event)
        event = as_answer(log, event)
    write_event(event)  # refuses wrong values before anything goes by them
    if isinstance(event, e.FeedbackGiven):
        await rate(log, event)
        return None
    if isinstance(event, e.TrustChanged):
        await _adopt(log, event)
        return None
    if not isinstance(event, e.TurnEnded):
        require_trusted(log)
    if was_posted(log, event):
        return None
    if isinstance(event, e.ApprovalGiven):
        await _check_approval(log, event, find_settings)
    with explaining_conflicts(log, event):
        if isinstance(event, e.TurnEnded):
            await end_turn(log, event)
            return None
        try:
            if isinstance(event, e.OutcomeDecided):
                await _post_outcome(log, event)
            else:
                await log.append(event)
        except IllegalEvent:  # perhaps the same answer has come at the same moment
            if not was_posted(log, event):
                raise
    return None


async def rate(log: Log, said: e.FeedbackGiven) -> None:
    """Append it, of the last turn that has ended where it names none; the same again is nothing.

    An imported thread may be rated before it is adopted: no rating lets anything happen. Raises
    IllegalEvent for a turn that is open or isn't there, UsageError where none has ended.
    """
    turn_seq = said.turn_seq or last_ended(log.state.openings, log.state.turn)
    if not turn_seq:
        raise UsageError(f"no turn of thread {log.thread_id} has ended yet; rate it then")
    said = replace(said, turn_seq=turn_seq)
    if said not in read_feedback(log.records):
        await log.append(said)


def _refuse_foreign(event: object) -> None:
    """Raise UsageError for what isn't a person's to say."""
    if not isinstance(event, get_args(Post)):
        names = ", ".join(each.__name__ for each in get_args(Post))
        raise UsageError(f"{name_kind(event)} can't be posted; what people say is: {names}")
    if isinstance(event, e.TurnEnded) and event.status != "cancelled":
        raise UsageError(
            f'a person can only cancel a turn: TurnEnded("cancelled"), not {event.status!r}'
        )
    if isinstance(event, e.OutcomeDecided) and (event.by == VERIFY or event.outcome == "unclear"):
        raise UsageError("only a tool's verify says that: say who you are, and what became of it")
    if isinstance(event, e.LimitRaised):
        _check_amounts({name: getattr(event, name) for name in (*_WHOLE, *_PARTS)})


async def _check_approval(
    log: Log, event: e.ApprovalGiven, find_settings: Callable[[], Awaitable[RunSettings]]
) -> None:
    """Raise IllegalEvent if it isn't for what waits now, UsageError for arguments that won't do."""
    call = log.state.calls.get(event.call_id)
    if call is None or call.status != "waiting":
        return  # the log refuses it, and says who was first
    if event.digest not in ("", decision_digest(call)):
        raise IllegalEvent(
            f"call {call.id} isn't what the approval was given for; look at it again:"
            f" {call.name}({call.final_arguments})"
        )
    if event.arguments is None:
        return
    settings = await find_settings()
    if call.step or settings.name != log.state.agent:
        # Only the code of a flow knows the function, or the agent that asks.
        refuse_other_shape(call.id, call.call.arguments, event.arguments)
    else:
        settings.refuse_edit(call.name, event.arguments)


async def _post_outcome(log: Log, event: e.OutcomeDecided) -> None:
    """Append the event. Raises as `Log.append`; IllegalEvent where the call has run again since.

    Until somebody claims the thread, its calls count as running. The person who says what became of
    a call need not be the one who resumes.
    """
    call = log.state.calls.get(event.call_id)
    seen = event.digest or (call and decision_digest(call))
    while True:
        call = log.state.calls.get(event.call_id)
        if call and decision_digest(call) != seen:
            raise IllegalEvent(
                f"call {call.id} of thread {log.thread_id} has run again since: look again,"
                " and say what became of that attempt"
            )
        events: list[e.Event] = [event]
        if call and call.status == "started":
            events.insert(0, e.ThreadClaimed(log.world.new_id()))
        try:
            await log.append(*events, after=log.state.seq)
            return
        except SeqTaken:  # somebody else wrote; the log has been taken in
            continue


async def _adopt(log: Log, event: e.TrustChanged) -> None:
    """Append that this thread and its children count as one's own.

    The children come first: a crash in between leaves a thread that waits to be adopted still.
    Raises UsageError for a child, which is adopted with its parent, and where there is nothing to
    adopt.
    """
    if not event.trusted:
        raise UsageError("only an import says that a thread isn't one's own; cancel it instead")
    if await open_parent(log):
        refuse_child(log, "adopt that one, and this goes with it")
    waiting = [each for each in await _own_tree(log) if not each.state.trusted]
    if not waiting:
        raise UsageError(f"thread {log.thread_id} is no imported one that waits to be adopted")
    for each in reversed(waiting):
        await each.append(event)


async def _own_tree(log: Log) -> list[Log]:
    """The thread and its children at all depths, without those that a fork shares."""
    own = [log]
    for each in (await open_tree(log))[1:]:
        start = start_of_child(each.records)
        if start and start.parent_thread_id in {one.thread_id for one in own}:
            own.append(each)
    return own


class Amounts(TypedDict, total=False):
    """By how much; what isn't named stays as it is."""

    steps: int
    tool_calls: int
    tokens: int
    cost_usd: float
    seconds: float
    reason: str
    """Why, in words, for the log."""


async def raise_limit(log: Log, by: str, amounts: Amounts) -> None:
    """Append that a person raises the limits of the open turn, or of one that ended at a limit.

    Raises IllegalEvent where there is no such turn; UsageError for wrong amounts, and in a thread
    that was imported and nobody has adopted.
    """
    refuse_unknown("raise_limit()", amounts, Amounts)
    _check_amounts(amounts)
    require_trusted(log)
    await log.append(e.LimitRaised(by or current_user(), **amounts))


def _check_amounts(amounts: Mapping[str, Any]) -> None:
    """Raise UsageError for amounts that would raise no limit."""
    for name in _WHOLE:
        check_whole_number(f"raise_limit({name}", amounts.get(name, 0))
    for name in _PARTS:
        check_number(f"raise_limit({name}", amounts.get(name, 0.0))


def refuse_while_running(log: Log, call_id: str) -> None:
    """Raise UsageError where a living process runs the call of this log now.

    A person's word on it would stop that process, but not what the call does.
    """
    calls = log.state.turn.calls if log.state.turn else {}
    if call_id in calls and calls[call_id].status == "started" and find_beat(log) is not None:
        raise UsageError(
            f"call {call_id} of thread {log.thread_id} is running now, in {log.state.driver}, which"
            " will write what comes of it; resume the thread to wait for that. Your word would stop"
            " that process, but not what it has begun: to say it all the same, take the thread"
        )
