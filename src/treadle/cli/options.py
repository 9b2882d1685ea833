"""The options that several commands share, as frozen dataclasses. Imports nothing slow."""

from dataclasses import MISSING, dataclass
from functools import partial
from typing import Any

import click

from .complete import install_for_shell, show_script, thread_names
from .parameters import make_argument, make_flag, make_option

_LIMITS = "Limits of a turn"
_OUTPUT = "Output"
THREAD = "Its name, the beginning of it, or last (-)."
JSON = "As JSON Lines."
BY = "Who decides; default: your login name."
WHY = "Kept in the log."
_who_option = partial(make_option, panel="Who answers")
_who_flag = partial(make_flag, panel="Who answers")
_limit_option = partial(make_option, panel=_LIMITS)
work_option = partial(make_option, panel="How it works")
AGENTS = "Agents, flows and graphs of your own; none: Treadle's own agent."
ENGINE = "What brings threads to workers: temporal://host:port. Else $TREADLE_ENGINE."


def name_thread(metavar: str = "THREAD", help: str = THREAD, default: Any = MISSING) -> Any:
    """The field of a thread's name, which a shell completes."""
    return make_argument(metavar, help, default, complete=thread_names)


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """The database with the threads."""

    db: str | None = make_option(
        "PATH", "The database: a file, or postgresql://…; else TREADLE_DB, else your own."
    )


@dataclass(frozen=True, kw_only=True)
class VerdictOptions(StoreOptions):
    """What somebody decides of a whole thread, and why."""

    thread: str = name_thread()
    by: str | None = make_option("NAME", BY)
    why: str = make_option("TEXT", WHY, "")


@dataclass(frozen=True, kw_only=True)
class AgentOptions(StoreOptions):
    """The agent and its limits."""

    model: list[str] | None = _who_option(
        "MODEL", "Such as gpt-5.4-mini or local; a,b: b where a is down.", short="-m"
    )
    option: list[str] | None = _who_option(
        "KEY=VALUE", "A setting of the model, such as temperature=0; repeatable.", short="-o"
    )
    tools: str | None = _who_option("A,B", "Only these tools: names or globs; none for none.")
    mcp: list[str] | None = _who_option(
        "SERVER", "Tools of an MCP server: a command line, a URL or an mcp.json; repeatable."
    )
    skills: list[str] | None = _who_option(
        "FOLDER", "A skill, or a folder of skills (SKILL.md); repeatable."
    )
    agent: str | None = _who_option("MODULE:NAME", "An Agent of your own; or path/file.py:name.")
    system: str | None = _who_option("TEXT", "Instructions for the agent.")
    notes: bool = _who_flag("Keep notes from thread to thread, and use them.")
    no_project: bool = _who_flag("Leave AGENTS.md and skills out.")
    plan: bool = _who_flag("Make a plan first.")
    max_steps: int | None = _limit_option("N", "Steps: model calls.", min=1)
    max_tool_calls: int | None = _limit_option("N", "Tool calls; of a flow, its steps too.", min=1)
    max_tokens: int | None = _limit_option("N", "Tokens, in and out.", min=1)
    max_cost: float | None = _limit_option("USD", "Cost in US dollars.", min=0.0)
    unpriced: bool = make_flag("Let models of unknown price pass --max-cost.", panel=_LIMITS)
    timeout: float | None = _limit_option("SECONDS", "Seconds of work.", min=0.0)


@dataclass(frozen=True, kw_only=True)
class TurnOptions(AgentOptions):
    """The options of every command that runs a turn."""

    json: bool = make_flag("Records as JSON Lines, instead of the answer.", panel=_OUTPUT)
    quiet: bool = make_flag("Don't show the steps.", short="-q", panel=_OUTPUT)


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ..core.version import VERSION

        click.echo(f"treadle {VERSION}")
        raise SystemExit(0)


@dataclass(frozen=True, kw_only=True)
class AskOptions(TurnOptions):
    """The options of `treadle "question"`."""

    question: list[str] | None = make_argument(
        "QUESTION", "Without one on a terminal: a chat. - : read it from standard input.", None
    )
    go_on: bool = make_flag(
        "Continue the last thread.", name="--continue", short="-c", panel="Thread"
    )
    thread: str | None = make_option(
        "NAME",
        "The thread of this name, or a new one.",
        short="-t",
        complete=thread_names,
        panel="Thread",
    )
    key: str | None = make_option(
        "KEY",
        "Names the message: with the same key again, it gives the same turn's answer.",
        panel="Thread",
    )
    version: bool = make_flag("Show the version and exit.", callback=_show_version)
    install_completion: str | None = make_option(
        "[SHELL]",
        "Let your shell complete commands and threads: bash, zsh or fish.",
        alone="",
        callback=install_for_shell,
    )
    show_completion: str | None = make_option(
        "[SHELL]",
        "Show the script for that, to install it yourself.",
        alone="",
        callback=show_script,
    )
