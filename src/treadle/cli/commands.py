"""Makes all commands except the question itself.

What a command needs is imported when that command is asked for, and by no other.
"""

import click

from .command_table import COMMANDS
from .parameters import CONTEXT, Command, Group

commands = Group("treadle", {name: each.place for name, each in COMMANDS.items() if each.place})
models = Group(
    "models",
    {"check": "check_models.check"},
    invoke_without_command=True,
    help="List the models, and what each needs.",
)
notes = Group(
    "notes",
    {
        "list": "note_commands.list_notes",
        "search": "note_commands.search",
        "add": "note_commands.add",
        "correct": "note_why.correct",
        "why": "note_why.why",
        "forget": "note_commands.forget",
        "export": "note_commands.export",
        "extract": "note_commands.extract",
    },
    help="Notes that last across threads.",
)
db = Group(
    "db",
    {
        "path": "database.path",
        "check": "database.check",
        "export": "database.export",
        "import": "database.import_",
        "copy": "database.copy",
        "restore": "database.restore",
        "vacuum": "database.vacuum",
    },
    help="Check, copy and clean up the database.",
)


@commands.command(cls=Command, context_settings=CONTEXT)
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


for group in (notes, db, models):
    commands.add_command(group)
