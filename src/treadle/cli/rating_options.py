"""The options of `treadle rate` and `treadle save-cases`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .complete import thread_names
from .options import THREAD, By, StoreOptions, Thread
from .parameters import make_argument, make_option


@dataclass(frozen=True, kw_only=True)
class RateOptions(StoreOptions):
    thread: Thread
    turn: Annotated[
        int | None,
        make_option(min=1, metavar="N", help="The turn's number; else the last that has ended."),
    ] = None
    good: Annotated[bool, make_option("--good", help="It was good.")] = False
    bad: Annotated[bool, make_option("--bad", help="It was bad.")] = False
    why: Annotated[str, make_option(metavar="TEXT", help="Kept in the log.")] = ""
    by: By = None


@dataclass(frozen=True, kw_only=True)
class SaveCasesOptions(StoreOptions):
    threads: Annotated[
        list[str] | None,
        make_argument(metavar="[THREAD]...", help=f"{THREAD} Else all.", complete=thread_names),
    ] = None
    rated: Annotated[
        str | None, make_option(metavar="RATING", help="Only turns found so: good or bad.")
    ] = None
    output: Annotated[
        Path, make_option("--output", "-o", metavar="FILE", help="The dataset to write.")
    ] = Path("cases.jsonl")
