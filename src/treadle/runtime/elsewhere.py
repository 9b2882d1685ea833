"""A child that another worker drives than its parent, and that is paid from the same account.

1. Whoever drives the parent begins the child's thread, tells the engine, and follows the thread to
   its end, as it would wait for a model. It never claims the child.
2. A worker drives the child. What pays for it, and how long it may take, it reads in the logs of
   the threads above, by the settings of their agents.
3. Where one of the two dies, the engine and the parent's next driver see to it: a child that nobody
   drives is offered to the engine again.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

from ..core import events as e
from ..core.check_settings import check_kind
from ..core.context import ChildResult, Context
from ..core.errors import EngineError, UsageError
from ..core.links import MAX_DEPTH, find_children, find_runners
from ..core.tool import Tool
from ..engines import Engine, Job, open_engine
from ..stores.store import tenant_of
from .account import payers_of_child
from .agent import Agent, AnyAgent
from .children import open_child_log, open_parent, starts_again
from .drives import find_beat
from .given import Given
from .log import Log, open_log
from .parent_context import ParentContext, find_parent
from .resume import Pulse, follow_driver, is_driven
from .runs import Runs
from .team import child_limits, find_called_agent, find_run_settings, make_agent_tool, work_here
from .waiting_children import read_tree_waits
from .watch import wait_at_most, watching

LOOK_S = 1.0
"""How often the parent looks whether somebody drives its child."""


def elsewhere(agent: AnyAgent, name: str = "", description: str = "") -> Tool[..., Any, Any]:
    """An agent as a tool of another, as `Agent.as_tool`, whose calls other workers may drive.

    So it is where an engine brings threads to workers that have the code of the agent above all.
    Elsewhere, and below a flow, a call is driven beside its parent, as ever.
    """
    check_kind("elsewhere(agent)", agent, Agent, "an Agent")
    about = description or agent.description
    return make_agent_tool(agent, name or agent.name, about, work_elsewhere)


async def work_elsewhere(runs: Runs, task: str, context: Context) -> ChildResult:
    """As `Runs.work_as_child`, on another worker: where there is an engine, and no flow above."""
    parent = find_parent(context).log
    engine, root = open_engine(None), await _find_root(parent)
    log = await open_child_log(context)
    if engine is None or root.state.is_flow or parent.state.depth >= MAX_DEPTH:
        await follow_driver(log)
        return await work_here(runs, task, context)
    if not log.records:
        await log.append(*runs.begin_child(task, context, parent), after=0)
    [top, *_] = find_runners(root.records, root.state)
    job = Job("child", top, log.thread_id, tenant_of(log.store))
    await _follow(log, engine, job)
    return runs.read_child(log)


async def _find_root(log: Log) -> Log:
    while above := log.above or await open_parent(log):
        log = above
    return log


async def _follow(log: Log, engine: Engine, job: Job) -> None:
    """Return once the child's turn is over, or waits for people."""
    pulse = Pulse(asyncio.get_running_loop().time)
    with watching(log) as grown:
        while log.state.is_open or await starts_again(log):
            if await read_tree_waits(log, now=log.world.now()):
                return
            beat = find_beat(log)
            if beat is None or pulse.stands((log.state.claim, beat)):
                with contextlib.suppress(EngineError):  # it is offered again
                    await engine.offer(job)
            await wait_at_most(LOOK_S, grown)
            grown.clear()
            await log.refresh()


async def drive_child(thread_id: str, top: Any, deps: Any) -> Log | None:
    """Bring a child's open turn to its end, for the agent `top` of the thread above all.

    The child's log; None where there is nothing to do: it has ended or waits, it is driven, it was
    deleted, or what it works for has ended. Raises as `Agent.resume`; UsageError where `top` has no
    such agent.
    """
    chain = [await open_log(thread_id, top.runs.turns.store, top.world)]
    while above := await open_parent(chain[0]):
        chain.insert(0, above)
    log = chain[-1]
    if not await _is_to_be_driven(chain):
        return None
    for parent, child in itertools.pairwise(chain):
        settings = await find_run_settings(parent, top.run_settings)
        child.paid_by = payers_of_child(parent, settings, _find_start(parent, child))
    await follow_driver(log)  # one that stands still may go on after all
    runs = await _runs_of(chain[-2], log, top)
    await runs._go_on(log, Given(deps), False, await starts_again(log))
    return log


async def _is_to_be_driven(chain: Sequence[Log]) -> bool:
    log = chain[-1]
    if len(chain) < 2 or await is_driven(log):
        return False
    if not (log.state.is_open or await starts_again(log)):
        return False
    if await read_tree_waits(log, now=log.world.now()):
        return False
    return all(each.state.is_open for each in chain[:-1])


def _find_start(parent: Log, child: Log) -> e.ChildStarted:
    starts = [each for each in find_children(parent.records) if each.thread_id == child.thread_id]
    return starts[-1]


async def _runs_of(parent: Log, child: Log, top: Any) -> Runs:
    """The runs of the child's agent, within what its parent has left."""
    settings = await find_run_settings(parent, top.run_settings)
    started = _find_start(parent, child)
    agent = find_called_agent(parent.records, started.call_id, settings)
    if agent is None:
        raise UsageError(
            f"thread {child.thread_id} works for call {started.call_id} of thread"
            f" {parent.thread_id}, whose tool isn't an agent here"
        )
    context = ParentContext(started, parent, settings.left_s(parent.state), child.paid_by)
    limits = child_limits(agent.limits, context)
    return agent.runs.turns.runs_below(child, limits)
