"""The options of the commands, as frozen settings. Imports nothing that is slow."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

S = TypeVar("S")

_WHO, _LIMITS, _OUTPUT = "Who answers", "Limits of a turn", "Output"


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Where the threads are."""

    db: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The database; else TREADLE_DB, else your own."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AgentOptions(StoreOptions):
    """Who answers, and within which limits."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Such as gpt-5.4-mini or local.",
            rich_help_panel=_WHO,
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="A setting of the model, such as temperature=0; repeatable.",
            rich_help_panel=_WHO,
        ),
    ] = None  # fmt: skip
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
        int | None, typer.Option(min=1, metavar="N", help="Model calls.", rich_help_panel=_LIMITS)
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
    """What every turn takes: who answers, within which limits, shown how."""

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
    """`treadle "question"`."""

    question: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION", help="None on a terminal: a chat. - : it comes on standard input."
        ),
    ] = None
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue", "-c", help="Go on with the last thread.", rich_help_panel="Thread"
        ),
    ] = False
    thread: Annotated[
        str | None,
        typer.Option(
            "--thread",
            "-t",
            metavar="NAME",
            help="The thread of this name, or a new one.",
            rich_help_panel="Thread",
        ),
    ] = None
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False


def with_options(settings: type[S]) -> Callable[[Callable[[S], object]], Callable[..., None]]:
    """A command for typer, which reads signatures, out of a function of one settings object."""

    def made(function: Callable[[S], object]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            function(settings(**values))

        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        command.__annotations__ = get_type_hints(settings, include_extras=True)
        command.__signature__ = inspect.signature(settings)  # type: ignore[attr-defined]
        return command

    return made
