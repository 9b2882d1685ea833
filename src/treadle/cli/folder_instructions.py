"""The instructions of the working directory, AGENTS.md, for Treadle's own agent: how much of them, and what is said."""

from dataclasses import replace

from ..core.errors import UsageError
from ..flows.flow import Flow
from ..observe.visible import visible_line
from ..runtime.agent import Agent
from .agents_md import MAX_BYTES, ProjectInstructions, read_instructions
from .options import AgentOptions, TurnOptions
from .terminal import Screen

BYTES_A_TOKEN = 3
"""Fewer than most text has: the project's part mustn't be more than a quarter of the model's context."""


def add_instructions(agent: Agent, settings: AgentOptions) -> Agent:
    """Treadle's own agent with the instructions of the working directory behind its own."""
    text = _project(agent, settings).text
    return replace(agent, instructions=f"{agent.instructions}\n\n{text}".strip()) if text else agent


def announce_instructions(agent: Agent | Flow, settings: TurnOptions, screen: Screen) -> None:
    """What came from AGENTS.md files and what of them didn't, on standard error, unless no steps are shown."""
    if isinstance(agent, Flow) or settings.agent or settings.quiet or settings.json:
        return
    project = _project(agent, settings)
    if project.files:
        screen.note(
            f"instructions from {', '.join(visible_line(name, 200) for name in project.files)}",
            "dim",
        )
    for phrase in (*project.cut, *project.unread):
        screen.note(visible_line(phrase, 300), "yellow")


def _project(agent: Agent, settings: AgentOptions) -> ProjectInstructions:
    if settings.no_project:
        return ProjectInstructions()
    whole = read_instructions()
    return read_instructions(max_bytes=_room_bytes(agent)) if whole.files else whole


def _room_bytes(agent: Agent) -> int:
    """A quarter of the context of the agent's model; where it can't be had, whoever asks it next will say so."""
    from ..models.resolve import resolve_model

    try:
        model = (
            resolve_model(agent.model)
            if agent.model is None or isinstance(agent.model, str)
            else agent.model
        )
    except UsageError:
        return MAX_BYTES
    return min(MAX_BYTES, model.context_tokens // 4 * BYTES_A_TOKEN)
