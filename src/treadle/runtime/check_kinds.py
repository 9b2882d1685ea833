"""Checks, when an agent, a flow or a graph is made, that its settings are of the right kinds.

A wrong one is a UsageError where it is written, and not a failure within the first run.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..core.approvals import Rule
from ..core.budget import Budget
from ..core.check_settings import check_choice, check_flags, check_kind
from ..core.errors import UsageError
from ..core.function_tool import ToolMethod
from ..core.limits import Limits
from ..core.model_settings import check_model_settings
from ..core.name_kind import is_generator, name_kind, why_no_tool
from ..core.tool import Tool, is_async
from ..core.tool_source import ToolSource
from ..core.window import ContextWindow
from ..stores.open_store import check_store
from .world import World

if TYPE_CHECKING:
    from .agent import AnyAgent


def check_agent(agent: "AnyAgent") -> None:
    """Raise UsageError, which says what to give instead, for a setting of the wrong kind."""
    check_run(agent, "Agent")
    check_list("Agent(tools=)", agent.tools, "[add, lookup]")
    for tool in agent.tools:
        is_made = isinstance(tool, Tool | ToolMethod | ToolSource)
        if not is_made and (reason := why_no_tool(tool)):
            raise UsageError(f"Agent(tools=): {reason}")
    check_list("Agent(handoffs=)", agent.handoffs, "[billing, support]")
    for each in agent.handoffs:
        _check_handoff(each, type(agent))
    check_list("Agent(rules=)", agent.rules, '[Rule("write_*", "ask")]')
    for rule in agent.rules:
        _check_rule(rule)
    for name, check in (("check_input", agent.check_input), ("check_output", agent.check_output)):
        if check is not None:
            _check_function(
                f"Agent({name}=)", check, "a function of what it judges and the Context"
            )
    _check_model(agent.model)
    if not isinstance(agent.instructions, str):
        instead = "a text, or a function that makes it"
        _check_function("Agent(instructions)", agent.instructions, instead)
    if agent.output is None or isinstance(agent.output, dict | list | tuple | int | float):
        raise UsageError(
            f"Agent(output=) is {name_kind(agent.output)}; give a type, such as int or a"
            " dataclass, or leave it out for a text"
        )
    check_model_settings("Agent(settings=)", agent.settings)
    window = agent.context_window
    check_kind(
        "Agent(context_window=)", window, ContextWindow, "ContextWindow(max_messages=20, ...)"
    )
    if agent.notes is not None and (
        isinstance(agent.notes, type) or not hasattr(agent.notes, "bind")
    ):
        raise UsageError(
            f"Agent(notes=) is {name_kind(agent.notes)}; give Notes(...), or None for no notes"
        )
    check_flags("Agent", plan=agent.plan, parallel=agent.parallel)
    check_choice("Agent(taint", agent.taint, "ask", "warn", "off")
    if agent.unknown not in ("ask", "tell"):
        raise UsageError(
            f"Agent(unknown=) is {name_kind(agent.unknown)}; what it can be is 'ask' and 'tell'"
        )


def check_run(owner: Any, kind: str) -> None:
    """The settings that agents, flows and graphs have in common. Raises UsageError."""
    if not isinstance(owner.name, str) or not owner.name.strip():
        raise UsageError(f"{kind}(name=) is {name_kind(owner.name)}; give a word that names it")
    _check_limits(f"{kind}(limits=)", owner.limits)
    check_list(f"{kind}(budgets=)", owner.budgets, '[Budget("team", usd_a_day=20)]')
    for budget in owner.budgets:
        check_kind(f"{kind}(budgets=)", budget, Budget, 'budgets, such as Budget("team", ...)')
    check_store(f"{kind}(store=)", owner.store)
    check_list(f"{kind}(listeners=)", owner.listeners, "[print]")
    for listener in owner.listeners:
        _check_listener(f"{kind}(listeners=)", listener)
    check_kind(f"{kind}(world=)", owner.world, World, "World(...)")


def check_flow_function(function: Any) -> None:
    """Raise UsageError for what can't be the code of a flow."""
    what = name_kind(function)
    is_made = callable(getattr(function, "as_tool", None)) or isinstance(function, Tool | type)
    if is_made or not callable(function):
        raise UsageError(f"{what} can't be a flow: give an async function")
    if is_generator(function):
        raise UsageError(
            f"{what} can't be a flow: it is a generator, with a `yield`. A flow is an async"
            " function that returns its result"
        )


def check_list(setting: str, given: Any, example: str) -> None:
    """Raise UsageError for what isn't a list, a tuple or another collection of values."""
    if isinstance(given, Collection) and not isinstance(given, str | bytes | Mapping | type):
        return
    raise UsageError(f"{setting} is {name_kind(given)}; give a list, such as {example}")


def _check_function(setting: str, given: Any, instead: str) -> None:
    if isinstance(given, type) or not callable(given):
        raise UsageError(f"{setting} is {name_kind(given)}; give {instead}")


def _check_model(given: Any) -> None:
    if isinstance(given, list | tuple):
        for each in given:
            _check_model(each)
        return
    is_model = callable(getattr(given, "reply", None)) and not isinstance(given, type)
    if given is not None and not isinstance(given, str) and not is_model:
        raise UsageError(
            f"Agent(model=) is {name_kind(given)}; give a model's name, such as 'gpt-5.4-mini', or"
            " a model, such as RemoteModel(...)"
        )


def _check_limits(setting: str, given: Any) -> None:
    example = "steps=20"
    if isinstance(given, Mapping):
        known = [key for key in given if key in Limits.__dataclass_fields__]
        example = ", ".join(f"{key}=..." for key in known) or example
    check_kind(setting, given, Limits, f"Limits({example})")


def _check_handoff(given: Any, kind: type) -> None:
    if isinstance(given, kind | str):
        return
    what = name_kind(given)
    if isinstance(given, Tool):
        raise UsageError(
            f"Agent(handoffs=): {what} is a tool; give the agent itself, or the tool in tools="
        )
    if callable(getattr(given, "as_tool", None)) and not isinstance(given, type):
        raise UsageError(
            f"Agent(handoffs=): {what} is no agent, so no thread can be handed to it; put what its"
            " as_tool() makes into tools="
        )
    raise UsageError(
        f"Agent(handoffs=): {what} is no agent; give an Agent, or the name of one in the team"
    )


def _check_rule(given: Any) -> None:
    if isinstance(given, Rule):
        return
    instead = 'Rule("write_*", "ask")'
    match given:
        case (str(tools), str(action), *_):
            instead = f"Rule({tools!r}, {action!r})"
        case str():
            instead = f'Rule({given!r}, "ask")'
    raise UsageError(
        f"Agent(rules=): {name_kind(given)} is no rule; give {instead}."
        " A function that judges calls is Rule(tools, before=function)"
    )


def _check_listener(setting: str, given: Any) -> None:
    what = name_kind(given)
    if isinstance(given, type):
        raise UsageError(f"{setting}: {what} would only be made anew; give an object of it")
    if not callable(given):
        raise UsageError(
            f"{setting}: {what} can't be called; give a function of one argument, which is a"
            " Record or a Delta"
        )
    if is_async(given):
        raise UsageError(
            f"{setting}: {what} is async, and listeners aren't awaited; give a plain function, or"
            " read the records with async for: agent.stream(...)"
        )
