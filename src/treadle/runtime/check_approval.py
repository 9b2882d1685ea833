"""Checks a person's approval before it is written: that it is for what waits, and fits the tool."""

from collections.abc import Awaitable, Callable

from ..core import events as e
from ..core.call import decision_digest
from ..core.edit_shape import refuse_other_shape
from ..core.errors import IllegalEvent
from .log import Log
from .settings import RunSettings


async def check_approval(
    log: Log, event: e.ApprovalGiven, find_settings: Callable[[], Awaitable[RunSettings]]
) -> None:
    """Raise IllegalEvent if it isn't for what waits now, UsageError for arguments that won't do."""
    turn = log.state.turn
    if turn is None or event.call_id not in turn.calls:
        return
    call = turn.calls[event.call_id]
    if call.status != "waiting":
        return  # the log refuses it, and says who was first
    if event.digest not in ("", decision_digest(call)):
        raise IllegalEvent(
            f"call {call.id} isn't what the approval was given for; look at it again:"
            f" {call.name}({call.final_arguments})"
        )
    if event.arguments is None:
        return
    settings = await find_settings()
    if call.step or settings.name != log.state.agent:
        # Only the code of a flow knows the function, or the agent that asks.
        refuse_other_shape(call.id, call.call.arguments, event.arguments)
    else:
        settings.refuse_edit(call.name, event.arguments)
