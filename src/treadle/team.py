"""Who may hand a thread to whom, and an agent as a tool of another. Pure; agent.py drives."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from .errors import ToolError, UsageError
from .limits import Limits
from .tools.context import Check, Context, Worked
from .tools.tool import Tool, object_of

if TYPE_CHECKING:
    from .agent import Agent

MOST_DEEP = 8
"""Threads below a person's own. Agents that call each other would go on for ever."""

Work = Callable[[str, Context], Awaitable[Worked]]

_TASK = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "description": "What to do, with all that must be known for it: it sees no more."}
    },
    "required": ["task"],
    "additionalProperties": False,
}


def child_tool(name: str, description: str, limits: Limits, work: Work) -> Tool:
    """The tool that gives a task to an agent. `work` starts or goes on with the thread that the call names."""

    async def give(task: str, context: Context) -> Worked:
        return await work(task, context)

    # Its thread knows what it has done, so to call it again is to go on: no crash makes the outcome unknown.
    return Tool(name, description, _TASK, give, _task, context="context", idempotent=True, timeout_s=None, child=limits)


def working_tool(limits: Limits, work: Callable[..., Awaitable[Worked]], check: Check = lambda text: {}) -> Tool:
    """The tool whose call runs as a thread of its own, within these limits. `work` gets the checked arguments."""
    settings: dict[str, Any] = {"context": "context", "idempotent": True, "timeout_s": None, "child": limits}
    return Tool("child", "", {"type": "object"}, work, check, **settings)


def _task(text: str) -> dict[str, str]:
    arguments = object_of(text)
    if not isinstance(arguments.get("task"), str) or not arguments["task"].strip() or len(arguments) > 1:
        raise ToolError('bad arguments: send {"task": "..."}, what to do as one text')
    return {"task": arguments["task"]}


def members(start: "Agent") -> dict[str, "Agent"]:
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
                raise UsageError(f"two agents of a team have the name {each.name!r}; give each its own")
            if each not in waiting and each is not start:
                waiting.append(each)
    for agent in found.values():
        for each in agent.handoffs:
            if isinstance(each, str) and each not in found:
                raise UsageError(f"{agent.name} hands over to {each!r}, which isn't in the team: {', '.join(found)}")
    return found


def handoff_tools(agent: "Agent", team: dict[str, "Agent"]) -> Iterable[Tool]:
    """One tool for each agent that this one may hand to."""
    for each in agent.handoffs:
        to = team[each if isinstance(each, str) else each.name]
        about = f" {to.description}" if to.description else ""
        yield Tool(
            f"hand_to_{to.name}",
            f"Put the agent {to.name} in charge of this conversation.{about}",
            {"type": "object", "properties": {}, "additionalProperties": False},
            hands_to=to.name,
        )
