"""When the time of calls is up, and what happens then. Pure: whoever asks says what time it is."""

from collections.abc import Iterable

from . import events as e
from .call import CallState
from .state import State

_WAITS_FOR_PEOPLE = ("waiting", "question")
LATE_RESULT = "its result hadn't come when its time was up; the work may still go on"


def find_overdue(call: CallState, now: float) -> e.ToolFailed | None:
    """The failure of a call whose time is up; None if it isn't.

    What a person has decided is done, even if they were late and nobody had noticed.
    """
    fails_at = _fails_at(call)
    if fails_at is None or now < fails_at:
        return None
    what = "it wasn't done when its time was up"
    if call.status == "pending":
        what = LATE_RESULT
    elif call.status in _WAITS_FOR_PEOPLE:
        what = "nobody had answered when its time was up"
    return e.ToolFailed(call.id, "timeout", what)


def is_poll_due(call: CallState, now: float) -> bool:
    """Whether its tool is to be asked what became of the work: at its time, or after a crash."""
    polled_at = _polled_at(call)
    return polled_at is not None and now >= polled_at


def next_due(state: State) -> float | None:
    """When the time of the first open call is up: seconds since the epoch; None: never."""
    return _first(map(_fails_at, state.calls.values()))


def next_moment(state: State, after: float) -> float | None:
    """When next, after this moment, a time is up or a tool is to be asked about its work, here or
    in a child; None: never."""
    times: list[float | None] = []
    for call in state.calls.values():
        times += [_fails_at(call), _polled_at(call), *(each.until for each in call.waiting)]
    return _first(each for each in times if each is not None and each > after)


def next_look(state: State) -> float | None:
    """When somebody must look at a thread that waits: seconds since the epoch; None: never.

    0 where that is at once, or where its own log doesn't say it: what its children wait for is in
    theirs.
    """
    if state.turn and state.turn.held:
        return state.turn.held.until
    calls = state.turn.calls.values() if state.turn else ()
    if any(call.status == "child" for call in calls):
        return 0.0
    return _first((next_due(state), *map(_polled_at, calls)))


def _fails_at(call: CallState) -> float | None:
    """When it has failed, if nothing comes of it by then: a call that polls is asked about."""
    waits = call.status in _WAITS_FOR_PEOPLE or call.child is not None
    return call.until if waits or (call.status == "pending" and not call.polls) else None


def _polled_at(call: CallState) -> float | None:
    """When its tool is to be asked what became of the work: after a crash, at once."""
    if call.polls and call.status == "unknown":
        return 0.0
    return call.until if call.polls and call.status == "pending" else None


def _first(times: Iterable[float | None]) -> float | None:
    return min((each for each in times if each is not None), default=None)
