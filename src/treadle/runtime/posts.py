"""What a person says to a turn that waits or runs, written into its log. Drives nothing."""

from collections.abc import Awaitable, Callable

from ..core import events as e
from ..core.turn import find_call
from .ending import end_turn
from .job import RunSettings
from .log import Log

Post = e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.TurnEnded


async def post(log: Log, fact: Post, job: Callable[[], Awaitable[RunSettings]]) -> None:
    """Append it; `job` knows the tools, where arguments were edited. Raises IllegalEvent where nothing waits for it."""
    turn = log.state.turn
    if turn and isinstance(fact, e.ApprovalGiven) and fact.arguments is not None:
        (await job()).refuse_edit(find_call(turn, fact.call_id).name, fact.arguments)
    running = turn and not turn.ended and any(call.status == "started" for call in turn.calls)
    if running and isinstance(fact, e.OutcomeDecided):
        # Until somebody claims the thread, its calls count as running. Who decides need not be who drives.
        await log.append(e.ThreadClaimed(log.world.new_id()))
    if isinstance(fact, e.TurnEnded):
        await end_turn(log, fact)
    else:
        await log.append(fact)
