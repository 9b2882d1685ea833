"""`treadle check`: which tools of an agent look otherwise than they are labelled."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from ..observe.label_hints import find_hints, find_rule_hints
from ..runtime.agent import Agent
from .agents import load_agent, tools_by_name
from .parameters import make_argument
from .tables import format_table, tool_labels

NOTHING_FOUND = 0
FOUND = 1


@dataclass(frozen=True, kw_only=True)
class CheckLabelsOptions:
    agent: str = make_argument("MODULE:AGENT", "Or a file: path/to/agents.py:support.")


def check(settings: CheckLabelsOptions) -> int:
    """Name an agent's tools, how they are labelled, and where that looks wrong.

    The labels say which results bring untrusted text, which tools reach private data and which act
    outward. The guesses go by names and arguments. Exit code 1 if there are any.
    """
    rows: list[tuple[str, str, str]] = []
    hints: list[str] = []
    for agent in _find_agents(load_agent(settings.agent), {}):
        tools = tools_by_name(agent)
        for tool in tools.values():
            rows.append((agent.name, tool.name, tool_labels(tool) or "-"))
            hints += [f"{agent.name}: {tool.name}: {hint}" for hint in find_hints(tool)]
        hints += [f"{agent.name}: {hint}" for hint in find_rule_hints(agent.rules, tools.values())]
        if agent.taint != "ask":
            hints.append(f"{agent.name}: taint={agent.taint!r}: labels stop nothing")
    click.echo(format_table(rows))
    if not hints:
        click.echo("the labels fit the names", file=sys.stderr)
        return NOTHING_FOUND
    click.echo("\nlook at these:")
    click.echo(format_table([(hint,) for hint in hints]))
    return FOUND


def _find_agents(agent: Agent[Any, Any], known: dict[str, Any]) -> Iterator[Agent[Any, Any]]:
    """The agent, those that it may hand over to, and those that work for it; each once."""
    if agent.name in known:
        return
    known[agent.name] = agent
    yield agent
    others = list(agent._team.values())
    for tool in tools_by_name(agent).values():
        if tool.child and isinstance(tool.child.agent, Agent):
            others.append(tool.child.agent)
    for each in others:
        yield from _find_agents(each, known)
