"""The open calls of a thread that is replayed, and what a record says of them. Pure."""

from collections.abc import Callable
from typing import TypeGuard

from ..core import events as e
from ..core.call import CallStatus
from ..core.due import find_overdue
from ..core.late import is_late
from ..core.next_action import RunCheck
from ..core.state import State
from .recorded_events import is_external
from .run_tool import ToolOutcome
from .settings import RunSettings


def find_ids(state: State, *statuses: CallStatus) -> set[str]:
    """The ids of the calls with one of these statuses."""
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
