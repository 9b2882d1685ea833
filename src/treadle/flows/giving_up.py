"""A step that a flow's code no longer waits for."""

from .. import events as e
from ..call import CallState
from ..ending import end_below
from ..log import Log, opened
from ..result import result


async def given_up(log: Log, call: CallState, why: str) -> e.ToolFailed:
    """What to write of a call that nobody waits for any more, with what it had used; the turns below it are ended."""
    if call.child is None:
        return e.ToolFailed(call.id, "cancelled", why)
    await end_below(log, [call.child], e.TurnEnded("cancelled", why))
    under = await opened(call.child.thread_id, log.store, log.world)
    if not under.records:
        return e.ToolFailed(call.id, "cancelled", why)
    done = result(under.records, under.state)
    return e.ToolFailed(call.id, "cancelled", why, usage=done.usage, cost_usd=done.summary().cost_usd)
