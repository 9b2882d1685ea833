"""What a thread is after its last record, in one word, as lists of threads show it. Pure."""

from typing import Literal, get_args

from .call import WAITING
from .result import Status
from .state import MAX_CLAIMS, State
from .waits import find_waits, is_held

ThreadStatus = Literal[
    "answered",
    "limit",
    "failed",
    "refused",
    "cancelled",
    "waiting",
    "unfinished",
    "imported",
    "parked",
]
"""As of a turn, and two more. `imported`: nobody has adopted it. `parked`: several processes have
died at the same place of it."""
THREAD_STATUSES: tuple[str, ...] = get_args(ThreadStatus)
MAX_CALLS = 100
"""Open calls up to which each append asks what a turn waits for."""


def find_status(state: State) -> ThreadStatus:
    """The thread's status: of its open turn, else of its last one."""
    if not state.trusted:
        return "imported"
    turn = state.turn
    if turn is None:
        return "unfinished"
    if turn.ended:
        return turn.ended.status
    if state.claims >= MAX_CLAIMS and is_held(state):
        return "parked"
    if turn.held and find_waits(state, ""):
        return "waiting"
    if turn.called or not turn.calls:
        return "unfinished"
    status: Status = "unfinished"
    # Nothing stands before the first call: unless that one waits, there is something to do.
    if next(iter(turn.calls.values())).status in WAITING and find_waits(state, ""):
        status = "waiting"
    return status


def status_at_append(state: State) -> ThreadStatus | Literal[""]:
    """As `find_status`, where that is quickly said; "" leaves it to whoever lists the thread."""
    turn = state.turn
    if turn and not turn.ended and len(turn.calls) > MAX_CALLS:
        return ""
    return find_status(state)
