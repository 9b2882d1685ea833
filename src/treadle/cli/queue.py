"""`treadle queue`: what there is to do for workers, and which of them there are."""

from dataclasses import dataclass

from ..core.visible import visible_line
from ..engines import open_engine
from ..runtime.sync import run_sync
from ..workers.overview import Overview, read_overview
from .agents import choose_database
from .options import ENGINE, StoreOptions, work_option
from .parameters import make_argument, make_flag
from .tables import format_table
from .terminal import Screen, print_as_json, print_line

HEADER = ("AGENT", "DUE", "FOR", "RUNNING", "WAITING", "PARKED", "QUEUED", "WORKERS")


@dataclass(frozen=True, kw_only=True)
class QueueOptions(StoreOptions):
    agents: list[str] | None = make_argument(
        "NAME", "Names of agents; none: all that have open threads.", None
    )
    engine: str | None = work_option("ADDRESS", ENGINE)
    json: bool = make_flag("JSON Lines.")


def queue(settings: QueueOptions) -> int:
    """Show what workers have to do, by agent: what is due, runs, waits and is parked.

    With an engine: how many jobs it holds, and which workers ask it for some.
    """
    store, engine = choose_database(settings), open_engine(settings.engine)
    found: list[Overview] = []
    if store.exists():
        found = run_sync(read_overview(store, engine, settings.agents or ()))
    if settings.json:
        for each in found:
            print_as_json(each)
        return 0
    if not found:
        Screen().note("no thread is open", "dim")
        return 0
    print_line(format_table([HEADER, *(_row(each) for each in found)]))
    for each in found:
        for name in each.parked:
            print_line(f"parked: {visible_line(name, 200)}")
    return 0


def _row(each: Overview) -> tuple[str, ...]:
    queued, workers = "-", "-"
    if each.queue:
        queued, workers = str(each.queue.waiting), ", ".join(each.queue.workers) or "none"
    due = f"{each.due_s:.0f} s" if each.due else "-"
    numbers = (str(each.running), str(each.waiting), str(len(each.parked)))
    return (visible_line(each.agent, 60), str(each.due), due, *numbers, queued, workers)
