"""What has changed in an agent since its model was last called, in sentences. Pure."""

from typing import Any

from ..core import events as e
from ..core.state import State
from ..runtime.settings import RunSettings


def changes_since_last_call(state: State, settings: RunSettings) -> list[str]:
    """What has changed in the agent whose model was called last, of an agent alone or of a team."""
    was = state.last_described
    now = settings.team.get(state.last_caller, settings).told_as(was)
    if was:
        now = now.with_model(was.model)
    return agent_changes(was, now.describe())


def agent_changes(was: e.AgentDescribed | None, now: e.AgentDescribed) -> list[str]:
    """What has changed in an agent, a sentence for each change; empty if nothing was recorded.

    A log of format 1 has only the names of its tools, so that only those are compared.
    """
    if was is None:
        return []
    found = []
    for name in ("agent", "model"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            found.append(f"the {name} was {before}, is now {after}")
    if was.instructions and was.instructions != now.instructions:
        found.append("the instructions have changed")
    if was.settings and was.settings != now.settings:
        found.append("the settings of the model have changed")
    for name in sorted(was.tools.keys() | now.tools.keys()):
        if name not in now.tools:
            found.append(f"the tool {name} is gone")
        elif name not in was.tools:
            found.append(f"the tool {name} is new")
        elif was.tools[name].parameters and _shown(was.tools[name]) != _shown(now.tools[name]):
            found.append(f"the tool {name} has another schema")
    return found


def _shown(tool: e.ToolDescription) -> tuple[Any, ...]:
    return tool.description, tool.parameters, tool.labels
