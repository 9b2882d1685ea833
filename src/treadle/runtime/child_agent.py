"""An agent that works for another one, or for a flow: each call is a thread of its own."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core import events as e
from ..core.context import ChildResult, Context
from ..core.errors import ModelError, TurnFailed
from ..core.result import Result, make_child_result, read_result
from .answered import require_answer
from .children import open_child_log, starts_again
from .drive import new_claim
from .given import Given
from .log import Log
from .said import take_said
from .serialize import to_json
from .step_ids import StepScope, check_within
from .team import MAX_DEPTH, child_limits, make_child_tool

if TYPE_CHECKING:
    from .agent import Agent


async def work_as_child(agent: "Agent", task: str | e.UserSaid, context: Context) -> ChildResult:
    """Start or continue the call's child thread, within its share of the parent's limits."""
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
            await child._go_on(log, False, given, await starts_again(log))
        else:
            place = (context.thread_id, context.call_id, parent.depth + 1, parent.root_id)
            start = e.ThreadStarted(agent.name, parent.world.new_id(), *place)
            said = take_said(task)
            await child._drive(log, given, start, new_claim(parent.world), said)
    return make_child_result(agent.name, read_result(log.records, log.state))


async def run_as_step(
    agent: "Agent",
    scope: StepScope,
    step_id: str,
    said: str | e.UserSaid,
    given: Given,
    within: float | None = None,
) -> Result:
    """`Agent.run` as a step of a flow, within so many seconds."""
    check_within(within)
    asked = replace(agent, settings=given.asked.over(agent.settings))

    async def work(context: Context) -> ChildResult:
        return await work_as_child(asked, said, replace(context, deps=given.deps))

    tool = make_child_tool(agent.limits, work)
    call = e.Call(step_id, agent.name, to_json({"task": said}))
    log: Log = await scope.caller.child(call, tool, within)
    return require_answer(f"the agent {agent.name}", step_id, lambda: agent._end(log))
