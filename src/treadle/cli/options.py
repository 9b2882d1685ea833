"""The options that several commands share, as frozen dataclasses. Imports nothing slow."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from .complete import complete_thread

S = TypeVar("S")

_WHO = "Who answers"
_LIMITS = "Limits of a turn"
_OUTPUT = "Output"


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """The database with the threads."""

    db: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The database; else TREADLE_DB, else your own."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AgentOptions(StoreOptions):
    """The agent and its limits."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Such as gpt-5.4-mini or local; a,b: b where a is down.",
            rich_help_panel=_WHO,
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="A setting of the model, such as temperature=0; repeatable.",
            rich_help_panel=_WHO,
        ),
    ] = None
    tools: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Only these tools: names or globs; none for none.",
            rich_help_panel=_WHO,
        ),
    ] = None
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="An Agent of your own; or path/file.py:name.",
            rich_help_panel=_WHO,
        ),
    ] = None
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Instructions for the agent.", rich_help_panel=_WHO),
    ] = None
    notes: Annotated[
        bool,
        typer.Option(
            "--notes", help="Keep notes from thread to thread, and use them.", rich_help_panel=_WHO
        ),
    ] = False
    no_project: Annotated[
        bool, typer.Option("--no-project", help="Leave AGENTS.md files out.", rich_help_panel=_WHO)
    ] = False
    plan: Annotated[
        bool, typer.Option("--plan", help="Make a plan first.", rich_help_panel=_WHO)
    ] = False
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Steps: model calls.", rich_help_panel=_LIMITS),
    ] = None
    max_tool_calls: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tool calls; of a flow, its steps too.",
            rich_help_panel=_LIMITS,
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tokens, in and out.", rich_help_panel=_LIMITS),
    ] = None
    max_cost: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="USD", help="Cost in US dollars.", rich_help_panel=_LIMITS),
    ] = None
    unpriced: Annotated[
        bool,
        typer.Option(
            "--unpriced",
            help="Let models of unknown price pass --max-cost.",
            rich_help_panel=_LIMITS,
        ),
    ] = False
    timeout: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="SECONDS", help="Seconds of work.", rich_help_panel=_LIMITS),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TurnOptions(AgentOptions):
    """The options of every command that runs a turn."""

    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Records as JSON Lines, instead of the answer.", rich_help_panel=_OUTPUT
        ),
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Don't show the steps.", rich_help_panel=_OUTPUT)
    ] = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from ..core.version import VERSION

        typer.echo(f"treadle {VERSION}")
        raise typer.Exit


@dataclass(frozen=True, kw_only=True)
class AskOptions(TurnOptions):
    """The options of `treadle "question"`."""

    question: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION",
            help="Without one on a terminal: a chat. - : read it from standard input.",
        ),
    ] = None
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue", "-c", help="Continue the last thread.", rich_help_panel="Thread"
        ),
    ] = False
    thread: Annotated[
        str | None,
        typer.Option(
            "--thread",
            "-t",
            metavar="NAME",
            help="The thread of this name, or a new one.",
            autocompletion=complete_thread,
            rich_help_panel="Thread",
        ),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="Names the message: with the same key again, it gives the same turn's answer.",
            rich_help_panel="Thread",
        ),
    ] = None
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False


def as_command(settings: type[S]) -> Callable[[Callable[[S], object]], Callable[..., None]]:
    """Makes a function of one options object a command for typer, which reads signatures."""

    def make_command(function: Callable[[S], object]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            function(settings(**values))

        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        command.__annotations__ = get_type_hints(settings, include_extras=True)
        command.__signature__ = inspect.signature(settings)  # type: ignore[attr-defined]
        return command

    return make_command
