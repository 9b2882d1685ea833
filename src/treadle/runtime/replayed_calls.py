"""The open calls of a thread that is replayed. Pure."""

from typing import TypeGuard

from ..core import events as e
from ..core.call import CallStatus
from ..core.state import State
from .run_tool import ToolOutcome


def find_ids(state: State, *statuses: CallStatus) -> set[str]:
    """The ids of the calls with one of these statuses."""
    return {call.id for call in state.calls.values() if call.status in statuses}


def find_deferred(state: State) -> set[str]:
    """The ids of the calls without which the model goes on."""
    return {call.id for call in state.calls.values() if call.deferred}


def is_outcome(event: e.Event, state: State) -> TypeGuard[ToolOutcome]:
    """Whether it is what came of a call that runs now."""
    return isinstance(event, ToolOutcome) and event.call_id in find_ids(state, "started")
