"""The options of `treadle threads` and `treadle delete`. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

import typer

from .complete import complete_thread
from .options import StoreOptions
from .thread_options import JSON, THREAD

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]
Notes = Annotated[
    bool, typer.Option("--notes", help="Delete the notes that were made from them, too.")
]


@dataclass(frozen=True, kw_only=True)
class ThreadsOptions(StoreOptions):
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="answered, limit, failed, refused, cancelled, waiting, unfinished, imported or"
            " damaged.",
        ),
    ] = None
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only threads of the agent with this name.")
    ] = None
    text: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only threads with all of these words.")
    ] = None
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only threads with a message of this key.")
    ] = None
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="THREAD", help="Only children of this thread.", autocompletion=complete_thread
        ),
    ] = None
    older: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Only where nobody wrote for so long, to children and forks neither: 90d, 12h.",
        ),
    ] = None
    all: Annotated[bool, typer.Option("--all", help="Also children of other threads.")] = False
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")
    ] = 20
    before: Annotated[
        int | None, typer.Option(metavar="N", help="The next page, as the last one names it.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False
    delete: Annotated[
        bool, typer.Option("--delete", help="With --older: delete all of them, once you agree.")
    ] = False
    notes: Notes = False
    yes: Yes = False


@dataclass(frozen=True, kw_only=True)
class DeleteOptions(StoreOptions):
    threads: Annotated[
        list[str],
        typer.Argument(metavar="THREAD", help=THREAD, autocompletion=complete_thread),
    ]
    notes: Notes = False
    stop: Annotated[
        bool, typer.Option("--stop", help="First cancel a turn that a process drives.")
    ] = False
    yes: Yes = False
