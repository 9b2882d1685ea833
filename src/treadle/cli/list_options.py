"""The options of `treadle threads` and `treadle delete`. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

from .complete import thread_names
from .options import JSON, THREAD, StoreOptions
from .parameters import make_argument, make_option

Yes = Annotated[bool, make_option("--yes", "-y", help="Delete without asking.")]
Notes = Annotated[
    bool, make_option("--notes", help="Delete the notes that were made from them, too.")
]


@dataclass(frozen=True, kw_only=True)
class ThreadsOptions(StoreOptions):
    status: Annotated[
        str | None,
        make_option(
            metavar="STATUS",
            help="answered, limit, failed, refused, cancelled, waiting, unfinished, imported or"
            " damaged.",
        ),
    ] = None
    agent: Annotated[
        str | None, make_option(metavar="NAME", help="Only threads of the agent with this name.")
    ] = None
    text: Annotated[
        str | None, make_option(metavar="WORDS", help="Only threads with all of these words.")
    ] = None
    key: Annotated[
        str | None, make_option(metavar="KEY", help="Only threads with a message of this key.")
    ] = None
    rated: Annotated[
        str | None,
        make_option(metavar="RATING", help="Only where a person found a turn so: good or bad."),
    ] = None
    parent: Annotated[
        str | None,
        make_option(metavar="THREAD", help="Only children of this thread.", complete=thread_names),
    ] = None
    older: Annotated[
        str | None,
        make_option(
            metavar="AGE",
            help="Only where nobody wrote for so long, to children and forks neither: 90d, 12h.",
        ),
    ] = None
    all: Annotated[bool, make_option("--all", help="Also children of other threads.")] = False
    limit: Annotated[
        int, make_option("--limit", "-n", min=1, metavar="N", help="At most so many.")
    ] = 20
    before: Annotated[
        int | None, make_option(min=1, metavar="N", help="The next page, as the last one names it.")
    ] = None
    json: Annotated[bool, make_option("--json", help=JSON)] = False
    delete: Annotated[
        bool, make_option("--delete", help="With --older: delete all of them, once you agree.")
    ] = False
    notes: Notes = False
    yes: Yes = False


@dataclass(frozen=True, kw_only=True)
class DeleteOptions(StoreOptions):
    threads: Annotated[
        list[str],
        make_argument(metavar="THREAD", help=THREAD, complete=thread_names),
    ]
    notes: Notes = False
    stop: Annotated[
        bool, make_option("--stop", help="First cancel a turn that a process drives.")
    ] = False
    yes: Yes = False
