"""The options that several commands share, as frozen dataclasses. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

import click

from .complete import thread_names
from .install_completion import install_for_shell, show_script
from .parameters import make_argument, make_option

_WHO = "Who answers"
_LIMITS = "Limits of a turn"
_OUTPUT = "Output"
THREAD = "Its name, the beginning of it, or last (-)."
JSON = "As JSON Lines."
_BY = "Who decides; default: your login name."

Thread = Annotated[str, make_argument(metavar="THREAD", help=THREAD, complete=thread_names)]
By = Annotated[str | None, make_option(metavar="NAME", help=_BY)]


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """The database with the threads."""

    db: Annotated[
        str | None,
        make_option(
            metavar="PATH",
            help="The database: a file, or postgresql://…; else TREADLE_DB, else your own.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AgentOptions(StoreOptions):
    """The agent and its limits."""

    model: Annotated[
        list[str] | None,
        make_option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Such as gpt-5.4-mini or local; a,b: b where a is down.",
            panel=_WHO,
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        make_option(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="A setting of the model, such as temperature=0; repeatable.",
            panel=_WHO,
        ),
    ] = None
    tools: Annotated[
        str | None,
        make_option(
            metavar="A,B",
            help="Only these tools: names or globs; none for none.",
            panel=_WHO,
        ),
    ] = None
    mcp: Annotated[
        list[str] | None,
        make_option(
            metavar="SERVER",
            help="Tools of an MCP server: a command line, a URL or an mcp.json; repeatable.",
            panel=_WHO,
        ),
    ] = None
    skills: Annotated[
        list[str] | None,
        make_option(
            metavar="FOLDER",
            help="A skill, or a folder of skills (SKILL.md); repeatable.",
            panel=_WHO,
        ),
    ] = None
    agent: Annotated[
        str | None,
        make_option(
            metavar="MODULE:NAME",
            help="An Agent of your own; or path/file.py:name.",
            panel=_WHO,
        ),
    ] = None
    system: Annotated[
        str | None,
        make_option(metavar="TEXT", help="Instructions for the agent.", panel=_WHO),
    ] = None
    notes: Annotated[
        bool,
        make_option("--notes", help="Keep notes from thread to thread, and use them.", panel=_WHO),
    ] = False
    no_project: Annotated[
        bool, make_option("--no-project", help="Leave AGENTS.md and skills out.", panel=_WHO)
    ] = False
    plan: Annotated[bool, make_option("--plan", help="Make a plan first.", panel=_WHO)] = False
    max_steps: Annotated[
        int | None,
        make_option(min=1, metavar="N", help="Steps: model calls.", panel=_LIMITS),
    ] = None
    max_tool_calls: Annotated[
        int | None,
        make_option(
            min=1,
            metavar="N",
            help="Tool calls; of a flow, its steps too.",
            panel=_LIMITS,
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        make_option(min=1, metavar="N", help="Tokens, in and out.", panel=_LIMITS),
    ] = None
    max_cost: Annotated[
        float | None,
        make_option(min=0.0, metavar="USD", help="Cost in US dollars.", panel=_LIMITS),
    ] = None
    unpriced: Annotated[
        bool,
        make_option(
            "--unpriced",
            help="Let models of unknown price pass --max-cost.",
            panel=_LIMITS,
        ),
    ] = False
    timeout: Annotated[
        float | None,
        make_option(min=0.0, metavar="SECONDS", help="Seconds of work.", panel=_LIMITS),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TurnOptions(AgentOptions):
    """The options of every command that runs a turn."""

    json: Annotated[
        bool,
        make_option("--json", help="Records as JSON Lines, instead of the answer.", panel=_OUTPUT),
    ] = False
    quiet: Annotated[
        bool, make_option("--quiet", "-q", help="Don't show the steps.", panel=_OUTPUT)
    ] = False


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ..core.version import VERSION

        click.echo(f"treadle {VERSION}")
        raise SystemExit(0)


@dataclass(frozen=True, kw_only=True)
class AskOptions(TurnOptions):
    """The options of `treadle "question"`."""

    question: Annotated[
        list[str] | None,
        make_argument(
            metavar="QUESTION",
            help="Without one on a terminal: a chat. - : read it from standard input.",
        ),
    ] = None
    go_on: Annotated[
        bool,
        make_option("--continue", "-c", help="Continue the last thread.", panel="Thread"),
    ] = False
    thread: Annotated[
        str | None,
        make_option(
            "--thread",
            "-t",
            metavar="NAME",
            help="The thread of this name, or a new one.",
            complete=thread_names,
            panel="Thread",
        ),
    ] = None
    key: Annotated[
        str | None,
        make_option(
            metavar="KEY",
            help="Names the message: with the same key again, it gives the same turn's answer.",
            panel="Thread",
        ),
    ] = None
    version: Annotated[
        bool,
        make_option("--version", callback=_show_version, help="Show the version and exit."),
    ] = False
    install_completion: Annotated[
        str | None,
        make_option(
            metavar="[SHELL]",
            alone="",
            callback=install_for_shell,
            help="Let your shell complete commands and threads: bash, zsh or fish.",
        ),
    ] = None
    show_completion: Annotated[
        str | None,
        make_option(
            metavar="[SHELL]",
            alone="",
            callback=show_script,
            help="Show the script for that, to install it yourself.",
        ),
    ] = None
