"""Makes the agent or flow that the options name: Treadle's own agent or the user's.

Commands that only read threads import this too: so it imports tools only where it makes an agent.
"""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..core.errors import UnknownThread, UsageError
from ..core.events import AgentDescribed
from ..core.limits import Limits
from ..core.model import ModelChoice
from ..core.state import State
from ..core.tool import Tool
from ..core.tool_source import ToolSource, list_tools
from ..core.visible import visible_line
from ..flows.flow import Flow
from ..runtime.agent import Agent
from ..runtime.describe import settings_in_log
from ..runtime.import_string import import_string
from ..runtime.settings import RunSettings
from ..stores.open_store import open_database, open_store
from ..stores.store import Store
from .agents_md import add_instructions
from .model_settings import choose_models, with_model_options
from .options import AgentOptions, StoreOptions

if TYPE_CHECKING:
    from ..notes.notes import Notes
    from ..stores.open_store import Database

INSTRUCTIONS = (
    "You are Treadle, an assistant at the command line. Use a tool where it knows better than you"
    " do: for every calculation, for the time and for dates, for files and the tables in them, and"
    " for what is on the web. Never guess what a tool can tell you. If a tool fails, read why and"
    " try another way. Answer briefly, in plain text, in the language of the question, and say so"
    " if you don't know."
)
DEFAULT_NAME = "treadle"

Runner = Agent | Flow
"""What drives a thread."""


def make_runner(settings: AgentOptions, interactive: bool) -> Runner:
    """The agent or flow of these options.

    Raises UsageError for options that a flow doesn't take.
    """
    flow = load_flow(settings.agent) if settings.agent else None
    if flow is None:
        return make_agent(settings, interactive)
    if settings.max_steps is not None:
        raise UsageError(
            f"{settings.agent} is a flow, whose steps are tool calls: it takes --max-tool-calls,"
            " not --max-steps"
        )
    agents_only = ("model", "option", "tools", "mcp", "skills", "system", "plan")
    given = [f"--{name}" for name in agents_only if getattr(settings, name) not in (None, False)]
    if given:
        raise UsageError(
            f"{settings.agent} is a flow, whose agents are in its code:"
            f" it takes no {', '.join(given)}"
        )
    return replace(
        flow, store=choose_store(settings, flow), limits=_with_limits(flow.limits, settings)
    )


def make_agent(settings: AgentOptions, interactive: bool) -> Agent:
    """The agent of these options, with its store. Raises UsageError."""
    from .project_skills import ask_about_project, with_skills

    ask_about_project(settings, interactive)
    agent = Agent(INSTRUCTIONS, name=DEFAULT_NAME)
    if settings.agent:
        agent = load_agent(settings.agent)
    changes: dict[str, Any] = {
        "instructions": settings.system,
        "model": choose_models(settings.model),
        "plan": settings.plan or None,
        "notes": None,
    }
    if settings.notes and agent.notes is None:
        changes["notes"] = _make_notes()
    agent = replace(
        agent,
        tools=_choose_tools(agent, settings, interactive),
        limits=_with_limits(agent.limits, settings),
        store=choose_store(settings, agent),
        **_without_none(changes),
    )
    agent = with_skills(with_model_options(agent, settings), settings)
    if settings.agent:
        return agent
    return add_instructions(agent, settings)


def with_model(agent: Agent, model: ModelChoice, settings: AgentOptions) -> Agent:
    """The agent with another model, and as many instructions of the folder as fit its context."""
    agent = with_model_options(replace(agent, model=model), settings)
    if settings.agent:
        return agent
    own = settings.system or INSTRUCTIONS
    return add_instructions(replace(agent, instructions=own), settings)


def make_recorded_agent(settings: AgentOptions, recorded: AgentDescribed | None) -> Agent:
    """Like `make_agent`; Treadle's own agent gets the recorded model, settings, choice of tools.

    They depended on a command line that is gone. Raises UsageError if another agent was recorded.
    """
    from ..models.choose import make_models

    if recorded and not settings.agent and recorded.agent != DEFAULT_NAME:
        raise UsageError(missing_agent_message(recorded.agent))
    if settings.agent or recorded is None:
        return make_agent(settings, True)
    if settings.model is None:
        # If the recorded model can't be used here, the default model stands in.
        names: list[str] = [recorded.model]
        if recorded.policy and recorded.policy.models:
            names = list(recorded.policy.models)
        with suppress(UsageError):
            make_models(names)
            settings = replace(settings, model=names)
    settings = replace(settings, notes=settings.notes or "remember" in recorded.tools)
    from ..tools.shipped import load_shipped_tools

    shipped = load_shipped_tools().values()
    asked_person = any(tool.function is None and tool.name in recorded.tools for tool in shipped)
    agent = make_agent(settings, asked_person)
    return replace(agent, settings=agent.settings.over(settings_in_log(recorded.settings)))


def names_agent(settings: AgentOptions) -> bool:
    """Whether any option says something of the agent: then it is meant, not the recorded one."""
    given = [field.name for field in fields(AgentOptions) if field.name != "db"]
    return any(getattr(settings, name) != getattr(AgentOptions, name) for name in given)


def known_settings(agent: Runner, settings: AgentOptions) -> dict[str, RunSettings]:
    """Those of the agent that the options name, by its name; none if they name none."""
    return {agent.name: agent.run_settings} if names_agent(settings) else {}


def missing_agent(settings: StoreOptions, state: State) -> str:
    """The name of the thread's agent, if it is not Treadle's own and the options name none.

    Else "".
    """
    name = state.last_caller or state.agent
    if getattr(settings, "agent", None) or name == DEFAULT_NAME:
        return ""
    return name


def missing_agent_message(name: str) -> str:
    shown = visible_line(name, 100)
    return (
        f"this is a thread of the agent {shown}, not of Treadle's own; it takes --agent MODULE:NAME"
    )


def refuse_other(settings: StoreOptions, state: State, then: str = "") -> None:
    """Raise UsageError where the thread's agent must be named. `then`: what can't be done."""
    if other := missing_agent(settings, state):
        raise UsageError(f"{missing_agent_message(other)}{then}")


def choose_store(settings: StoreOptions, agent: Any = None) -> Store:
    """The database that the options name.

    Else that of the agent, flow or graph; else the user's.
    """
    if settings.db or agent is None or agent.store is None:
        return choose_database(settings)
    return open_store(agent.store)


def choose_database(settings: StoreOptions) -> "Database":
    """The database that the options name, else the user's."""
    return open_database(settings.db)


def choose_existing(settings: StoreOptions) -> "Database":
    """As `choose_database`. Raises UnknownThread where it isn't there yet."""
    store = choose_database(settings)
    if not store.exists():
        raise UnknownThread(f"there is no database at {store.place} yet")
    return store


def tools_by_name(agent: Agent) -> dict[str, Tool]:
    return {tool.name: tool for tool in list_tools(agent.tools)}


def select_tools(wanted: str, tools: dict[str, Tool]) -> list[Tool]:
    """The tools that match a list of names and globs, separated by commas.

    Raises UsageError if one of them matches no tool.
    """
    if wanted.strip() in ("", "none"):
        return []
    patterns = [pattern.strip() for pattern in wanted.split(",") if pattern.strip()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in tools):
            raise UsageError(
                f"no tool is named {pattern!r}; there are: {', '.join(tools) or 'none'}"
            )
    return [tool for name, tool in tools.items() if _matches_any(name, patterns)]


def load_agent(place: str) -> Agent:
    """The Agent at `module:name` or `path/file.py:name`; the default name is `agent`.

    Raises UsageError.

    This runs the user's module.
    """
    target = load_target(place)
    if isinstance(target, Agent):
        return target
    raise UsageError(
        f"--agent {place} is a {type(target).__name__}: it is begun from Python; here resume,"
        " approve, answer, settle, explain, replay and show take it"
    )


def load_flow(place: str) -> Flow | None:
    """The Flow at this place, or the Graph's; None if something else is there."""
    from ..graphs.graph import Graph

    target = load_target(place)
    if isinstance(target, Graph):
        target = target.flow
    return target if isinstance(target, Flow) else None


def load_target(place: str) -> Any:
    """The Agent, Flow or Graph at this place. Raises UsageError. This runs the user's module."""
    from ..graphs.graph import Graph

    with redirect_stdout(sys.stderr):  # standard output is for answers
        return import_string(place, Agent, Flow, Graph, name="agent")


def _choose_tools(
    agent: Agent, settings: AgentOptions, interactive: bool
) -> list[Tool | ToolSource]:
    servers: list[ToolSource] = []
    if settings.mcp:
        from .mcp_servers import find_servers

        servers += find_servers(settings.mcp, interactive)
    from ..tools.shipped import load_shipped_tools

    tools = tools_by_name(agent) if settings.agent else load_shipped_tools()
    if settings.tools is not None:
        tools |= {tool.name: tool for tool in list_tools(servers)}
        return [*select_tools(settings.tools, tools)]
    if settings.agent or interactive:
        return [*tools.values(), *servers]
    # Without a person nobody can answer the tools that ask one.
    return [*(tool for tool in tools.values() if tool.function is not None), *servers]


def _make_notes() -> "Notes":
    """Notes that are found by meaning too, if the model for that is installed."""
    from ..notes.local_embedder import find_local_embedder
    from ..notes.notes import Notes

    return Notes(embedder=find_local_embedder())


def _with_limits(limits: Limits, settings: AgentOptions) -> Limits:
    changes = {
        "steps": settings.max_steps,
        "tool_calls": settings.max_tool_calls,
        "tokens": settings.max_tokens,
        "cost_usd": settings.max_cost,
        "seconds": settings.timeout,
        "unpriced": settings.unpriced or None,
    }
    return replace(limits, **_without_none(changes))


def _without_none(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
