"""The options of `treadle db`, as frozen dataclasses. Imports nothing slow."""

from dataclasses import dataclass

from .options import StoreOptions
from .parameters import make_argument, make_flag, make_option


@dataclass(frozen=True, kw_only=True)
class CheckOptions(StoreOptions):
    repair: bool = make_flag("Write anew what lists and accounts take from the logs.")


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(StoreOptions):
    file: str = make_argument("FILE", "As db export wrote it; - : standard input.")


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    source: str = make_argument("FROM", "The path of a file, or postgresql://host/name.")
    target: str = make_argument("TO", "Such a database; another one.")


@dataclass(frozen=True, kw_only=True)
class ImportOptions(RestoreOptions):
    openai: bool = make_flag("FILE has messages of chat completions, JSON or JSON Lines.")
    thread: str | None = make_option("NAME", "With --openai: the new thread's name.", short="-t")
