"""The commands but for the question itself, in the groups that --help shows."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from ..core.errors import TreadleError, UsageError
from . import (
    costs,
    database,
    eval_options,
    history,
    listing,
    note_options,
    observe_options,
    reports,
    stats,
    thread_options,
    traces,
)
from . import decisions as deciding
from . import notes as memory
from .options import StoreOptions, with_options
from .session import INTERRUPTED, Session, report_error
from .terminal import Screen

S = TypeVar("S")

CONTEXT = {"help_option_names": ["-h", "--help"]}
BROKEN_PIPE = 141
"""Exit code where nobody reads what is written, as of a shell's pipes."""

commands = typer.Typer(context_settings=CONTEXT, pretty_exceptions_enable=False)
models = typer.Typer(context_settings=CONTEXT)
db = typer.Typer(
    context_settings=CONTEXT, no_args_is_help=True, help="Check, copy and tidy up the database."
)
notes = typer.Typer(
    context_settings=CONTEXT, no_args_is_help=True, help="Notes that last across threads."
)


def exit_with_code(function: Callable[[S], int]) -> Callable[[S], None]:
    """The command as typer runs it: it exits with the function's code, or with that of what was raised."""

    def command(settings: S) -> None:
        try:
            code = function(settings)
            sys.stdout.flush()
        except TreadleError as error:
            code = report_error(error)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # what is still buffered goes there
            code = BROKEN_PIPE
        raise typer.Exit(code)

    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    return command


def _add(
    app: typer.Typer, name: str, settings: type[S], function: Callable[[S], int], panel: str = ""
) -> None:
    app.command(name, rich_help_panel=panel or None)(
        with_options(settings)(exit_with_code(function))
    )


def resume(settings: thread_options.ResumeOptions) -> int:
    """Go on with a thread's unfinished turn: after a crash, or where it waits for a decision."""
    from .agents import missing_agent, missing_agent_message
    from .folder_instructions import announce_instructions
    from .runner import make_runner
    from .thread_tree import root_log
    from .threads import open_thread

    agent = make_runner(
        settings, True
    )  # with the tools of an interrupted turn, also those that need a person
    assert agent.store
    log = root_log(open_thread(agent.store, settings.thread))
    if other := missing_agent(settings, log.state):
        raise UsageError(missing_agent_message(other))
    screen = Screen()
    announce_instructions(agent, settings, screen)
    return Session(agent, log.thread_id, screen, settings).resume()


def save_test(settings: thread_options.SaveTestOptions) -> int:
    """Write a thread, and a test that runs it again offline with your agent. The file holds the whole conversation."""
    from . import saving

    return saving.save_test(settings)


def eval_(settings: eval_options.EvalOptions) -> int:
    """Run a dataset of cases: how many pass, what they take, and what got worse since a baseline."""
    from .evaluation import evaluate

    return evaluate(settings)


@commands.command(rich_help_panel="Set up")
def tools() -> None:
    """The tools that ship, and what each may do."""
    from ..tools.shipped import load_shipped_tools
    from .tables import format_table, tool_row

    typer.echo(format_table([tool_row(tool) for tool in load_shipped_tools().values()]))


@models.callback()
def list_models(context: typer.Context) -> None:
    """The models that can be used, and what each needs."""
    if context.invoked_subcommand is None:
        from .tables import format_table, model_rows

        typer.echo(format_table(model_rows()))


@models.command("pull")
def pull_models() -> None:
    """Put the embedded model's weights together now; else that happens when it is first used."""
    from .load_model import pull_weights

    try:
        typer.echo(pull_weights(Screen()))
    except TreadleError as error:
        raise typer.Exit(report_error(error)) from None


def _add_all() -> None:
    look, add_up, go_on, decide, set_up = "Look at threads", "Add up", "Go on", "Decide", "Set up"
    _add(commands, "threads", thread_options.ThreadsOptions, listing.threads, look)
    _add(commands, "show", thread_options.ShowOptions, history.show, look)
    _add(commands, "tail", thread_options.TailOptions, history.tail, look)
    _add(commands, "explain", thread_options.ExplainOptions, reports.explain, look)
    _add(commands, "diff", thread_options.DiffOptions, reports.diff, look)
    _add(commands, "replay", thread_options.ReplayOptions, reports.replay, look)
    _add(commands, "save-test", thread_options.SaveTestOptions, save_test, look)
    _add(commands, "costs", observe_options.CostsOptions, costs.costs, add_up)
    _add(commands, "stats", observe_options.StatsOptions, stats.stats, add_up)
    _add(
        commands, "export-traces", observe_options.ExportTracesOptions, traces.export_traces, add_up
    )
    _add(commands, "approve", thread_options.ApproveOptions, deciding.approve, decide)
    _add(commands, "answer", thread_options.AnswerOptions, deciding.answer, decide)
    _add(commands, "decide", thread_options.SettleOptions, deciding.settle, decide)
    _add(commands, "cancel", thread_options.CancelOptions, deciding.cancel, decide)
    _add(commands, "resume", thread_options.ResumeOptions, resume, go_on)
    _add(commands, "fork", thread_options.ForkOptions, deciding.fork, go_on)
    _add(commands, "eval", eval_options.EvalOptions, eval_, "Evaluate")
    _add(db, "path", StoreOptions, database.path)
    _add(db, "check", StoreOptions, database.check)
    _add(db, "export", thread_options.ExportOptions, database.export)
    _add(db, "import", thread_options.ImportOptions, database.import_)
    _add(db, "vacuum", StoreOptions, database.vacuum)
    _add(notes, "list", note_options.ListNotesOptions, memory.list_notes)
    _add(notes, "search", note_options.SearchNotesOptions, memory.search)
    _add(notes, "add", note_options.AddNoteOptions, memory.add)
    _add(notes, "forget", note_options.ForgetNoteOptions, memory.forget)
    _add(notes, "export", note_options.ExportNotesOptions, memory.export)
    _add(notes, "extract", note_options.ExtractNotesOptions, memory.extract)
    commands.add_typer(notes, name="memory", rich_help_panel=set_up)
    commands.add_typer(db, name="db", rich_help_panel=set_up)
    commands.add_typer(models, name="models", invoke_without_command=True, rich_help_panel=set_up)


_add_all()
