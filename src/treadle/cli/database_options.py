"""The options of `treadle db`, as frozen dataclasses. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

from .options import StoreOptions
from .parameters import make_argument, make_option


@dataclass(frozen=True, kw_only=True)
class CheckOptions(StoreOptions):
    repair: Annotated[
        bool,
        make_option("--repair", help="Write anew what lists and accounts take from the logs."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(StoreOptions):
    file: Annotated[
        str, make_argument(metavar="FILE", help="As db export wrote it; - : standard input.")
    ]


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    source: Annotated[
        str, make_argument(metavar="FROM", help="The path of a file, or postgresql://host/name.")
    ]
    target: Annotated[str, make_argument(metavar="TO", help="Such a database; another one.")]


@dataclass(frozen=True, kw_only=True)
class ImportOptions(RestoreOptions):
    openai: Annotated[
        bool,
        make_option("--openai", help="FILE has messages of chat completions, JSON or JSON Lines."),
    ] = False
    thread: Annotated[
        str | None,
        make_option("--thread", "-t", metavar="NAME", help="With --openai: the new thread's name."),
    ] = None
