"""Supervisor: an agent that gives parts of a task to other agents until it can answer."""

from collections.abc import Sequence
from dataclasses import replace

from ..core.errors import UsageError
from ..runtime.agent import Agent, AnyAgent
from ..runtime.instructions import add_instructions

LEADING = (
    "You lead a team; its members are your tools. Split the task, and give each part to the member"
    " whom it suits, with all\n"
    "that must be known for it: members see neither this conversation nor each other. Parts that"
    " don't need each other's\n"
    "results go out together, in one reply. Judge what comes back, and give out more until the task"
    " is done. Then answer\n"
    "yourself, in full, from what the members have found."
)


def supervisor(agents: Sequence[AnyAgent], lead: AnyAgent | None = None) -> AnyAgent:
    """An agent that gives work to these agents, several at once, until the task is done.

    `lead` is the agent without the team: its model, limits, instructions and own tools. Each member
    becomes a tool with its name and description. It works in a child thread, within what is left of
    the lead's limits. Raises UsageError for a team without members, or with two of the same name.
    """
    lead = lead or Agent(name="supervisor")
    names = [agent.name for agent in agents]
    if not agents or len(set(names)) < len(names):
        known = ", ".join(names) or "none"
        raise UsageError(f"a team needs members, each with a name of its own; these are: {known}")
    instructions = add_instructions(lead.instructions, LEADING)
    return replace(
        lead, instructions=instructions, tools=(*lead.tools, *(agent.as_tool() for agent in agents))
    )
