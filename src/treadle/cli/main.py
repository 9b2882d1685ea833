"""`treadle`: routes to a command, and is the only module that exits.

The first word decides: the name of a command is that command, anything else is a question. `treadle -- tools` asks
the question "tools". Whatever is slow to import waits until a command needs it.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

import typer

from .options import Ask, Resume, Settings, taking

_CONTEXT = {"help_option_names": ["-h", "--help"]}
_EPILOG = """
[bold]Commands:[/bold] treadle models · treadle models pull · treadle tools · treadle resume THREAD.
A question that begins with a command's name: treadle -- tools.

[bold]Exit codes:[/bold] 0 answered · 1 failed · 2 usage · 3 a limit · 4 waits for a person · 130 interrupted.
"""

asking = typer.Typer(context_settings=_CONTEXT, pretty_exceptions_enable=False)
commands = typer.Typer(context_settings=_CONTEXT, pretty_exceptions_enable=False)
models = typer.Typer(context_settings=_CONTEXT)
commands.add_typer(models, name="models", invoke_without_command=True)
COMMANDS = ("models", "tools", "resume")


def main(words: Sequence[str] | None = None) -> None:
    """Run these words, or those of this process's command line. Exits; the codes are in docs/cli.md."""
    words = sys.argv[1:] if words is None else words
    first = (_completed() or list(words))[:1]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the encoding lacks is no reason to fail
    app = commands if first and first[0] in COMMANDS else asking
    app(args=words, prog_name="treadle")


def _completed() -> list[str]:
    """The command line that a shell wants completed, as typer's scripts hand it over."""
    if "_TREADLE_COMPLETE" not in os.environ:
        return []
    return (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")).split()[1:]


@asking.command(epilog=_EPILOG)
@taking(Ask)
def ask(settings: Ask) -> None:
    """Ask an agent. It uses tools where they help; the answer goes to standard output, the steps to standard error."""
    from ..errors import TreadleError
    from .piped import question_of
    from .terminal import Screen, interactive
    from .turns import Session, fail, last_thread

    words = settings.question or []
    try:
        agent = _agent(settings)
        thread = last_thread(agent) if settings.go_on else settings.thread or agent.world.new_id()
        if not words and interactive() and sys.stdout.isatty():
            from .chat import chat

            raise typer.Exit(chat(Session(agent, thread, Screen(), settings)))
        question = question_of(words)
    except TreadleError as error:
        raise typer.Exit(fail(error)) from None
    if not question:
        typer.echo('error: there is nothing to ask; say treadle "question", or treadle -h', err=True)
        raise typer.Exit(2)
    raise typer.Exit(Session(agent, thread, Screen(), settings).ask(question))


@commands.command()
@taking(Resume)
def resume(settings: Resume) -> None:
    """Go on with a thread's unfinished turn: after a crash, or where it waits for a decision."""
    from ..errors import TreadleError
    from .terminal import Screen
    from .turns import Session, fail

    try:
        session = Session(_agent(settings, everything=True), settings.thread, Screen(), settings)
    except TreadleError as error:
        raise typer.Exit(fail(error)) from None
    raise typer.Exit(session.resume())


@commands.command()
def tools() -> None:
    """The tools that ship, and what each may do."""
    from ..tools.shipped import shipped
    from .tables import table, tool_row

    typer.echo(table([tool_row(tool) for tool in shipped().values()]))


@models.callback()
def list_models(context: typer.Context) -> None:
    """The models that can be used, and what each needs."""
    if context.invoked_subcommand is None:
        from .tables import model_rows, table

        typer.echo(table(model_rows()))


@models.command("pull")
def pull_models() -> None:
    """Put the embedded model's weights together now; else that happens when it is first used."""
    from ..errors import TreadleError
    from .loading import pull
    from .terminal import Screen
    from .turns import fail

    try:
        typer.echo(pull(Screen()))
    except TreadleError as error:
        raise typer.Exit(fail(error)) from None


def _agent(settings: Settings, everything: bool = False) -> Any:
    """The agent; with `everything` it has the tools of an interrupted turn, also those that need a person."""
    from .agents import agent_of
    from .terminal import interactive

    return agent_of(settings, everything or interactive())
