"""What a thread is after its last record, in one word, as lists of threads show it. Pure."""

from typing import Literal, get_args

from .call import WAITING
from .due import next_look
from .result import Status
from .state import MAX_CLAIMS, State
from .waits import find_waits, is_held

ThreadStatus = Literal[Status, "imported", "parked"]
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


def find_line(state: State) -> tuple[ThreadStatus, float | None]:
    """The status, and for a thread that waits, when somebody must look at it: see `next_look`."""
    status = find_status(state)
    due = None
    if status == "waiting":
        due = next_look(state)
    return status, due


def line_at_append(state: State) -> tuple[ThreadStatus | Literal[""], float | None]:
    """As `find_line`, where that is quickly said; "" and 0 leave it to whoever lists the thread."""
    turn = state.turn
    if turn and not turn.ended and len(turn.calls) > MAX_CALLS:
        return "", 0.0
    return find_line(state)
