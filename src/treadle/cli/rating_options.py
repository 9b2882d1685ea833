"""The options of `treadle rate` and `treadle save-cases`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import BY, THREAD, WHY, StoreOptions, name_thread
from .parameters import make_flag, make_option


@dataclass(frozen=True, kw_only=True)
class RateOptions(StoreOptions):
    thread: str = name_thread()
    turn: int | None = make_option("N", "The turn's number; else the last that has ended.", min=1)
    good: bool = make_flag("It was good.")
    bad: bool = make_flag("It was bad.")
    why: str = make_option("TEXT", WHY, "")
    by: str | None = make_option("NAME", BY)


@dataclass(frozen=True, kw_only=True)
class SaveCasesOptions(StoreOptions):
    threads: list[str] | None = name_thread("[THREAD]...", f"{THREAD} Else all.", default=None)
    rated: str | None = make_option("RATING", "Only turns found so: good or bad.")
    output: Path = make_option("FILE", "The dataset to write.", Path("cases.jsonl"), short="-o")
