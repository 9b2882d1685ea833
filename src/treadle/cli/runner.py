"""Who drives a thread: an agent, or a flow of the user's."""

from dataclasses import replace
from typing import Any

from ..core.errors import UsageError
from ..flows.flow import Flow
from ..runtime.agent import Agent
from .agents import choose_store, load_target, make_agent
from .options import AgentOptions

Runner = Agent | Flow


def make_runner(settings: AgentOptions, interactive: bool) -> Runner:
    """As `agent_of`, also for `--agent` that names a Flow or a Graph. Raises UsageError for other options."""
    flow = load_flow(settings.agent) if settings.agent else None
    if flow is None:
        return make_agent(settings, interactive)
    named = {
        "--model": settings.model,
        "--option": settings.option,
        "--tools": settings.tools,
        "--system": settings.system,
    }
    given = [name for name, value in named.items() if value is not None] + (
        ["--plan"] if settings.plan else []
    )
    if given:
        raise UsageError(
            f"{settings.agent} is a flow, whose agents are in its code: it takes no {', '.join(given)}"
        )
    limits: dict[str, Any] = {
        "tokens": settings.max_tokens,
        "cost_usd": settings.max_cost,
        "seconds": settings.timeout,
        "tool_calls": settings.max_steps,
    }
    limits = {name: value for name, value in limits.items() if value is not None}
    return replace(flow, store=choose_store(settings, flow), limits=replace(flow.limits, **limits))


def load_flow(place: str) -> Flow | None:
    """The Flow there, also that of a Graph; None for anything else."""
    from ..graphs.graph import Graph

    found = load_target(place)
    found = found.flow if isinstance(found, Graph) else found
    return found if isinstance(found, Flow) else None
