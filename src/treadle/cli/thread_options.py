"""The options of commands on existing threads. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .complete import complete_thread
from .options import AgentOptions, StoreOptions, TurnOptions

THREAD = "Its name, the beginning of it, or last (-)."
_CALL = "The call's id; not needed if only one waits."
_BY = "Who decides; default: your login name."
JSON = "As JSON Lines."
_AGENT = "Your Agent, with the thread's store; or path/file.py:name."

Thread = Annotated[
    str, typer.Argument(metavar="THREAD", help=THREAD, autocompletion=complete_thread)
]
Call = Annotated[str | None, typer.Argument(metavar="CALL", help=_CALL)]
By = Annotated[str | None, typer.Option(metavar="NAME", help=_BY)]


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(TurnOptions):
    thread: Thread
    take: Annotated[
        bool,
        typer.Option("--take", help="Take it from a process that still drives it, if one does."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ShowOptions(AgentOptions):
    thread: Thread
    full: Annotated[bool, typer.Option("--full", help="Cut nothing.")] = False
    json: Annotated[bool, typer.Option("--json", help="Records as JSON Lines.")] = False
    picture: Annotated[
        bool,
        typer.Option(
            "--picture",
            help="Draw the graph of --agent in Mermaid, with the path taken.",
        ),
    ] = False
    raw: Annotated[bool, typer.Option("--raw", help="Events as they are stored.")] = False
    openai: Annotated[
        bool, typer.Option("--openai", help="All of it as messages of chat completions, in JSON.")
    ] = False
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="The prompt of model call N, or of record @SEQ.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TailOptions(StoreOptions):
    thread: Annotated[
        str, typer.Argument(metavar="[THREAD]", help=THREAD, autocompletion=complete_thread)
    ] = "last"
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Leave when the turn ends, with its exit code.")
    ] = False
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(AgentOptions):
    thread: Thread
    json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(AgentOptions):
    thread: Thread


@dataclass(frozen=True, kw_only=True)
class DiffOptions(StoreOptions):
    left: Annotated[str, typer.Argument(metavar="A", help=THREAD, autocompletion=complete_thread)]
    right: Annotated[str, typer.Argument(metavar="B", help=THREAD, autocompletion=complete_thread)]
    json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(TurnOptions):
    """The options of every decision; those of an agent are for `--resume`."""

    by: By = None
    go_on: Annotated[bool, typer.Option("--resume", "-r", help="Then resume the turn.")] = False


@dataclass(frozen=True, kw_only=True)
class ApproveOptions(DecisionOptions):
    thread: Thread
    call: Call = None
    edit: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Run it with these arguments instead."),
    ] = None
    always: Annotated[
        bool,
        typer.Option(
            "--always",
            help="Allow further calls of this tool in this turn, too: with any arguments, unless"
            " --only says which.",
        ),
    ] = False
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME=GLOB",
            help="With --always: only where this argument fits, as path='docs/*'; repeatable.",
        ),
    ] = None
    deny: Annotated[bool, typer.Option("--deny", help="Refuse it.")] = False
    why: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Kept in the log; with --deny also told to the model."),
    ] = ""


@dataclass(frozen=True, kw_only=True)
class RevokeOptions(StoreOptions):
    thread: Thread
    call: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL", help="The call with which it was allowed; not needed if only one was."
        ),
    ] = None
    by: By = None
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(DecisionOptions):
    thread: Thread
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer.")]
    call: Annotated[str | None, typer.Option(metavar="CALL", help=_CALL)] = None


@dataclass(frozen=True, kw_only=True)
class SettleOptions(DecisionOptions):
    thread: Thread
    call: Call = None
    ran: Annotated[bool, typer.Option("--ran", help="It had its effect.")] = False
    result: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --ran: what came of it, told to the model."),
    ] = None
    not_run: Annotated[bool, typer.Option("--not-run", help="It had none: it may run now.")] = False
    tell: Annotated[bool, typer.Option("--tell", help="Nobody knows: tell the model so.")] = False
    why: Annotated[str, typer.Option(metavar="TEXT", help="How you know it; kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class CancelOptions(StoreOptions):
    thread: Thread
    by: By = None
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class ForkOptions(TurnOptions):
    thread: Thread
    at: Annotated[
        int | None, typer.Option(min=1, metavar="SEQ", help="The last record to share; else all.")
    ] = None
    edit: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Say this instead of the message that is record --at, else the last one.",
        ),
    ] = None
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only make it; its name goes to standard output.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions(StoreOptions):
    threads: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="THREAD", help=f"{THREAD} None: all.", autocompletion=complete_thread
        ),
    ] = None
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else to standard output.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class CheckOptions(StoreOptions):
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Write anew what the list of threads takes from the logs."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(StoreOptions):
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="As db export wrote it; - : standard input.")
    ]


@dataclass(frozen=True, kw_only=True)
class ImportOptions(RestoreOptions):
    openai: Annotated[
        bool,
        typer.Option("--openai", help="FILE has messages of chat completions, JSON or JSON Lines."),
    ] = False
    thread: Annotated[
        str | None,
        typer.Option(
            "--thread", "-t", metavar="NAME", help="With --openai: the new thread's name."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AdoptOptions(StoreOptions):
    thread: Thread
    by: By = None
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class SaveTestOptions(StoreOptions):
    thread: Thread
    agent: Annotated[str | None, typer.Option(metavar="MODULE:NAME", help=_AGENT)] = None
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Else tests/test_THREAD.py."),
    ] = None
