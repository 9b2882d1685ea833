"""When the time of calls is up, and what happens then. Pure: whoever asks says what time it is."""

from . import events as e
from .call import CallState
from .state import State

_WAITS_FOR_PEOPLE = ("waiting", "question")
LATE_RESULT = "its result hadn't come when its time was up; the work may still go on"


def find_overdue(call: CallState, now: float) -> e.ToolFailed | None:
    """The failure of a call whose time is up; None if it isn't.

    What a person has decided is done, even if they were late and nobody had noticed.
    """
    if not _is_bounded(call) or call.until is None or now < call.until:
        return None
    what = "it wasn't done when its time was up"
    if call.status == "pending":
        what = LATE_RESULT
    elif call.status in _WAITS_FOR_PEOPLE:
        what = "nobody had answered when its time was up"
    return e.ToolFailed(call.id, "timeout", what)


def is_poll_due(call: CallState, now: float) -> bool:
    """Whether its tool is to be asked what became of the work: at its time, or after a crash."""
    if call.status == "pending":
        return call.polls and call.until is not None and now >= call.until
    return _lost_and_polls(call)


def _lost_and_polls(call: CallState) -> bool:
    return call.polls and call.status == "unknown"


def next_due(state: State) -> float | None:
    """When the time of the first open call is up: seconds since the epoch; None: never."""
    open_calls = state.calls.values()
    times = [call.until for call in open_calls if call.until is not None and _is_bounded(call)]
    return min(times, default=None)


def next_moment(state: State, after: float) -> float | None:
    """When next, after this moment, a time is up or a tool is to be asked about its work, here or
    in a child; None: never."""
    times: list[float | None] = []
    for call in state.calls.values():
        times += [each.until for each in call.waiting]
        if call.status == "pending" or _is_bounded(call):
            times.append(call.until)
    return min((each for each in times if each is not None and each > after), default=None)


def next_look(state: State) -> float | None:
    """When somebody must look at a thread that waits: seconds since the epoch; None: never.

    0 where that is at once, or where its own log doesn't say it: what its children wait for is in
    theirs.
    """
    if state.turn and state.turn.held:
        return state.turn.held.until
    calls = state.turn.calls.values() if state.turn else ()
    if any(call.status == "child" or _lost_and_polls(call) for call in calls):
        return 0.0
    polls = [call.until for call in calls if call.status == "pending" and call.polls]
    times = [each for each in (next_due(state), *polls) if each is not None]
    return min(times, default=None)


def _is_bounded(call: CallState) -> bool:
    """Whether it has failed at `until`: a call that polls is asked about instead."""
    waits = call.status in _WAITS_FOR_PEOPLE or call.child is not None
    return waits or (call.status == "pending" and not call.polls)
