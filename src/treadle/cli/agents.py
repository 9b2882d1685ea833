"""Which agent answers: Treadle's own or the user's, with what the options change of it."""

import sys
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.events import Identity
from ..core.model import Model
from ..core.state import State
from ..core.tool import Tool, make_tool
from ..observe.visible import visible_line
from ..runtime.agent import Agent
from ..runtime.import_string import import_string
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from ..tools.shipped import load_shipped_tools
from .folder_instructions import add_instructions
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
DEFAULT_NAME = "treadle"


def make_agent(settings: AgentSettings, interactive: bool) -> Agent:
    """The agent that these settings ask for, with its store. Raises UsageError for what can't be."""
    agent = load_agent(settings.agent) if settings.agent else Agent(INSTRUCTIONS, name=DEFAULT_NAME)
    tools = list(tools_by_name(agent).values())
    if settings.tools is not None:
        tools = select_tools(
            settings.tools, tools_by_name(agent) if settings.agent else load_shipped_tools()
        )
    elif not settings.agent:
        tools = [
            tool for tool in load_shipped_tools().values() if tool.function or interactive
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
        store=choose_store(settings, agent),
        **_given(changes),
    )
    return changed if settings.agent else add_instructions(changed, settings)


def with_model(agent: Agent, model: str | Model, settings: AgentSettings) -> Agent:
    """The agent with another model; of the working directory's instructions, what that one has room for."""
    changed = replace(agent, model=with_options(model, settings))
    if settings.agent:
        return changed
    return add_instructions(
        replace(changed, instructions=settings.system or INSTRUCTIONS), settings
    )


def make_recorded_agent(settings: AgentSettings, was: Identity | None) -> Agent:
    """As `agent_of`; Treadle's own agent with the model and the choice of tools that the log names.

    Which model answered, and whether a person could be asked, was said on a command line that is gone.
    """
    from ..models.resolve import resolve_model

    if was and not settings.agent and was.agent != DEFAULT_NAME:
        raise UsageError(missing_agent_message(was.agent))
    if settings.agent or was is None:
        return make_agent(settings, True)
    if settings.model is None:
        with suppress(
            UsageError
        ):  # a model that can't be had here any more: then the default one stands in
            resolve_model(was.model)
            settings = replace(settings, model=was.model)
    settings = replace(settings, notes=settings.notes or "remember" in was.tools)
    return make_agent(
        settings,
        any(
            name in was.tools
            for name, tool in load_shipped_tools().items()
            if tool.function is None
        ),
    )


def _notes() -> "Notes":
    """By meaning too, where the model for that is installed."""
    from ..notes.local_embedder import find_local_embedder
    from ..notes.notes import Notes

    return Notes(embedder=find_local_embedder())


def missing_agent(settings: InStore, state: State) -> str:
    """The name of the agent whose thread it is, where these settings put Treadle's own in its place; else ""."""
    name = state.identity.agent if state.identity else state.agent
    return "" if getattr(settings, "agent", None) or name == DEFAULT_NAME else name


def missing_agent_message(name: str) -> str:
    """What to say of a thread that another agent drove."""
    return f"this is a thread of the agent {visible_line(name, 100)}, not of Treadle's own; it takes --agent MODULE:NAME"


def choose_store(settings: InStore, agent: Any = None) -> Store:
    """The database that the options name, else that of the agent, flow or graph, else the user's."""
    if settings.db or agent is None or agent.store is None:
        return SQLiteStore(settings.db and Path(settings.db).expanduser())
    store: Store = agent.store
    return store


def tools_by_name(agent: Agent) -> dict[str, Tool]:
    """The agent's tools by their names."""
    tools = [tool if isinstance(tool, Tool) else make_tool(tool) for tool in agent.tools]
    return {tool.name: tool for tool in tools}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def select_tools(wanted: str, tools: dict[str, Tool]) -> list[Tool]:
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


def load_agent(place: str) -> Agent:
    """The Agent at `module:name` or `path/file.py:name`; the name is `agent` where none is given. Raises UsageError.

    This runs the module: it is the user's own.
    """
    found = load_target(place)
    if isinstance(found, Agent):
        return found
    raise UsageError(
        f"--agent {place} is a {type(found).__name__}: it is begun from Python; here resume, approve, answer,"
        " decide, explain, replay and show take it"
    )


def load_target(place: str) -> Any:
    """The Agent, Flow or Graph there. Raises UsageError. This runs the module."""
    from ..flows.flow import Flow
    from ..graphs.graph import Graph

    with redirect_stdout(sys.stderr):  # standard output is for answers
        return import_string(place, Agent, Flow, Graph, name="agent")
