"""An agent that works for another one, or for a flow: each call is a thread of its own."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core import events as e
from ..core.context import ChildResult, Context
from ..core.errors import ModelError, TurnFailed
from ..core.result import make_child_result, read_result
from .children import open_child_log, starts_again
from .drive import new_claim
from .given import Given
from .said import take_said
from .team import MAX_DEPTH, child_limits

if TYPE_CHECKING:
    from .agent import AnyAgent


async def work_as_child(agent: "AnyAgent", task: str | e.UserSaid, context: Context) -> ChildResult:
    """Start or continue the call's child thread, which is paid from the parent's account."""
    parent = context.parent
    assert parent
    if parent.depth >= MAX_DEPTH:
        message = f"agents call each other {MAX_DEPTH} deep; do it without"
        return ChildResult(message, e.Usage(), 0.0, failed=True)
    limits = child_limits(agent.limits, parent)
    child = replace(agent, store=parent.store, world=parent.world, limits=limits)
    log = await open_child_log(context)
    given = Given(context.deps)
    with suppress(ModelError, TurnFailed):  # the result says so to the caller
        if log.records:
            await child.runs.go_on(log, False, given, await starts_again(log))
        else:
            place = (context.thread_id, context.call_id, parent.depth + 1, parent.root_id)
            start = e.ThreadStarted(agent.name, parent.world.new_id(), *place)
            said = take_said(task)
            await child.runs.drive(log, given, start, new_claim(parent.world), said)
    return make_child_result(agent.name, read_result(log.records, log.state))
