"""Who may hand a thread to whom, and an agent as a tool of another. Drives nothing; agent.py does."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.context import Arguments, Check, ChildResult, Context
from ..core.errors import ToolError, UsageError
from ..core.limits import Limits
from ..core.tool import Tool
from .job import RunSettings
from .log import Log, open_log

if TYPE_CHECKING:
    from .agent import Agent

MAX_DEPTH = 8
"""Threads below a person's own. Agents that call each other would go on for ever."""

Work = Callable[[str, Context], Awaitable[ChildResult]]

_TASK = {
    "type": "object",
    "properties": {"task": {"type": "string"}},
    "required": ["task"],
    "additionalProperties": False,
}
"""Not described: small models write the description in the task's place."""
_SEES = "Write the task in plain words, as to a person who sees nothing else, with all that must be known for it."


def make_agent_tool(agent: "Agent", name: str, description: str, work: Work) -> Tool:
    """The tool that gives a task to this agent. `work` starts or goes on with the thread that the call names."""

    async def give(task: str, context: Context) -> ChildResult:
        return await work(task, context)

    # Its thread knows what it has done, so to call it again is to go on: no crash makes the outcome unknown.
    settings: dict[str, Any] = {"context": "context", "idempotent": True, "timeout_s": None}
    about = description or f"Gives a task to the agent {agent.name}, and its answer back."
    return Tool(
        name, f"{about} {_SEES}", _TASK, give, _task, child=agent.limits, agent=agent, **settings
    )


def make_child_tool(
    limits: Limits, work: Callable[..., Awaitable[ChildResult]], check: Check = lambda given: {}
) -> Tool:
    """The tool whose call runs as a thread of its own, within these limits. `work` gets the checked arguments."""
    settings: dict[str, Any] = {
        "context": "context",
        "idempotent": True,
        "timeout_s": None,
        "child": limits,
    }
    return Tool("child", "", {"type": "object"}, work, check, **settings)


def _task(arguments: Arguments) -> Arguments:
    if (
        not isinstance(arguments.get("task"), str)
        or not arguments["task"].strip()
        or len(arguments) > 1
    ):
        raise ToolError('bad arguments: send {"task": "..."}, what to do as one text')
    return {"task": arguments["task"]}


def _nothing(arguments: Arguments) -> Arguments:
    if arguments:
        raise ToolError("bad arguments: it takes none; send {}")
    return arguments


def find_team(start: "Agent") -> dict[str, "Agent"]:
    """By name, every agent that the thread of this one may be handed to, however far. Raises UsageError.

    An agent in `handoffs` may be given by its name, where it stands elsewhere in the team: so they can hand back.
    """
    found: dict[str, Agent] = {start.name: start}
    waiting = [start]
    while waiting:
        for each in waiting.pop().handoffs:
            if isinstance(each, str):
                continue
            if found.setdefault(each.name, each) is not each:
                raise UsageError(
                    f"two agents of a team have the name {each.name!r}; give each its own"
                )
            if each not in waiting and each is not start:
                waiting.append(each)
    for agent in found.values():
        for each in agent.handoffs:
            if isinstance(each, str) and each not in found:
                raise UsageError(
                    f"{agent.name} hands over to {each!r}, which isn't in the team: {', '.join(found)}"
                )
    return found


def make_handoff_tools(agent: "Agent", team: dict[str, "Agent"]) -> Iterable[Tool]:
    """One tool for each agent that this one may hand to."""
    for each in agent.handoffs:
        to = team[each if isinstance(each, str) else each.name]
        about = f" {to.description}" if to.description else ""
        yield Tool(
            f"hand_to_{to.name}",
            f"Put the agent {to.name} in charge of this conversation.{about}",
            {"type": "object", "properties": {}, "additionalProperties": False},
            check=_nothing,
            hands_to=to.name,
        )


async def find_run_settings(log: Log, top: RunSettings) -> RunSettings:
    """The settings by which that thread goes on: these, or those of the agent that works in it for whom they are."""
    first = log.records[0].event if log.records else None
    if isinstance(first, e.ThreadStarted) and first.parent_thread_id:
        above = await open_log(first.parent_thread_id, log.store, log.world)
        caller = await find_run_settings(above, top)
        replies = (
            record.event for record in above.records if isinstance(record.event, e.ModelReplied)
        )
        name = next(
            (
                call.name
                for reply in replies
                for call in reply.calls
                if call.id == first.parent_call_id
            ),
            "",
        )
        if name in caller.policy.tools and (agent := caller.policy.tools[name].agent):
            top = agent.run_settings
    return top.of(log.state)
