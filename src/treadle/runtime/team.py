"""Teams: an agent as a tool of another, and handoffs of a thread. Drives nothing."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.check_settings import check_kind
from ..core.context import Arguments, Check, ChildResult, Context
from ..core.errors import ToolError, UsageError
from ..core.limits import Limits, tightest_limit
from ..core.links import MAX_DEPTH as MAX_DEPTH
from ..core.links import start_of_child
from ..core.tool import Tool
from ..core.tool_kind import HandOver, OfChild
from .children import open_parent
from .given import Given
from .log import Log
from .parent_context import ParentContext
from .settings import RunSettings

if TYPE_CHECKING:
    from .agent import AnyAgent
    from .runs import Runs

_CHILD_SETTINGS: dict[str, Any] = {"context": "context", "idempotent": True, "timeout_s": None}
"""A child's thread knows what it has done, so calling it again continues it: no crash makes its
outcome unknown."""
_TASK = {
    "type": "object",
    "properties": {"task": {"type": "string"}},
    "required": ["task"],
    "additionalProperties": False,
}
"""Without descriptions: small models write the description in the task's place."""
_TASK_ADVICE = (
    "Write the task in plain words, as to a person who sees nothing else, with all that must be"
    " known for it."
)


def make_agent_tool(
    agent: "AnyAgent",
    name: str,
    description: str,
    work: Callable[["Runs", str, Context], Awaitable[ChildResult]],
) -> Tool[..., Any, Any]:
    """The tool that gives a task to this agent, in a thread of the call's own, by `work`."""

    check_kind(f"the description of tool {name!r}", description, str, "a text")

    async def give(task: str, context: Context) -> ChildResult:
        return await work(agent.runs, task, context)

    about = description or f"Gives a task to the agent {agent.name}, and its answer back."
    return Tool(
        name,
        f"{about} {_TASK_ADVICE}",
        _TASK,
        give,
        _check_task,
        special=OfChild(agent.limits, agent),
        **_CHILD_SETTINGS,
    )


async def work_here(runs: "Runs", task: str, context: Context) -> ChildResult:
    """Drive the child beside its parent."""
    return await runs.work_as_child(task, context, Given(context.deps))


def make_child_tool(
    limits: Limits, work: Callable[..., Awaitable[ChildResult]], check: Check = lambda given: {}
) -> Tool:
    """The tool whose call runs as a thread of its own, within these limits.

    `work` gets the checked arguments.
    """
    special = OfChild(limits)
    return Tool("child", "", {"type": "object"}, work, check, special=special, **_CHILD_SETTINGS)


def child_limits(limits: Limits, parent: ParentContext) -> Limits:
    """A child's limits: its own, and seconds as the parent has left.

    Tokens and dollars of the parent are its account's. Only an older log has a share of them.
    """
    share = parent.child
    return replace(
        limits,
        tokens=tightest_limit(limits.tokens, share.tokens),
        cost_usd=tightest_limit(limits.cost_usd, share.cost_usd),
        seconds=tightest_limit(limits.seconds, parent.seconds),
    )


def _check_task(arguments: Arguments) -> Arguments:
    task = arguments.get("task")
    if not isinstance(task, str) or not task.strip() or len(arguments) > 1:
        raise ToolError('bad arguments: send {"task": "..."}, what to do as one text')
    return {"task": task}


def _check_empty(arguments: Arguments) -> Arguments:
    if arguments:
        raise ToolError("bad arguments: it takes none; send {}")
    return arguments


def find_team(start: "AnyAgent") -> dict[str, "AnyAgent"]:
    """By name, every agent that this one's thread may be handed to, directly or through others.

    `handoffs` may name an agent that stands elsewhere in the team: so agents can hand back. Raises
    UsageError for an unknown name, and for two agents of one name.
    """
    team: dict[str, AnyAgent] = {start.name: start}
    waiting = [start]
    while waiting:
        for each in waiting.pop().handoffs:
            if isinstance(each, str):
                continue
            if team.setdefault(each.name, each) is not each:
                raise UsageError(
                    f"two agents of a team have the name {each.name!r}; give each its own"
                )
            if each not in waiting and each is not start:
                waiting.append(each)
    for agent in team.values():
        for each in agent.handoffs:
            if isinstance(each, str) and each not in team:
                raise UsageError(
                    f"{agent.name} hands over to {each!r}, which isn't in the team:"
                    f" {', '.join(team)}"
                )
    return team


def make_handoff_tools(agent: "AnyAgent", team: dict[str, "AnyAgent"]) -> Iterable[Tool]:
    """One tool for each agent that this one may hand the thread to."""
    for each in agent.handoffs:
        name = each if isinstance(each, str) else each.name
        description = f"Put the agent {name} in charge of this conversation."
        if team[name].description:
            description += f" {team[name].description}"
        yield Tool(
            f"hand_to_{name}",
            description,
            {"type": "object", "properties": {}, "additionalProperties": False},
            check=_check_empty,
            special=HandOver(name),
        )


async def find_run_settings(log: Log, top: RunSettings) -> RunSettings:
    """The settings that a thread goes by: these, or those of the agent that works in a child."""
    parent = await open_parent(log)
    start = start_of_child(log.records)
    if parent and start:
        settings = await find_run_settings(parent, top)
        if agent := find_called_agent(parent.records, start.parent_call_id, settings):
            top = agent.run_settings
    return top.in_charge(log.state)


def find_called_agent(
    records: Iterable[e.Record], call_id: str, settings: RunSettings
) -> "AnyAgent | None":
    """The agent that works for this call of the model, by the settings of who called; or None."""
    found: AnyAgent | None = None
    replies = [each.event for each in records if isinstance(each.event, e.ModelReplied)]
    for call in (call for reply in replies for call in reply.calls if call.id == call_id):
        tool = settings.policy.tools.get(call.name)
        if tool and tool.child and tool.child.agent:
            found = tool.child.agent
    return found
