"""Supervisor: a model decides who works on what, sees what comes back, and goes on until it can answer."""

from collections.abc import Sequence
from dataclasses import replace

from ..core.errors import UsageError
from ..runtime.agent import Agent

LEADING = """\
You lead a team; its members are your tools. Split the task, and give each part to the member whom it suits, with all
that must be known for it: members see neither this conversation nor each other. Parts that don't need each other's
results go out together, in one reply. Judge what comes back, and give out more until the task is done. Then answer
yourself, in full, from what the members have found."""


def supervisor(agents: Sequence[Agent], lead: Agent | None = None) -> Agent:
    """An agent that routes to these, runs several side by side, collects, and goes on until it is done.

    `lead` is it before it has a team: its model, limits, instructions, tools of its own. Each member becomes a tool
    with its name and description; it works in a thread of its own, within what the lead's limits leave. Raises
    UsageError for a team without members, or with two of one name.
    """
    lead = lead or Agent(name="supervisor")
    names = [agent.name for agent in agents]
    if not agents or len(set(names)) < len(names):
        raise UsageError(
            f"a team needs members, each with a name of its own; these are: {', '.join(names) or 'none'}"
        )
    instructions = "\n\n".join(filter(None, (lead.instructions, LEADING)))
    return replace(
        lead, instructions=instructions, tools=(*lead.tools, *(agent.as_tool() for agent in agents))
    )
