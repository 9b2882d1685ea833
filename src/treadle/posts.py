"""What a person says to a turn that waits or runs, written into its log. Drives nothing."""

from collections.abc import Awaitable, Callable

from . import events as e
from .call import CallState
from .ending import end, end_below
from .job import Job
from .log import Log, opened
from .result import result
from .turn import call_of

Post = e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.TurnEnded


async def post(log: Log, fact: Post, job: Callable[[], Awaitable[Job]]) -> None:
    """Append it; `job` knows the tools, where arguments were edited. Raises IllegalEvent where nothing waits for it."""
    turn = log.state.turn
    if turn and isinstance(fact, e.ApprovalGiven) and fact.arguments is not None:
        (await job()).refuse_edit(call_of(turn, fact.call_id).name, fact.arguments)
    running = turn and not turn.ended and any(call.status == "started" for call in turn.calls)
    if running and isinstance(fact, e.OutcomeDecided):
        # Until somebody claims the thread, its calls count as running. Who decides need not be who drives.
        await log.append(e.ThreadClaimed(log.world.new_id()))
    if isinstance(fact, e.TurnEnded):
        await end(log, fact)
    else:
        await log.append(fact)


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
