"""The options of commands that change a thread, or go on with it. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .complete import thread_names
from .options import JSON, THREAD, By, StoreOptions, Thread, TurnOptions
from .parameters import make_argument, make_option

_CALL = "The call's id; not needed if only one waits."
_SPEAKER = "Who says it; default: your login name."
_AGENT = "Your Agent, with the thread's store; or path/file.py:name."

Call = Annotated[str | None, make_argument(metavar="CALL", help=_CALL)]


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    folder: Annotated[
        str, make_argument(metavar="[FOLDER]", help="Where to; default: the current one.")
    ] = "."


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(TurnOptions):
    thread: Annotated[
        str,
        make_argument(metavar="[THREAD]", help=THREAD, complete=thread_names),
    ] = ""
    all: Annotated[
        bool, make_option("--all", help="All threads of the agent that treadle due lists.")
    ] = False
    take: Annotated[
        bool,
        make_option("--take", help="Take it from a process that still drives it, if one does."),
    ] = False
    retry_failed: Annotated[
        bool,
        make_option(
            "--retry-failed",
            help="Run again what has failed in a flow or a graph, and reuse what has a result.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class SteerOptions(TurnOptions):
    thread: Thread
    text: Annotated[str, make_argument(metavar="TEXT", help="What is said.")]
    by: Annotated[str | None, make_option(metavar="NAME", help=_SPEAKER)] = None
    key: Annotated[
        str | None,
        make_option(metavar="KEY", help="Names the message: with the same key again, it is once."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DueOptions(StoreOptions):
    json: Annotated[bool, make_option("--json", help=JSON)] = False


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(TurnOptions):
    """The options of every decision; those of an agent are for `--resume`."""

    by: By = None
    go_on: Annotated[bool, make_option("--resume", "-r", help="Then resume the turn.")] = False


@dataclass(frozen=True, kw_only=True)
class ApproveOptions(DecisionOptions):
    thread: Thread
    call: Call = None
    edit: Annotated[
        str | None,
        make_option(metavar="JSON", help="Run it with these arguments instead."),
    ] = None
    always: Annotated[
        bool,
        make_option(
            "--always",
            help="Allow further calls of this tool in this turn, too: with any arguments, unless"
            " --only says which.",
        ),
    ] = False
    only: Annotated[
        list[str] | None,
        make_option(
            "--only",
            metavar="NAME=GLOB",
            help="With --always: only where this argument fits, as path='docs/*'; repeatable.",
        ),
    ] = None
    deny: Annotated[bool, make_option("--deny", help="Refuse it.")] = False
    why: Annotated[
        str,
        make_option(metavar="TEXT", help="Kept in the log; with --deny also told to the model."),
    ] = ""


@dataclass(frozen=True, kw_only=True)
class RevokeOptions(StoreOptions):
    thread: Thread
    call: Annotated[
        str | None,
        make_argument(
            metavar="CALL", help="The call with which it was allowed; not needed if only one was."
        ),
    ] = None
    by: By = None
    why: Annotated[str, make_option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(DecisionOptions):
    thread: Thread
    text: Annotated[str, make_argument(metavar="TEXT", help="The answer.")]
    call: Annotated[str | None, make_option(metavar="CALL", help=_CALL)] = None


@dataclass(frozen=True, kw_only=True)
class SettleOptions(DecisionOptions):
    thread: Annotated[str, make_argument(help="The thread, or the handle of work elsewhere.")]
    call: Annotated[
        str | None, make_argument(help="The call's id, or the handle that it has noted.")
    ] = None
    ran: Annotated[bool, make_option("--ran", help="It had its effect.")] = False
    result: Annotated[
        str | None,
        make_option(metavar="TEXT", help="With --ran: what came of it, told to the model."),
    ] = None
    failed: Annotated[
        str | None, make_option(metavar="TEXT", help="It has failed: why, told to the model.")
    ] = None
    not_run: Annotated[bool, make_option("--not-run", help="It had none: it may run now.")] = False
    tell: Annotated[bool, make_option("--tell", help="Nobody knows: tell the model so.")] = False
    why: Annotated[str, make_option(metavar="TEXT", help="How you know it; kept in the log.")] = ""
    take: Annotated[bool, make_option("--take", help="Stop the process that runs it.")] = False


@dataclass(frozen=True, kw_only=True)
class LimitOptions(DecisionOptions):
    thread: Thread
    tokens: Annotated[str | None, make_option(metavar="+N", help="So many tokens more.")] = None
    usd: Annotated[str | None, make_option(metavar="+USD", help="So many US dollars more.")] = None
    steps: Annotated[str | None, make_option(metavar="+N", help="So many model calls more.")] = None
    tool_calls: Annotated[
        str | None, make_option(metavar="+N", help="So many tool calls more; of a flow, steps.")
    ] = None
    seconds: Annotated[
        str | None, make_option(metavar="+SECONDS", help="So many seconds of work more.")
    ] = None
    again: Annotated[
        bool, make_option("--again", help="Raise nothing; what waits for a limit tries again.")
    ] = False
    reason: Annotated[str, make_option(metavar="TEXT", help="Kept in the log.")] = ""
    json: Annotated[
        bool,
        make_option("--json", help="What is used, as JSON; with --resume, records as JSON Lines."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class CancelOptions(StoreOptions):
    thread: Thread
    by: By = None
    why: Annotated[str, make_option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class ForkOptions(TurnOptions):
    thread: Thread
    at: Annotated[
        int | None, make_option(min=1, metavar="SEQ", help="The last record to share; else all.")
    ] = None
    edit: Annotated[
        str | None,
        make_option(
            metavar="TEXT",
            help="Say this instead of the message that is record --at, else the last one.",
        ),
    ] = None
    no_run: Annotated[
        bool, make_option("--no-run", help="Only make it; its name goes to standard output.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions(StoreOptions):
    threads: Annotated[
        list[str] | None,
        make_argument(metavar="THREAD", help=f"{THREAD} None: all.", complete=thread_names),
    ] = None
    output: Annotated[
        Path | None, make_option("--output", "-o", metavar="FILE", help="Else to standard output.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class AdoptOptions(StoreOptions):
    thread: Thread
    by: By = None
    why: Annotated[str, make_option(metavar="TEXT", help="Kept in the log.")] = ""


@dataclass(frozen=True, kw_only=True)
class SaveTestOptions(StoreOptions):
    thread: Thread
    agent: Annotated[str | None, make_option(metavar="MODULE:NAME", help=_AGENT)] = None
    output: Annotated[
        Path | None,
        make_option("--output", "-o", metavar="FILE", help="Else tests/test_THREAD.py."),
    ] = None
