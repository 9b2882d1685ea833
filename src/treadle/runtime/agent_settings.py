"""Makes an agent's run settings: its tools, its policy and its system prompt."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.model import Model, ModelChoice
from ..core.policy import Policy
from ..core.tool import Tool
from ..core.tool_source import ToolSource, list_tools
from .judge_result import with_after_rules
from .run_check import Checks
from .search_history import make_search_history_tool
from .settings import RunSettings
from .team import make_handoff_tools

if TYPE_CHECKING:
    from .agent import AnyAgent


def current_settings(agent: "AnyAgent") -> RunSettings:
    """The settings of this agent, kept until a source of tools gives others. Raises UsageError."""
    found = [source.find_tools() for source in _sources(agent)]
    kept: tuple[list[Sequence[Tool]], RunSettings] | None = vars(agent).get("_kept_settings")
    if kept and all(new is old for new, old in zip(found, kept[0], strict=True)):
        return kept[1]
    settings = make_run_settings(agent)
    vars(agent)["_kept_settings"] = (found, settings)
    return settings


async def reach_sources(agent: "AnyAgent") -> None:
    """Wait for the servers whose tools it has, beside the event loop. Raises UsageError."""
    for source in _sources(agent):
        await asyncio.to_thread(source.find_tools)


def _sources(agent: "AnyAgent") -> list[ToolSource]:
    """Those of the agent and of its team."""
    kept: list[ToolSource] | None = vars(agent).get("_kept_sources")
    if kept is None:
        team = agent._team.values() if agent.handoffs else [agent]
        given = [tool for each in team for tool in each.tools]
        kept = [each for each in given if isinstance(each, ToolSource)]
        vars(agent)["_kept_sources"] = kept
    return kept


def make_run_settings(agent: "AnyAgent") -> RunSettings:
    """The settings of this agent, with those of its team. Raises UsageError for wrong ones."""
    if not agent.handoffs:
        return _make_alone(agent, ())
    team = {
        name: _make_alone(each, make_handoff_tools(each, agent._team))
        for name, each in agent._team.items()
    }
    return replace(team[agent.name], team=team)


def _make_alone(agent: "AnyAgent", handoff_tools: Iterable[Tool]) -> RunSettings:
    tools = list_tools(agent.tools)
    tools += handoff_tools
    if agent.context_window.search_history:
        tools.append(make_search_history_tool(agent._store))
    if agent._notes:
        tools += agent._notes.tools(agent._store)
    models = _make_models(agent.model)
    policy = Policy(
        tools=tools_by_name([with_after_rules(tool, agent.rules) for tool in tools]),
        limits=agent.limits,
        rules=tuple(agent.rules),
        plan=agent.plan,
        parallel=agent.parallel,
        unknown=agent.unknown,
        check_input=agent.check_input is not None,
        check_output=agent.check_output is not None,
        taint=agent.taint,
        models=tuple(model.name for model in models),
    )
    system = []
    instructions = None
    if isinstance(agent.instructions, str):
        system.append(agent.instructions)
    else:
        instructions = agent.instructions
    system += [tool.prompt for tool in tools]
    output_schema = None
    checks = Checks(agent.check_input, agent.check_output)
    if agent._answer_type:
        policy = replace(policy, check_answer=agent._answer_type.check)
        system.append(agent._answer_type.instructions)
        output_schema = agent._answer_type.schema
        checks = replace(checks, parse=agent._answer_type.parse)
    return RunSettings(
        policy,
        models[0],
        "\n\n".join(filter(None, system)),
        output_schema,
        models=models,
        instructions=instructions,
        checks=checks,
        name=agent.name,
        settings_of_agent=agent.settings,
        context_window=agent.context_window,
        budgets=tuple(agent.budgets),
    )


def _make_models(choice: ModelChoice) -> tuple[Model, ...]:
    if choice is not None and not isinstance(choice, str | Sequence):
        return (choice,)
    from ..models.choose import make_models  # all providers: a model of one's own needs none

    return make_models(choice)


def tools_by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """Raises UsageError where two tools have one name."""
    names = [tool.name for tool in tools]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two tools have one name: {', '.join(twice)}")
    return {tool.name: tool for tool in tools}
