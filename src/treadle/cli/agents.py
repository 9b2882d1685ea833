"""Which agent answers: Treadle's own or the user's, with what the options change of it."""

from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.events import Identity
from ..core.model import Model
from ..core.state import State
from ..core.tool import Tool, tool_of
from ..observe.visible import line_of
from ..runtime.agent import Agent
from ..runtime.import_string import value_at
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from ..tools.shipped import shipped
from .folder_instructions import with_project
from .model_settings import with_options
from .options import AgentSettings, InStore

if TYPE_CHECKING:
    from ..notes.notes import Notes

INSTRUCTIONS = (
    "You are Treadle, an assistant at the command line. Use a tool where it knows better than you do: for every"
    " calculation, for the time, for files and for what is on the web. Never guess what a tool can tell you. If a tool"
    " fails, read why and try another way. Answer briefly, in plain text, in the language of the question, and say so"
    " if you don't know."
)
NAME = "treadle"


def agent_of(settings: AgentSettings, interactive: bool) -> Agent:
    """The agent that these settings ask for, with its store. Raises UsageError for what can't be."""
    agent = loaded(settings.agent) if settings.agent else Agent(INSTRUCTIONS, name=NAME)
    tools = list(tools_of(agent).values())
    if settings.tools is not None:
        tools = chosen(settings.tools, tools_of(agent) if settings.agent else shipped())
    elif not settings.agent:
        tools = [
            tool for tool in shipped().values() if tool.function or interactive
        ]  # else nobody could answer it
    limits: dict[str, Any] = {
        "steps": settings.max_steps,
        "tokens": settings.max_tokens,
        "cost_usd": settings.max_cost,
        "seconds": settings.timeout,
        "unpriced": settings.unpriced or None,
    }
    changes: dict[str, Any] = {
        "instructions": settings.system,
        "model": settings.model,
        "plan": settings.plan or None,
    }
    if settings.option:
        changes["model"] = with_options(settings.model or agent.model, settings)
    changes["notes"] = _notes() if settings.notes and agent.notes is None else None
    changed = replace(
        agent,
        tools=tools,
        limits=replace(agent.limits, **_given(limits)),
        store=store_of(settings, agent),
        **_given(changes),
    )
    return changed if settings.agent else with_project(changed, settings)


def with_model(agent: Agent, model: str | Model, settings: AgentSettings) -> Agent:
    """The agent with another model; of the working directory's instructions, what that one has room for."""
    changed = replace(agent, model=with_options(model, settings))
    if settings.agent:
        return changed
    return with_project(replace(changed, instructions=settings.system or INSTRUCTIONS), settings)


def agent_as_recorded(settings: AgentSettings, was: Identity | None) -> Agent:
    """As `agent_of`; Treadle's own agent with the model and the choice of tools that the log names.

    Which model answered, and whether a person could be asked, was said on a command line that is gone.
    """
    from ..models.resolve import resolve

    if was and not settings.agent and was.agent != NAME:
        raise UsageError(needs_agent(was.agent))
    if settings.agent or was is None:
        return agent_of(settings, True)
    if settings.model is None:
        with suppress(
            UsageError
        ):  # a model that can't be had here any more: then the default one stands in
            resolve(was.model)
            settings = replace(settings, model=was.model)
    settings = replace(settings, notes=settings.notes or "remember" in was.tools)
    return agent_of(
        settings,
        any(name in was.tools for name, tool in shipped().items() if tool.function is None),
    )


def _notes() -> "Notes":
    """By meaning too, where the model for that is installed."""
    from ..notes.local_embedder import installed
    from ..notes.notes import Notes

    return Notes(embedder=installed())


def other_agent(settings: InStore, state: State) -> str:
    """The name of the agent whose thread it is, where these settings put Treadle's own in its place; else ""."""
    name = state.identity.agent if state.identity else state.agent
    return "" if getattr(settings, "agent", None) or name == NAME else name


def needs_agent(name: str) -> str:
    """What to say of a thread that another agent drove."""
    return f"this is a thread of the agent {line_of(name, 100)}, not of Treadle's own; it takes --agent MODULE:NAME"


def store_of(settings: InStore, agent: Any = None) -> Store:
    """The database that the options name, else that of the agent, flow or graph, else the user's."""
    if settings.db or agent is None or agent.store is None:
        return SQLiteStore(settings.db and Path(settings.db).expanduser())
    store: Store = agent.store
    return store


def tools_of(agent: Agent) -> dict[str, Tool]:
    """The agent's tools by their names."""
    tools = [tool if isinstance(tool, Tool) else tool_of(tool) for tool in agent.tools]
    return {tool.name: tool for tool in tools}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def chosen(wanted: str, tools: dict[str, Tool]) -> list[Tool]:
    """The tools that a list of names and globs, parted by commas, stands for. Raises UsageError where one fits none."""
    if wanted.strip() in ("", "none"):
        return []
    patterns = [pattern.strip() for pattern in wanted.split(",") if pattern.strip()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in tools):
            raise UsageError(
                f"no tool is named {pattern!r}; there are: {', '.join(tools) or 'none'}"
            )
    return [
        tool
        for name, tool in tools.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def loaded(place: str) -> Agent:
    """The Agent at `module:name` or `path/file.py:name`; the name is `agent` where none is given. Raises UsageError.

    This runs the module: it is the user's own.
    """
    found = found_at(place)
    if isinstance(found, Agent):
        return found
    raise UsageError(
        f"--agent {place} is a {type(found).__name__}: it is begun from Python; here resume, approve, answer,"
        " decide, explain, replay and show take it"
    )


def found_at(place: str) -> Any:
    """The Agent, Flow or Graph there. Raises UsageError. This runs the module."""
    from ..flows.flow import Flow
    from ..graphs.graph import Graph

    return value_at(place, Agent, Flow, Graph, name="agent")
