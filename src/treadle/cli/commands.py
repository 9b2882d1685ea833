"""All commands except the question itself, in the groups that --help shows."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import click

from ..core.errors import TreadleError, UsageError
from ..stores.open_store import open_store
from . import (
    costs,
    database,
    decisions,
    delete_threads,
    eval_options,
    limit,
    list_options,
    listing,
    model_options,
    note_commands,
    note_options,
    note_why,
    observe_options,
    permissions,
    reports,
    show,
    show_cache,
    show_stats,
    show_summary,
    thread_options,
    traces,
)
from .options import StoreOptions
from .parameters import CONTEXT, Command, Group, make_command
from .session import Session, report_error
from .signals import INTERRUPTED
from .terminal import Screen

S = TypeVar("S")

BROKEN_PIPE = 141
"""The exit code if nobody reads the output, as in a shell's pipe."""

commands = Group("treadle", context_settings=CONTEXT)
models = Group(
    "models",
    context_settings=CONTEXT,
    invoke_without_command=True,
    help="List the models, and what each needs.",
)
db = Group("db", context_settings=CONTEXT, help="Check, copy and clean up the database.")
notes = Group("notes", context_settings=CONTEXT, help="Notes that last across threads.")


def exit_with_code(function: Callable[[S], int]) -> Callable[[S], None]:
    """Makes a command exit with the function's code, or with that of its error."""

    def command(settings: S) -> None:
        try:
            code = function(settings)
            sys.stdout.flush()
        except TreadleError as error:
            code = report_error(error)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BrokenPipeError:
            # The buffered rest must go somewhere, or Python complains at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = BROKEN_PIPE
        raise SystemExit(code)

    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    return command


def _add(
    group: Group, name: str, settings: type[S], function: Callable[[S], int], panel: str = ""
) -> None:
    group.add_command(make_command(name, settings, exit_with_code(function), panel))


def resume(settings: thread_options.ResumeOptions) -> int:
    """Resume a thread's unfinished turn: after a crash, or after a decision.

    Where another process drives it, this waits for that one, and gives the same result.
    """
    if bool(settings.thread) == settings.all:
        raise UsageError("name a thread (treadle resume THREAD), or say --all, not both")
    if settings.all:
        from .due import resume_all

        return resume_all(settings)
    from .agents import make_runner, missing_agent, missing_agent_message
    from .agents_md import announce_instructions
    from .thread_tree import root_log
    from .threads import open_thread

    # Interactive: the interrupted turn may have used tools that need a person.
    agent = make_runner(settings, True)
    store = open_store(agent.store)
    log = root_log(open_thread(store, settings.thread))
    if other := missing_agent(settings, log.state):
        raise UsageError(missing_agent_message(other))
    screen = Screen()
    announce_instructions(agent, settings, screen)
    session = Session(agent, log.thread_id, screen, settings)
    return session.resume(settings.take, settings.retry_failed)


def steer(settings: thread_options.SteerOptions) -> int:
    """Say something in a thread while it works or waits: the next model call sees it.

    After the turn's end it opens the next one. Where nobody drives the thread, this command does.
    """
    from .steer import steer as say

    return say(settings)


def due(settings: thread_options.DueOptions) -> int:
    """List the threads that are unfinished, wait for nobody and have no living driver."""
    from .due import due as list_due

    return list_due(settings)


def write_starter(settings: thread_options.InitOptions) -> int:
    """Write a starter project: an agent, its tests, a file that runs them in CI."""
    from .init import init

    return init(settings)


def save_test(settings: thread_options.SaveTestOptions) -> int:
    """Make a test of a thread, run offline with your agent. Its file has the whole conversation."""
    from .save_test import save_test as save

    return save(settings)


def eval_(settings: eval_options.EvalOptions) -> int:
    """Run a dataset: how many cases pass, what they take, what got worse since a baseline."""
    from .evaluation import evaluate

    return evaluate(settings)


@commands.command(cls=Command)
def tools() -> None:
    """List the tools that ship, and what each may do."""
    from ..tools.shipped import load_shipped_tools
    from .tables import format_table, tool_row

    click.echo(format_table([tool_row(tool) for tool in load_shipped_tools().values()]))


@click.pass_context
def list_models(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        from .tables import format_table, model_rows

        click.echo(format_table(model_rows()))


models.callback = list_models


@models.command("pull", cls=Command)
def pull_models() -> None:
    """Assemble the weights of the embedded model now instead of at its first use."""
    from .load_model import pull_weights

    try:
        click.echo(pull_weights(Screen()))
    except TreadleError as error:
        raise SystemExit(report_error(error)) from None


def check_models(settings: model_options.CheckOptions) -> int:
    """Ask a model for a text, a tool call, what a picture shows and JSON: what does it take?

    Exit code 1 if a model gave no text at all.
    """
    from .check_models import check

    return check(settings)


def _add_all() -> None:
    look = "Look at threads"
    add_up = "Add up"
    go_on = "Go on"
    decide = "Decide"
    set_up = "Set up"
    _add(commands, "threads", list_options.ThreadsOptions, listing.threads, look)
    _add(commands, "due", thread_options.DueOptions, due, look)
    _add(commands, "show", thread_options.ShowOptions, show.show, look)
    _add(commands, "tail", thread_options.TailOptions, show.tail, look)
    _add(commands, "explain", thread_options.ExplainOptions, reports.explain, look)
    _add(commands, "diff", thread_options.DiffOptions, reports.diff, look)
    _add(commands, "replay", thread_options.ReplayOptions, reports.replay, look)
    _add(commands, "save-test", thread_options.SaveTestOptions, save_test, look)
    _add(commands, "summary", observe_options.SummaryOptions, show_summary.summary, add_up)
    _add(commands, "costs", observe_options.CostsOptions, costs.costs, add_up)
    _add(commands, "stats", observe_options.StatsOptions, show_stats.stats, add_up)
    _add(commands, "cache", observe_options.CacheOptions, show_cache.cache, add_up)
    export = traces.export_traces
    _add(commands, "export-traces", observe_options.ExportTracesOptions, export, add_up)
    _add(commands, "approve", thread_options.ApproveOptions, decisions.approve, decide)
    _add(commands, "revoke", thread_options.RevokeOptions, permissions.revoke, decide)
    _add(commands, "answer", thread_options.AnswerOptions, decisions.answer, decide)
    _add(commands, "settle", thread_options.SettleOptions, decisions.settle, decide)
    _add(commands, "limit", thread_options.LimitOptions, limit.limit, decide)
    _add(commands, "adopt", thread_options.AdoptOptions, decisions.adopt, decide)
    _add(commands, "cancel", thread_options.CancelOptions, decisions.cancel, decide)
    _add(commands, "resume", thread_options.ResumeOptions, resume, go_on)
    _add(commands, "steer", thread_options.SteerOptions, steer, go_on)
    _add(commands, "fork", thread_options.ForkOptions, decisions.fork, go_on)
    _add(commands, "delete", list_options.DeleteOptions, delete_threads.delete, "Clean up")
    _add(commands, "eval", eval_options.EvalOptions, eval_, "Evaluate")
    _add(commands, "init", thread_options.InitOptions, write_starter, set_up)
    _add_groups(set_up)


def _add_groups(panel: str) -> None:
    """The groups of commands, each with its own."""
    _add(models, "check", model_options.CheckOptions, check_models)
    _add(db, "path", StoreOptions, database.path)
    _add(db, "check", thread_options.CheckOptions, database.check)
    _add(db, "export", thread_options.ExportOptions, database.export)
    _add(db, "import", thread_options.ImportOptions, database.import_)
    _add(db, "restore", thread_options.RestoreOptions, database.restore)
    _add(db, "vacuum", StoreOptions, database.vacuum)
    _add(notes, "list", note_options.ListNotesOptions, note_commands.list_notes)
    _add(notes, "search", note_options.SearchNotesOptions, note_commands.search)
    _add(notes, "add", note_options.AddNoteOptions, note_commands.add)
    _add(notes, "correct", note_options.CorrectNoteOptions, note_why.correct)
    _add(notes, "why", note_options.WhyNoteOptions, note_why.why)
    _add(notes, "forget", note_options.ForgetNoteOptions, note_commands.forget)
    _add(notes, "export", note_options.ExportNotesOptions, note_commands.export)
    _add(notes, "extract", note_options.ExtractNotesOptions, note_commands.extract)
    tools.panel = panel  # type: ignore[attr-defined]
    for group in (notes, db, models):
        group.panel = panel
        commands.add_command(group)


_add_all()
