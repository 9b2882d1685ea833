"""What a person says to a turn that waits or runs, written into its log. Drives nothing."""

from collections.abc import Callable, Sequence

from . import events as e
from .call import CallState
from .job import Job
from .log import Log, opened
from .result import result
from .state import OPEN
from .turn import call_of

Post = e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.TurnEnded


async def post(log: Log, fact: Post, job: Callable[[], Job]) -> None:
    """Append it; `job` knows the tools, where arguments were edited. Raises IllegalEvent where nothing waits for it."""
    turn = log.state.turn
    if turn and isinstance(fact, e.ApprovalGiven) and fact.arguments is not None:
        job().refuse_edit(call_of(turn, fact.call_id).name, fact.arguments)
    running = turn and not turn.ended and any(call.status == "started" for call in turn.calls)
    if running and isinstance(fact, e.OutcomeDecided):
        # Until somebody claims the thread, its calls count as running. Who decides need not be who drives.
        await log.append(e.ThreadClaimed(log.world.new_id()))
    await log.append(fact)
    if turn and isinstance(fact, e.TurnEnded):
        await cancel_below(log, turn.calls, fact)


async def cancel_below(log: Log, calls: Sequence[CallState], fact: e.TurnEnded) -> None:
    """End the turns that work for these calls, wherever they wait or run."""
    for call in calls:
        if call.child and call.status != "done":
            below = await opened(call.child.thread_id, log.store, log.world)
            if below.state.turn and below.state.phase in OPEN:
                await below.append(fact)
                await cancel_below(below, below.state.turn.calls, fact)


async def given_up(log: Log, call: CallState, why: str) -> e.ToolFailed:
    """What to write of a call that nobody waits for any more, with what it had used; the turns below it are ended."""
    if call.child is None:
        return e.ToolFailed(call.id, "cancelled", why)
    await cancel_below(log, [call], e.TurnEnded("cancelled", why))
    below = await opened(call.child.thread_id, log.store, log.world)
    if not below.records:
        return e.ToolFailed(call.id, "cancelled", why)
    done = result(below.records, below.state)
    return e.ToolFailed(call.id, "cancelled", why, usage=done.usage, cost_usd=done.summary().cost_usd)
