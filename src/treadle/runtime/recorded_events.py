"""What a replay takes from its recording, what it works out itself, and for which call. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeGuard

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallStatus
from ..core.due import find_overdue
from ..core.late import is_late
from ..core.next_action import RunCheck
from ..core.state import State
from ..core.verify import VERIFY
from .run_tool import ToolOutcome
from .settings import RunSettings


def begins_drive(event: e.Event, state: State) -> bool:
    """Whether its driver decides by what is known then, whatever others write next."""
    if state.last_described is None:
        return False  # it has yet to say what it decides by
    is_claimed = isinstance(event, e.ThreadClaimed) and event.driver != ""
    return is_claimed or isinstance(event, e.AgentDescribed)


def ends_drive(event: e.Event) -> bool:
    """Whether the driver before this event was gone."""
    if isinstance(event, e.ApprovalGiven):
        return not event.call_id
    # No driver writes these while it works, nor goes on with anything after them.
    return isinstance(event, e.ThreadClaimed | e.ThreadForked | e.TrustChanged | e.TurnEnded)


def ends_with_turn(event: e.Event) -> TypeGuard[e.ToolFailed]:
    """Whether it ends a call because the turn has ended or come to a limit."""
    return isinstance(event, e.ToolFailed) and event.kind == "cancelled"


def is_external(event: e.Event) -> bool:
    """Whether the event can't be worked out from the records before it."""
    if is_late(event):
        return True
    match event:
        case e.ToolReturned() | e.ToolFailed():
            return bool(event.by)
        case e.TurnEnded():
            return event.status == "cancelled" or event.reason.startswith("a bug")
        case e.OutcomeDecided():
            return event.by not in ("policy", VERIFY)
        case e.ThreadStarted() | e.ThreadClaimed() | e.ThreadForked() | e.AgentDescribed():
            return True
        case e.TrustChanged() | e.NotesRecalled() | e.UserSaid() | e.ApprovalGiven():
            return True
        case e.LimitRaised() | e.FeedbackGiven():
            return True
    return False


def as_recorded(events: Sequence[e.Event], upcoming: Sequence[e.Record]) -> tuple[e.Event, ...]:
    """These events, with what only the stores of then knew as the next records have it.

    That is the usage of children whose calls were cut off, the names of new children, and what the
    accounts have paid for.
    """
    cut_off: dict[str, e.Event] = {}
    children: dict[str, e.ChildStarted] = {}
    for record in upcoming:
        if ends_with_turn(record.event):
            cut_off[record.event.call_id] = record.event
        elif isinstance(record.event, e.ChildStarted):
            children[record.event.call_id] = record.event
    found: list[e.Event] = []
    for event in events:
        if isinstance(event, e.ModelCalled) and upcoming:
            event = _as_paid(event, upcoming[0].event)
        if ends_with_turn(event):
            event = cut_off.get(event.call_id, event)
        elif isinstance(event, e.ChildStarted) and event.call_id in children:
            event = _as_started(event, children[event.call_id])
        found.append(event)
    return tuple(found)


def _as_started(event: e.ChildStarted, recorded: e.ChildStarted) -> e.ChildStarted:
    """A new child under its recorded name; a fork has its account, too, from another thread."""
    account = event.account and recorded.account
    return replace(event, thread_id=recorded.thread_id, account=account)


def _as_paid(event: e.ModelCalled, recorded: e.Event) -> e.ModelCalled:
    """A model call as the accounts of then paid for it."""
    if not isinstance(recorded, e.ModelCalled):
        return event
    if recorded.max_output_tokens < event.max_output_tokens and recorded.accounts:
        event = replace(
            event,
            max_output_tokens=recorded.max_output_tokens,
            reserved_usd=recorded.reserved_usd,
        )
    return replace(event, accounts=recorded.accounts)


def count_before_fork(upcoming: Sequence[e.Record], count: int) -> int:
    """How many of the next `count` records come before a fork, which may split one append."""
    for index, record in enumerate(upcoming):
        if index and isinstance(record.event, e.ThreadForked):
            return index
    return count


def is_written_by_tool(event: e.Event) -> bool:
    """Whether it was written while a tool ran: a note, or a second ChildStarted, where somebody
    else had begun a thread of the first one's name."""
    return isinstance(event, e.ChildStarted) or (
        isinstance(event, e.CallNoted) and not event.pending
    )


def find_ids(state: State, *statuses: CallStatus) -> set[str]:
    return {call.id for call in state.calls.values() if call.status in statuses}


def find_deferred(state: State) -> set[str]:
    """The ids of the calls without which the model goes on."""
    return {call.id for call in state.calls.values() if call.deferred}


def decided_at(following: e.Record, state: State) -> float:
    """The time by which the driver decided what the next record says.

    It decides at once after a record. Only where what it writes says that a time was up by then is
    it known that it took longer.
    """
    event = following.event
    call = state.calls.get(event.call_id) if isinstance(event, e.ToolFailed) else None
    if call and find_overdue(call, following.at) == event:
        return following.at
    return state.at


def is_beside(event: e.Event, state: State) -> TypeGuard[ToolOutcome]:
    """Whether it is what came of a call that runs beside the loop."""
    beside = find_ids(state, "started") & find_deferred(state)
    return isinstance(event, ToolOutcome) and event.call_id in beside


def comes_from_outside(event: e.Event, state: State) -> bool:
    """Whether it is taken from the recording, as what people say is and others' writing.

    Also what a tool said that was asked what became of a call, and what a call's child waits for:
    the log doesn't say when somebody looked.
    """
    if is_external(event):
        return True
    call = state.calls.get(event.call_id) if isinstance(event, ToolOutcome) else None
    if call is None:
        return False
    polled = call.polls and call.status in ("pending", "unknown")
    return polled or (call.status == "child" and isinstance(event, e.ChildWaits))


def is_of_other(event: e.Event, call_id: str, state: State, settings: RunSettings) -> bool:
    """Whether a call that is run or checked beside this one writes the event, or the loop, which
    goes on once no call is run any more, but for those in the background."""
    if call_id in find_deferred(state):
        return True
    policy = settings.in_charge(state).policy
    beside = find_ids(state, "started")
    for call in state.calls.values():
        tool = policy.find_tool(call)
        if call.status == "unknown" and tool and tool.verify:
            beside.add(call.id)
    return getattr(event, "call_id", "") in beside - {call_id}


def is_reply(event: e.Event) -> TypeGuard[e.ModelReplied | e.ModelFailed]:
    """Whether a model call has ended in it, for the driver that had made it."""
    return isinstance(event, e.ModelReplied | e.ModelFailed) and not is_late(event)


def is_said_of(asked: RunCheck) -> Callable[[e.Event], TypeGuard[e.Checked]]:
    """Tells what the checks have said of what they are asked about from all else."""
    wanted = (asked.what, asked.seq, asked.call.id if asked.call else "")

    def is_its(event: e.Event) -> TypeGuard[e.Checked]:
        if not isinstance(event, e.Checked):
            return False
        return (event.what, event.said_seq, event.call_id) == wanted

    return is_its
