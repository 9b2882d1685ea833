"""The options of commands that change a thread, or go on with it. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import BY, JSON, THREAD, WHY, StoreOptions, TurnOptions, name_thread
from .parameters import make_argument, make_flag, make_option

_CALL = "The call's id; not needed if only one waits."
_SPEAKER = "Who says it; default: your login name."
_AGENT = "Your Agent, with the thread's store; or path/file.py:name."


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    folder: str = make_argument("[FOLDER]", "Where to; default: the current one.", ".")


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(TurnOptions):
    thread: str = name_thread("[THREAD]", default="")
    all: bool = make_flag("All threads of the agent that treadle due lists.")
    take: bool = make_flag("Take it from a process that still drives it, if one does.")
    retry_failed: bool = make_flag(
        "Run again what has failed in a flow or a graph, and reuse what has a result."
    )


@dataclass(frozen=True, kw_only=True)
class SteerOptions(TurnOptions):
    thread: str = name_thread()
    text: str = make_argument("TEXT", "What is said.")
    by: str | None = make_option("NAME", _SPEAKER)
    key: str | None = make_option("KEY", "Names the message: with the same key again, it is once.")


@dataclass(frozen=True, kw_only=True)
class DueOptions(StoreOptions):
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(TurnOptions):
    """The options of every decision; those of an agent are for `--resume`."""

    by: str | None = make_option("NAME", BY)
    go_on: bool = make_flag("Then resume the turn.", name="--resume", short="-r")


@dataclass(frozen=True, kw_only=True)
class ApproveOptions(DecisionOptions):
    thread: str = name_thread()
    call: str | None = make_argument("CALL", _CALL, None)
    edit: str | None = make_option("JSON", "Run it with these arguments instead.")
    always: bool = make_flag(
        "Allow further calls of this tool in this turn, too: with any arguments, unless"
        " --only says which."
    )
    only: list[str] | None = make_option(
        "NAME=GLOB", "With --always: only where this argument fits, as path='docs/*'; repeatable."
    )
    deny: bool = make_flag("Refuse it.")
    why: str = make_option("TEXT", "Kept in the log; with --deny also told to the model.", "")


@dataclass(frozen=True, kw_only=True)
class RevokeOptions(StoreOptions):
    thread: str = name_thread()
    call: str | None = make_argument(
        "CALL", "The call with which it was allowed; not needed if only one was.", None
    )
    by: str | None = make_option("NAME", BY)
    why: str = make_option("TEXT", WHY, "")


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(DecisionOptions):
    thread: str = name_thread()
    text: str = make_argument("TEXT", "The answer.")
    call: str | None = make_option("CALL", _CALL)


@dataclass(frozen=True, kw_only=True)
class SettleOptions(DecisionOptions):
    thread: str = make_argument(None, "The thread, or the handle of work elsewhere.")
    call: str | None = make_argument(None, "The call's id, or the handle that it has noted.", None)
    ran: bool = make_flag("It had its effect.")
    result: str | None = make_option("TEXT", "With --ran: what came of it, told to the model.")
    failed: str | None = make_option("TEXT", "It has failed: why, told to the model.")
    not_run: bool = make_flag("It had none: it may run now.")
    tell: bool = make_flag("Nobody knows: tell the model so.")
    why: str = make_option("TEXT", "How you know it; kept in the log.", "")
    take: bool = make_flag("Stop the process that runs it.")


@dataclass(frozen=True, kw_only=True)
class LimitOptions(DecisionOptions):
    thread: str = name_thread()
    tokens: str | None = make_option("+N", "So many tokens more.")
    usd: str | None = make_option("+USD", "So many US dollars more.")
    steps: str | None = make_option("+N", "So many model calls more.")
    tool_calls: str | None = make_option("+N", "So many tool calls more; of a flow, steps.")
    seconds: str | None = make_option("+SECONDS", "So many seconds of work more.")
    again: bool = make_flag("Raise nothing; what waits for a limit tries again.")
    reason: str = make_option("TEXT", WHY, "")
    json: bool = make_flag("What is used, as JSON; with --resume, records as JSON Lines.")


@dataclass(frozen=True, kw_only=True)
class CancelOptions(StoreOptions):
    thread: str = name_thread()
    by: str | None = make_option("NAME", BY)
    why: str = make_option("TEXT", WHY, "")


@dataclass(frozen=True, kw_only=True)
class ForkOptions(TurnOptions):
    thread: str = name_thread()
    at: int | None = make_option("SEQ", "The last record to share; else all.", min=1)
    edit: str | None = make_option(
        "TEXT", "Say this instead of the message that is record --at, else the last one."
    )
    no_run: bool = make_flag("Only make it; its name goes to standard output.")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(StoreOptions):
    threads: list[str] | None = name_thread(help=f"{THREAD} None: all.", default=None)
    output: Path | None = make_option("FILE", "Else to standard output.", short="-o")


@dataclass(frozen=True, kw_only=True)
class AdoptOptions(StoreOptions):
    thread: str = name_thread()
    by: str | None = make_option("NAME", BY)
    why: str = make_option("TEXT", WHY, "")


@dataclass(frozen=True, kw_only=True)
class SaveTestOptions(StoreOptions):
    thread: str = name_thread()
    agent: str | None = make_option("MODULE:NAME", _AGENT)
    output: Path | None = make_option("FILE", "Else tests/test_THREAD.py.", short="-o")
