"""When the time of steps is up, and what happens then. Pure: whoever asks says what time it is."""

from . import events as e
from .call import CallState
from .state import State

_WAITS_FOR_PEOPLE = ("waiting", "question")


def find_overdue(call: CallState, now: float) -> e.ToolFailed | None:
    """The failure of a call whose time is up; None if it isn't.

    What a person has decided is done, even if they were late and nobody had noticed.
    """
    if not _is_bounded(call) or call.until is None or now < call.until:
        return None
    what = "it wasn't done"
    if call.status in _WAITS_FOR_PEOPLE:
        what = "nobody had answered"
    return e.ToolFailed(call.id, "timeout", f"{what} when its time was up")


def next_due(state: State) -> float | None:
    """When the time of the first open call is up: seconds since the epoch; None: never."""
    turn = state.turn
    calls = turn.calls.values() if turn and not turn.ended else ()
    times = [call.until for call in calls if call.until is not None and _is_bounded(call)]
    return min(times, default=None)


def _is_bounded(call: CallState) -> bool:
    return call.status in _WAITS_FOR_PEOPLE or call.child is not None
