"""Says a message in a thread that exists, whatever it is at: it steers the open turn, or opens one.

1. The message is a fact as soon as it is in the log: the log alone decides whether the turn was
   still open then. So it is never lost, and with a key never said twice.
2. Whoever drives the turn finds it there: it doesn't end the turn, nor leave it, before a model
   call has shown the message. Where nobody drives, the sender is told what to resume.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import IllegalEvent, SeqTaken
from .children import open_parent, refuse_child, refuse_flow, require_trusted
from .conflicts import explaining_conflicts
from .drives import find_beat
from .log import Log
from .message_key import find_message


@dataclass(frozen=True)
class Steered:
    """Where a message has come that was said in a thread."""

    thread_id: str
    seq: int
    """Of the message, in the thread's log."""
    turn_seq: int
    """Of the message that opened its turn."""
    to_resume: str = ""
    """The thread that its sender is to resume, as nobody drives it; "": somebody does, or the turn
    is over."""

    @property
    def opened(self) -> bool:
        """Whether it came after the end of the turn, and has opened the next one."""
        return self.seq == self.turn_seq


async def steer(log: Log, said: e.UserSaid) -> Steered:
    """Append the message, and say where it has come; with its key again, where it was said.

    Raises UsageError for a child whose turn is over, the thread of a flow, an imported thread, and
    for a key of other words; IllegalEvent, StoreErrors.
    """
    while True:
        await log.refresh()
        if found := find_message(log, said, made_by_key=False):
            break
        require_trusted(log)
        opens = not log.state.is_open
        if opens:
            refuse_child(
                log, "its turn is over; say it there, or fork this one and say it to the fork"
            )
            refuse_flow(log)
        try:
            # The same message may come at the same moment, and a child takes none after its end.
            after = log.state.seq if said.key or log.state.depth else None
            with explaining_conflicts(log, said):
                await log.append(replace(said, steers=not opens), after=after)
        except SeqTaken:
            continue
        except IllegalEvent:
            if opens == (not log.state.is_open):
                raise
            continue  # the turn has ended at this moment, or another one has begun
        turn = log.state.turn
        assert turn
        found = log.state.seq, turn.opened_seq
        break
    seq, turn_seq = found
    return Steered(log.thread_id, seq, turn_seq, await _find_idle_driver(log, turn_seq))


async def _find_idle_driver(log: Log, turn_seq: int) -> str:
    """The thread above all this one works for, if its turn is open and nobody alive drives it."""
    root = log
    while find_beat(root) is None:
        above = await open_parent(root)
        if above is None:
            break
        root = above
    else:
        return ""
    await log.refresh()  # its driver may have come to the turn's end just before
    turn = log.state.turn
    if turn is None or turn.ended or turn.opened_seq != turn_seq:
        return ""
    return root.thread_id
