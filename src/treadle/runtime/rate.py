"""Writes what a person found of a turn. Drives nothing, and changes nothing of what comes next."""

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.feedback import last_ended, read_feedback
from .log import Log


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
