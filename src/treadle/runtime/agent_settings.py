"""Makes an agent's run settings: its tools, its policy and its system prompt."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.approvals import Rule
from ..core.check_settings import check_choice, check_flags, check_type
from ..core.limits import Limits
from ..core.policy import Policy
from ..core.tool import Tool, make_tool
from ..core.window import ContextWindow
from .search_history import make_search_history_tool
from .settings import RunSettings, tools_by_name

if TYPE_CHECKING:
    from .agent import Agent


def _check(agent: "Agent") -> None:
    check_type("Agent(name", agent.name, str)
    check_type("Agent(instructions", agent.instructions, str)
    check_type("Agent(limits", agent.limits, Limits)
    check_type("Agent(context_window", agent.context_window, ContextWindow)
    check_flags("Agent", plan=agent.plan, parallel=agent.parallel)
    check_choice("Agent(unknown", agent.unknown, "ask", "tell")
    for rule in agent.approvals:
        check_type("Agent(approvals: each", rule, Rule)


def make_run_settings(agent: "Agent", handoff_tools: Iterable[Tool]) -> RunSettings:
    """The settings of this agent alone. Raises UsageError for wrong ones."""
    _check(agent)
    tools = [tool if isinstance(tool, Tool) else make_tool(tool) for tool in agent.tools]
    tools += handoff_tools
    if agent.context_window.search_history:
        tools.append(make_search_history_tool(agent._store))
    if agent._notes:
        tools += agent._notes.tools(agent._store)
    policy = Policy(
        tools=tools_by_name(tools),
        limits=agent.limits,
        approvals=tuple(agent.approvals),
        plan=agent.plan,
        parallel=agent.parallel,
        unknown=agent.unknown,
    )
    system = [agent.instructions]
    output_schema = None
    if agent._answer_type:
        policy = replace(policy, check_answer=agent._answer_type.check)
        system.append(agent._answer_type.instructions)
        output_schema = agent._answer_type.schema
    return RunSettings(
        policy,
        agent._model,
        "\n\n".join(filter(None, system)),
        output_schema,
        name=agent.name,
        context_window=agent.context_window,
    )
