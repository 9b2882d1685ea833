"""`treadle save-cases`: makes a dataset of turns that people found good or bad."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.visible import make_visible, visible_line
from ..evals.rated_cases import Rating, make_cases, write_case
from ..observe.amounts import format_count
from ..stores.store import Store
from .agents import choose_store
from .atomic_file import write_atomically
from .options import THREAD, StoreOptions, name_thread
from .parameters import make_option
from .rate import read_rating
from .terminal import Screen, print_line
from .threads import list_thread_infos, read_thread, resolve_thread


@dataclass(frozen=True, kw_only=True)
class SaveCasesOptions(StoreOptions):
    threads: list[str] | None = name_thread("[THREAD]...", f"{THREAD} Else all.", default=None)
    rated: str | None = make_option("RATING", "Only turns found so: good or bad.")
    output: Path = make_option("FILE", "The dataset to write.", Path("cases.jsonl"), short="-o")


def save_cases(settings: SaveCasesOptions) -> int:
    """Make cases of rated turns, for `treadle eval`: what was said, and a judge who is told what
    people found of the answer. Edit them: a check without a model is better where one will do."""
    rating = read_rating(settings.rated)
    file = settings.output
    if file.suffix != ".jsonl":
        raise UsageError(f"-o {file}: the dataset is JSON Lines; its name ends in .jsonl")
    if file.exists():
        raise UsageError(f"{file} is there already; name another with -o, or remove it")
    store = choose_store(settings)
    lines = list(_lines(store, _choose_threads(store, settings), rating))
    if not lines:
        raise UsageError("no turn is rated like that; rate one with treadle rate THREAD")
    with write_atomically(file) as out:
        out.writelines(line + b"\n" for line in lines)
    print_line(make_visible(str(file)))
    made = format_count(len(lines), "case")
    Screen().note(f"{made}; run: treadle eval {make_visible(str(file))}")
    return 0


def _choose_threads(store: Store, settings: SaveCasesOptions) -> list[str]:
    if settings.threads:
        return [resolve_thread(store, name) for name in settings.threads]
    return [info.thread_id for info in list_thread_infos(store) if not info.parent]


def _lines(store: Store, threads: list[str], rating: Rating | None) -> Iterator[bytes]:
    for name in threads:
        try:
            cases = make_cases(read_thread(store, name), rating)
        except (StoreDamaged, IllegalEvent) as error:
            left_out = f"left out {visible_line(name, 200)}: {make_visible(str(error))}"
            Screen().note(left_out, "yellow")
            continue
        for case in cases:
            yield msgspec.json.encode(write_case(case))
