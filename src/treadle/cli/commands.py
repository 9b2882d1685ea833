"""All commands except the question itself, in the groups that --help shows.

What a command needs is imported when that command is asked for, and by no other.
"""

from importlib import import_module
from typing import get_type_hints

import click

from .parameters import CONTEXT, Command, Group, make_command

commands = Group("treadle", context_settings=CONTEXT)
models = Group(
    "models",
    context_settings=CONTEXT,
    invoke_without_command=True,
    help="List the models, and what each needs.",
)
db = Group("db", context_settings=CONTEXT, help="Check, copy and clean up the database.")
notes = Group("notes", context_settings=CONTEXT, help="Notes that last across threads.")


def _add(group: Group, name: str, place: str, panel: str = "") -> None:
    """Add the command whose function is at this place: "module.name" in this package.

    The function's one parameter says by its type which options there are.
    """

    def make() -> click.Command:
        module, _, attribute = place.partition(".")
        function = getattr(import_module(f".{module}", __package__), attribute)
        settings = get_type_hints(function)["settings"]
        return make_command(name, settings, function, panel)

    group.makers[name] = make


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
    from .terminal import Screen

    click.echo(pull_weights(Screen()))


def _add_all() -> None:
    look = "Look at threads"
    add_up = "Add up"
    go_on = "Go on"
    decide = "Decide"
    set_up = "Set up"
    _add(commands, "threads", "listing.threads", look)
    _add(commands, "due", "due.due", look)
    _add(commands, "show", "show.show", look)
    _add(commands, "tail", "show.tail", look)
    _add(commands, "explain", "reports.explain", look)
    _add(commands, "diff", "reports.diff", look)
    _add(commands, "replay", "reports.replay", look)
    _add(commands, "save-test", "save_test.save_test", look)
    _add(commands, "summary", "show_summary.summary", add_up)
    _add(commands, "costs", "costs.costs", add_up)
    _add(commands, "stats", "show_stats.stats", add_up)
    _add(commands, "cache", "show_cache.cache", add_up)
    _add(commands, "export-traces", "traces.export_traces", add_up)
    _add(commands, "approve", "decisions.approve", decide)
    _add(commands, "revoke", "permissions.revoke", decide)
    _add(commands, "answer", "decisions.answer", decide)
    _add(commands, "settle", "settle.settle", decide)
    _add(commands, "limit", "limit.limit", decide)
    _add(commands, "adopt", "decisions.adopt", decide)
    _add(commands, "cancel", "decisions.cancel", decide)
    _add(commands, "resume", "resume.resume", go_on)
    _add(commands, "steer", "steer.steer", go_on)
    _add(commands, "fork", "fork.fork", go_on)
    _add(commands, "delete", "delete_threads.delete", "Clean up")
    _add(commands, "eval", "evaluation.evaluate", "Evaluate")
    _add(commands, "rate", "rate.rate", "Evaluate")
    _add(commands, "save-cases", "save_cases.save_cases", "Evaluate")
    _add(commands, "submit", "submit.submit", go_on)
    _add(commands, "serve", "serve.serve", "Serve")
    _add(commands, "worker", "worker.work", "Serve")
    _add(commands, "queue", "queue.queue", "Serve")
    _add(commands, "acp", "editor.editor", "Serve")
    _add(commands, "mcp", "mcp_serve.serve", "Serve")
    _add(commands, "check", "check_labels.check", set_up)
    _add(commands, "init", "init.init", set_up)
    _add(commands, "trust", "trust_command.trust", set_up)
    _add(commands, "mcp-allow", "mcp_servers.allow", set_up)
    _add(commands, "mcp-login", "mcp_servers.login", set_up)
    _add_groups(set_up)


def _add_groups(panel: str) -> None:
    """The groups of commands, each with its own."""
    _add(models, "check", "check_models.check")
    _add(db, "path", "database.path")
    _add(db, "check", "database.check")
    _add(db, "export", "database.export")
    _add(db, "import", "database.import_")
    _add(db, "copy", "database.copy")
    _add(db, "restore", "database.restore")
    _add(db, "vacuum", "database.vacuum")
    _add(notes, "list", "note_commands.list_notes")
    _add(notes, "search", "note_commands.search")
    _add(notes, "add", "note_commands.add")
    _add(notes, "correct", "note_why.correct")
    _add(notes, "why", "note_why.why")
    _add(notes, "forget", "note_commands.forget")
    _add(notes, "export", "note_commands.export")
    _add(notes, "extract", "note_commands.extract")
    tools.panel = panel  # type: ignore[attr-defined]
    for group in (notes, db, models):
        group.panel = panel
        commands.add_command(group)


_add_all()
