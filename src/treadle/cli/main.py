"""`treadle`: routes to a command, and is the only module that exits.

The first word decides: the name of a command is that command, anything else is a question. `treadle -- tools` asks
the question "tools". Options come after a command: a command's name as the first word behind options is refused, since
to ask it would cost time and money that nobody meant to spend. Whatever is slow to import waits until it is needed.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer
import typer.main

from ..observe.visible import make_visible
from .options import Ask, with_options
from .process import keep_output, leave_threads_behind

USAGE = 2
_CONTEXT = {"help_option_names": ["-h", "--help"]}
_EPILOG = """
[bold]Commands[/bold], each with its own --help:

Look at threads: threads · show · tail · explain · diff · replay · save-test

Add up: costs · stats · export-traces

Decide: approve · answer · decide · cancel

Go on: resume · fork

Evaluate: eval

Set up: models · tools · memory · db

A question that begins with a command's name: treadle -- tools.

[bold]Exit codes:[/bold] 0 answered · 1 failed · 2 usage · 3 a limit · 4 waits for a person · 130 interrupted.
"""

ask_app = typer.Typer(context_settings=_CONTEXT, pretty_exceptions_enable=False)
COMMANDS = (
    *("threads", "show", "tail", "explain", "diff", "replay", "save-test"),
    *("costs", "stats", "export-traces"),
    *("approve", "answer", "decide", "cancel", "resume", "fork"),
    *("eval", "tools", "memory", "db", "models"),
)

_MOST_WORDS = {
    "threads": 1,
    "tools": 1,
    "approve": 3,
    "answer": 3,
    "decide": 3,
    "diff": 3,
    "memory": 3,
}
_MOST_WORDS |= {"db": 1000, "models": 1000}
"""How many words a command has without options; the others take two. Whoever says more was asking a question."""


def main(words: Sequence[str] | None = None) -> None:
    """Run these words, or, as the process's own command, those of its command line.

    Exits; the codes are in docs/cli.md.
    """
    if words is not None:
        _run_command(words)
        return
    keep_output()
    code = 1
    try:
        _run_command(sys.argv[1:])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
    finally:
        leave_threads_behind(code)


def _run_command(words: Sequence[str]) -> None:
    first = (_completed() or list(words))[:1]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a character that the encoding lacks is no reason to fail
    if not (first and first[0] in COMMANDS):
        _refuse_late_command(words)
        ask_app(args=words, prog_name="treadle")
    from .commands import commands

    try:
        commands(args=words, prog_name="treadle")
    except SystemExit as left:
        if (
            left.code == USAGE
            and len(words) > _MOST_WORDS.get(words[0], 2)
            and not any(w[:1] == "-" for w in words)
        ):
            print(f"was it a question? treadle -- {make_visible(' '.join(words))}", file=sys.stderr)
        raise


def _refuse_late_command(words: Sequence[str]) -> None:
    at = _late_command(words)
    if at and "_TREADLE_COMPLETE" not in os.environ:
        options, rest = words[:at], words[at:]
        command, question = (
            shlex.join(["treadle", *each]) for each in ((*rest, *options), (*options, "--", *rest))
        )
        print(
            f"error: put the options after the command: {make_visible(command)}; for a question: {make_visible(question)}",
            file=sys.stderr,
        )
        raise SystemExit(USAGE)


def _late_command(words: Sequence[str]) -> int:
    """Where a command's name is the first word that is neither an option nor an option's value; 0 where none is."""
    if not words or words[0][:1] != "-" or not any(word in COMMANDS for word in words):
        return 0
    options = [
        each for each in typer.main.get_command(ask_app).params if each.param_type_name == "option"
    ]
    valued = {
        name for option in options if not getattr(option, "is_flag", False) for name in option.opts
    }
    at = 0
    while (
        at < len(words)
        and words[at][:1] == "-"
        and words[at] not in ("-", "--", "-h", "--help", "--version")
    ):
        at += 2 if _takes_next(words[at], valued) else 1
    return at if at < len(words) and words[at] in COMMANDS else 0


def _takes_next(word: str, valued: set[str]) -> bool:
    """Whether the word after this option is its value; in `-qt` the last letter takes it, in `-tname` none does."""
    if word.startswith("--"):
        return word in valued
    takes = [index for index, letter in enumerate(word) if f"-{letter}" in valued]
    return bool(takes) and takes[0] == len(word) - 1


def _completed() -> list[str]:
    """The command line that a shell wants completed, as typer's scripts hand it over."""
    if "_TREADLE_COMPLETE" not in os.environ:
        return []
    return (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")).split()[1:]


@ask_app.command(epilog=_EPILOG)
@with_options(Ask)
def ask(settings: Ask) -> None:
    """Ask an agent. It uses tools where they help; the answer goes to standard output, the steps to standard error."""
    from ..core.errors import TreadleError
    from .agents import make_agent
    from .folder_instructions import announce_instructions
    from .session import Session, find_last_thread, report_error
    from .stdin import read_question
    from .terminal import Screen, is_interactive

    words, screen = settings.question or [], Screen()
    try:
        agent = make_agent(settings, is_interactive())
        thread = (
            find_last_thread(agent) if settings.go_on else settings.thread or agent.world.new_id()
        )
        if not words and is_interactive() and sys.stdout.isatty():
            from .chat import chat

            announce_instructions(agent, settings, screen)
            raise typer.Exit(chat(Session(agent, thread, screen, settings)))
        question = read_question(words)
    except TreadleError as error:
        raise typer.Exit(report_error(error)) from None
    if not question:
        typer.echo(
            'error: there is nothing to ask; say treadle "question", or treadle -h', err=True
        )
        raise typer.Exit(2)
    announce_instructions(agent, settings, screen)
    raise typer.Exit(Session(agent, thread, screen, settings).ask(question))
