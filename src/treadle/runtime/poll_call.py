"""Asks what became of the work elsewhere of one open call, and writes it down."""

from ..core.call import CallState
from ..core.taint import label_step
from .late import append_or_tell, learn_of_tool
from .log import Log
from .settings import RunSettings


def poll_of(call: CallState) -> tuple[str, float | None]:
    """Names one question about a call: one driver asks it once."""
    return call.id, call.until


async def poll_call(log: Log, settings: RunSettings, call: CallState) -> None:
    """Ask the call's tool, and append what came of the call. Raises Stopped, as `Log.append`."""
    tool = settings.policy.find_tool(call)
    if tool is None:
        return
    log.refuse_if_stopping()
    if event := await settings.run.hands.poll_tool(log, tool, call, settings.run.deps):
        labelled = label_step(call, tool, event)
        await append_or_tell(log, labelled, learn_of_tool(log, tool, call))
